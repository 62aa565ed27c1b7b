import { createRequire } from 'node:module'
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import { SECURITY_SCHEMES } from './authentication.ts'

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string }

/**
 * Describe every route that is registered after this at /openapi.json, and show it at /docs.
 *
 * @param needsKey - whether calls need a key, which /docs then asks for under "Authorize"
 */
export async function registerOpenapi(
  app: FastifyInstance,
  { needsKey }: { needsKey: boolean }
): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Keystroke recognition',
        version,
        description:
          'Tells who is typing from how they type. Errors all have one form; `code` is for programs, `message` for people.',
        license: { name: 'MIT', identifier: 'MIT' }
      },
      ...(needsKey && {
        components: { securitySchemes: SECURITY_SCHEMES },
        security: Object.keys(SECURITY_SCHEMES).map((scheme) => ({ [scheme]: [] }))
      }),
      tags: [
        { name: 'predict', description: 'Who typed? By the challenge’s 8 features' },
        { name: 'recognize', description: 'Who typed, and is it who they say? By every single time' },
        { name: 'models', description: 'What answers' },
        { name: 'health', description: 'For load balancers' }
      ]
    }
  })
  await app.register(swaggerUi, { routePrefix: '/docs', staticCSP: true })
  app.get('/openapi.json', { schema: { hide: true } }, () => app.swagger())
}
