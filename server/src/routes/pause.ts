import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { ERROR_REPLIES } from '../schemas/error.ts'
import { UserParams } from '../schemas/users.ts'
import { parseUserID } from '../users/user-id.ts'
import type { Recognition } from './identify.ts'

export const pauseRoutes: FastifyPluginAsyncTypebox<Recognition> = async (app, { models, users, claims }) => {
  app.delete(
    '/users/:UserID/pause',
    {
      schema: {
        tags: ['users'],
        operationId: 'liftPause',
        summary: 'Lift the pause of a user, trained or enrolled',
        description:
          'Forgets the failed claims to be the user; the next claim is answered at once. Typings that were accepted stay ' +
          'remembered, so that copies of them are refused.',
        params: UserParams,
        response: { 204: Type.Null({ description: 'Lifted, or there was none' }), ...ERROR_REPLIES }
      }
    },
    async ({ params }, reply) => {
      const userID = parseUserID(params.UserID, models().manifest.classes)
      await users().get(userID)
      await claims.lift(userID)
      return reply.code(204).send(null)
    }
  )
}
