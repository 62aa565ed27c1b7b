import cors from '@fastify/cors'
import helmet, { type FastifyHelmetOptions } from '@fastify/helmet'
import type { FastifyInstance } from 'fastify'

/** Of the API, whose answers are data; the page and /docs have policies of their own. */
const PLAIN = {
  contentSecurityPolicy: {
    useDefaults: false,
    directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] }
  },
  // Browsers warn of these over plain HTTP, and ignore them.
  crossOriginOpenerPolicy: false,
  originAgentCluster: false,
  strictTransportSecurity: false,
  // Of browsers that are no longer in use, or said by the policy above.
  xDnsPrefetchControl: false,
  xDownloadOptions: false,
  xFrameOptions: false,
  xPermittedCrossDomainPolicies: false,
  xXssProtection: false
} satisfies FastifyHelmetOptions

const OVER_TLS = {
  ...PLAIN,
  crossOriginOpenerPolicy: { policy: 'same-origin' },
  strictTransportSecurity: { maxAge: 31_536_000 }
} satisfies FastifyHelmetOptions

/** s for which a browser remembers that it may ask. */
const MAX_AGE = 600

/**
 * Put security headers on every answer, and let pages of other origins ask where they are named.
 *
 * @param origins - such as https://example.com; without any, browsers let no other page read an answer
 */
export async function registerHeaders(app: FastifyInstance, origins: readonly string[]): Promise<void> {
  await app.register(helmet, { global: false })
  app.addHook('onRequest', async (request, reply) => {
    await reply.helmet(request.protocol === 'https' ? OVER_TLS : PLAIN)
  })
  if (origins.length === 0) return
  await app.register(cors, {
    origin: [...origins],
    methods: ['GET', 'POST', 'PUT', 'DELETE'],
    allowedHeaders: ['content-type', 'x-api-key', 'authorization', 'if-none-match', 'x-request-id'],
    exposedHeaders: ['x-request-id', 'retry-after'],
    maxAge: MAX_AGE
  })
}
