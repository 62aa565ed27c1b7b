import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import { LIMITS } from '../http/limits.ts'
import type { Models } from '../models/load.ts'
import { identify, recognizerOf, verify } from '../models/recognize.ts'
import { ERROR_REPLIES } from '../schemas/error.ts'
import {
  IdentifyQuery,
  IdentifyReply,
  IdentifyRequest,
  VerifyReply,
  VerifyRequest
} from '../schemas/recognize.ts'
import { checkDistinct, checkTypings } from '../typings/check.ts'
import type { ClaimGuard } from '../users/claims.ts'
import type { Users } from '../users/users.ts'

/** Candidates that are given unless the query says otherwise. */
const TOP = 5

export const identifyRoutes: FastifyPluginAsyncTypebox<{
  models: () => Models
  users: () => Users
  claims: ClaimGuard
  isAdmin: (request: FastifyRequest) => boolean
}> = async (app, { models, users, claims, isAdmin }) => {
  app.post(
    '/identify',
    {
      bodyLimit: LIMITS.typingsBody,
      schema: {
        tags: ['recognize'],
        operationId: 'identify',
        summary: 'Who is it? From every single time of one or more typings',
        description:
          'By the typing model. Several typings of one person are read together, which is surer than one alone.',
        body: IdentifyRequest,
        querystring: IdentifyQuery,
        response: { 200: IdentifyReply, ...ERROR_REPLIES }
      }
    },
    async (request) => {
      const { body, query, raw } = request
      checkTypings(body.Typings, models().manifest.dataset.keys)
      checkDistinct(body.Typings)
      const isGone = () => raw.socket.destroyed
      const identified = await identify(recognizerOf(models()), body.Typings, query.top ?? TOP, isGone)
      if (isAdmin(request)) return identified
      return { ...identified, Candidates: identified.Candidates.map(({ UserID }) => ({ UserID })) }
    }
  )

  app.post(
    '/verify',
    {
      bodyLimit: LIMITS.typingsBody,
      schema: {
        tags: ['recognize'],
        operationId: 'verify',
        summary: 'Is it this user? From every single time of one or more typings',
        description:
          'The threshold is set for the false acceptance rate that GET /models gives. A match is evidence, not proof. ' +
          'For callers other than administrators: each failure raises what the next match needs; after 5 in a row the ' +
          'user is paused (429, Retry-After); ' +
          'a copy of a typing that was enrolled or accepted is refused (409).',
        body: VerifyRequest,
        response: { 200: VerifyReply, ...ERROR_REPLIES }
      }
    },
    async (request) => {
      const { UserID, Typings } = request.body
      checkTypings(Typings, models().manifest.dataset.keys)
      checkDistinct(Typings)
      await users().find(UserID)
      const isGone = () => request.raw.socket.destroyed
      const weigh = () => verify(recognizerOf(models()), Typings, UserID, isGone)
      if (isAdmin(request)) return weigh()
      const {
        Score: _,
        Threshold: __,
        ...answer
      } = await claims.weigh(UserID, Typings, weigh, (user) => users().typingsOf(user))
      return answer
    }
  )
}
