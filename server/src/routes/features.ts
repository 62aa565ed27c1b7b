import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { LIMITS } from '../http/limits.ts'
import { ERROR_REPLIES } from '../schemas/error.ts'
import { FeaturesSchema } from '../schemas/features.ts'
import { TypingSchema } from '../schemas/typing.ts'
import { checkTyping } from '../typings/check.ts'
import { computeFeatures } from '../typings/features.ts'

export const featuresRoutes: FastifyPluginAsyncTypebox = async (app) => {
  app.post(
    '/features',
    {
      bodyLimit: LIMITS.typingBody,
      schema: {
        tags: ['predict'],
        operationId: 'computeFeatures',
        summary: 'The 8 features of a typing, as POST /predict takes them',
        description: 'Add "Model" to the answer and post it to /predict.',
        body: TypingSchema,
        response: { 200: FeaturesSchema, ...ERROR_REPLIES }
      }
    },
    ({ body }) => {
      checkTyping(body)
      return computeFeatures(body)
    }
  )
}
