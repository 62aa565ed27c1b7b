import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Health } from '../http/health.ts'
import { HealthReply } from '../schemas/health.ts'

/** OpenAPI's word for: no key needed. */
const OPEN: never[] = []

export const healthRoutes: FastifyPluginAsyncTypebox<{ health: Health }> = async (app, { health }) => {
  // Asked every few seconds for ever: not worth a line of the log each.
  const logLevel = 'warn'

  app.get(
    '/health/live',
    {
      logLevel,
      schema: {
        tags: ['health'],
        operationId: 'isAlive',
        security: OPEN,
        summary: 'Is the process alive?',
        response: { 200: HealthReply }
      }
    },
    () => ({ status: 'alive' as const })
  )

  app.get(
    '/health/ready',
    {
      logLevel,
      schema: {
        tags: ['health'],
        operationId: 'isReady',
        security: OPEN,
        summary: 'Are predictions answered? What a load balancer asks',
        description:
          'By the status: 503 until every model is loaded and tested, and again before the process ends.',
        response: { 200: HealthReply, 503: HealthReply }
      }
    },
    (_request, reply) => {
      reply.code(health.state === 'ready' ? 200 : 503)
      return { status: health.state }
    }
  )
}
