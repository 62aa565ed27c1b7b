import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Keys } from '../http/authentication.ts'
import { LIMITS } from '../http/limits.ts'
import type { Models } from '../models/load.ts'
import { predict } from '../models/predict.ts'
import { ERROR_REPLIES } from '../schemas/error.ts'
import { PredictQuery, PredictReply, PredictRequest } from '../schemas/predict.ts'

export const predictRoutes: FastifyPluginAsyncTypebox<{ models: () => Models; keys: Keys }> = async (
  app,
  { models, keys }
) => {
  app.post(
    '/predict',
    {
      bodyLimit: LIMITS.featuresBody,
      schema: {
        tags: ['predict'],
        operationId: 'predict',
        summary: 'Who typed? From the 8 features of a typing, by one model',
        body: PredictRequest,
        querystring: PredictQuery,
        response: { 200: PredictReply, ...ERROR_REPLIES }
      }
    },
    async (request, reply) => {
      const { body, query, raw } = request
      if (query.top !== undefined) keys.requireAdmin(request, reply, 'querystring.top')
      const model = models().byName[body.Model]
      const prediction = await predict(model, body, query.top, () => raw.socket.destroyed)
      return { ...prediction, Model: body.Model }
    }
  )
}
