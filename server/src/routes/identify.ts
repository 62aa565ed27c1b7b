import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Keys } from '../http/authentication.ts'
import { LIMITS } from '../http/limits.ts'
import type { Models } from '../models/load.ts'
import { identify, recognizerOf } from '../models/recognize.ts'
import { ERROR_REPLIES } from '../schemas/error.ts'
import { IdentifyQuery, IdentifyReply, IdentifyRequest } from '../schemas/recognize.ts'
import { checkDistinct, checkTypings } from '../typings/check.ts'
import type { ClaimGuard } from '../users/claims.ts'
import { MOST_SEARCHES, type Searches } from '../users/searches.ts'
import type { Users } from '../users/users.ts'

/** Candidates that are given unless the query says otherwise. */
const TOP = 5

/** What identifying, verifying and lifting pauses need. */
export interface Recognition {
  models: () => Models
  users: () => Users
  keys: Keys
  claims: ClaimGuard
  searches: Searches
}

export const identifyRoutes: FastifyPluginAsyncTypebox<Recognition> = async (
  app,
  { models, keys, searches }
) => {
  app.post(
    '/identify',
    {
      bodyLimit: LIMITS.typingsBody,
      schema: {
        tags: ['recognize'],
        operationId: 'identify',
        summary: 'Who is it? From every single time of one or more typings',
        description:
          'By the typing model. Several typings of one person are read together, which is surer than one alone. ' +
          'Needs a key that may identify. Callers other than administrators get no candidates, and no UserID unless ' +
          `the typist is known; ${MOST_SEARCHES} of their identifications may end unknown in an hour (429, Retry-After).`,
        body: IdentifyRequest,
        querystring: IdentifyQuery,
        response: { 200: IdentifyReply, ...ERROR_REPLIES }
      }
    },
    async (request, reply) => {
      const { body, query, raw } = request
      keys.requireIdentify(request, reply)
      if (query.top !== undefined) keys.requireAdmin(request, reply, 'querystring.top')
      checkTypings(body.Typings, models().manifest.dataset.keys)
      checkDistinct(body.Typings)
      const isGone = () => raw.socket.destroyed
      const ask = () => identify(recognizerOf(models()), body.Typings, query.top ?? TOP, isGone)
      if (keys.isAdmin(request)) return ask()
      const { UserID, Known, Confidence, Regular } = await searches.identify(keys.nameOf(request), ask)
      return { ...(Known && { UserID }), Known, Confidence, Regular }
    }
  )
}
