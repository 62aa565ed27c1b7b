import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
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
import { checkTypings } from '../typings/check.ts'
import type { Users } from '../users/users.ts'

/** Candidates that are given unless the query says otherwise. */
const TOP = 5

export const identifyRoutes: FastifyPluginAsyncTypebox<{ models: () => Models; users: () => Users }> = async (
  app,
  { models, users }
) => {
  app.post(
    '/identify',
    {
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
    ({ body, query, raw }) => {
      checkTypings(body.Typings, models().manifest.dataset.keys)
      return identify(recognizerOf(models()), body.Typings, query.top ?? TOP, () => raw.socket.destroyed)
    }
  )

  app.post(
    '/verify',
    {
      schema: {
        tags: ['recognize'],
        operationId: 'verify',
        summary: 'Is it this user? From every single time of one or more typings',
        description:
          'The threshold is set for the false acceptance rate that GET /models gives. A match is evidence, not proof.',
        body: VerifyRequest,
        response: { 200: VerifyReply, ...ERROR_REPLIES }
      }
    },
    async ({ body, raw }) => {
      checkTypings(body.Typings, models().manifest.dataset.keys)
      await users().find(body.UserID)
      return verify(recognizerOf(models()), body.Typings, body.UserID, () => raw.socket.destroyed)
    }
  )
}
