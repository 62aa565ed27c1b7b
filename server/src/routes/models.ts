import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Models } from '../models/load.ts'
import { ERROR_REPLIES } from '../schemas/error.ts'
import { ModelsReply } from '../schemas/manifest.ts'

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
    () => {
      const { manifest, byName } = models()
      return { users: byName.typing.gallery.users, ...manifest }
    }
  )
}
