import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { LIMITS } from '../http/limits.ts'
import { recognizerOf, verify } from '../models/recognize.ts'
import { ERROR_REPLIES } from '../schemas/error.ts'
import { VerifyReply, VerifyRequest } from '../schemas/recognize.ts'
import { checkDistinct, checkTypings } from '../typings/check.ts'
import { normalize } from '../users/user-id.ts'
import type { Recognition } from './identify.ts'

export const verifyRoutes: FastifyPluginAsyncTypebox<Recognition> = async (
  app,
  { models, users, keys, claims, searches }
) => {
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
          'For callers other than administrators: each failure raises what the next match needs; after 5 in a row, and ' +
          'after 10 within a day, the user is paused (429, Retry-After); ' +
          'a copy of a typing that was enrolled or accepted is refused (409).',
        body: VerifyRequest,
        response: { 200: VerifyReply, ...ERROR_REPLIES }
      }
    },
    async (request) => {
      const { Typings } = request.body
      const UserID = normalize(request.body.UserID, models().manifest.classes)
      checkTypings(Typings, models().manifest.dataset.keys)
      checkDistinct(Typings)
      await users().find(UserID)
      const isGone = () => request.raw.socket.destroyed
      const weigh = () => verify(recognizerOf(models()), Typings, UserID, isGone)
      if (keys.isAdmin(request)) return weigh()
      const claim = {
        userID: UserID,
        typings: Typings,
        searches: keys.mayIdentify(request) ? await searches.count(keys.nameOf(request)) : undefined,
        weigh
      }
      const { Score: _, Threshold: __, ...answer } = await claims.weigh(claim, users())
      return answer
    }
  )
}
