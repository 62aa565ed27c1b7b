import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Models } from '../models.ts'
import { ERROR_REPLIES, PredictQuery, PredictReply, PredictRequest } from '../schemas.ts'

export const predictRoutes: FastifyPluginAsyncTypebox<{ models: () => Models }> = async (app, { models }) => {
  app.post(
    '/predict',
    {
      schema: {
        tags: ['predict'],
        operationId: 'predict',
        summary: 'Who typed? From the 8 features of a typing, by one model',
        body: PredictRequest,
        querystring: PredictQuery,
        response: { 200: PredictReply, ...ERROR_REPLIES }
      }
    },
    async ({ body, query, raw }) => {
      const question = { features: body, top: query.top }
      const prediction = await models().batchers[body.Model].ask(question, () => raw.socket.destroyed)
      return { ...prediction, Model: body.Model }
    }
  )
}
