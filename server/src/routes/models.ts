import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Models } from '../models.ts'
import { ERROR_REPLIES, ModelsReply } from '../schemas.ts'

export const modelsRoutes: FastifyPluginAsyncTypebox<{ models: () => Models }> = async (app, { models }) => {
  app.get(
    '/models',
    {
      schema: {
        tags: ['models'],
        operationId: 'describeModels',
        summary: 'What is served: data, versions, hashes, and how good each model is on typings left out',
        response: { 200: ModelsReply, ...ERROR_REPLIES }
      }
    },
    () => models().manifest
  )
}
