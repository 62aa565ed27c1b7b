import type { IncomingMessage, ServerResponse } from 'node:http'
import cors from '@fastify/cors'
import type { FastifyInstance } from 'fastify'
import helmet, { type HelmetOptions } from 'helmet'

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
} satisfies HelmetOptions

const OVER_TLS = {
  ...PLAIN,
  crossOriginOpenerPolicy: { policy: 'same-origin' },
  strictTransportSecurity: { maxAge: 31_536_000 }
} satisfies HelmetOptions

/** s for which a browser remembers that it may ask. */
const MAX_AGE = 600

/**
 * Put security headers on every answer, and let pages of other origins ask where they are named.
 *
 * @param origins - such as https://example.com; without any, browsers let no other page read an answer
 */
export async function registerHeaders(app: FastifyInstance, origins: readonly string[]): Promise<void> {
  const [plain, overTls] = [headersOf(PLAIN), headersOf(OVER_TLS)]
  app.addHook('onRequest', (request, reply, done) => {
    reply.headers(request.protocol === 'https' ? overTls : plain)
    done()
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

/** What helmet sets, the same for every request: to have it computed for each, as by @fastify/helmet, took a third of its time. */
function headersOf(options: HelmetOptions): Record<string, string> {
  const headers: Record<string, string> = {}
  const response = {
    setHeader: (name: string, value: string) => {
      headers[name.toLowerCase()] = value
    },
    removeHeader: () => {}
  }
  helmet(options)({} as IncomingMessage, response as unknown as ServerResponse, (error) => {
    if (error) throw error
  })
  return headers
}
