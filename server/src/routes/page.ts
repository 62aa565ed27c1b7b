import { join } from 'node:path'
import fastifyStatic from '@fastify/static'
import type { FastifyPluginAsync } from 'fastify'

/** Where `npm run build` puts the page; seen from the sources and from what is compiled of them. */
const FOLDER = join(import.meta.dirname, '..', '..', 'dist', 'page')

const HEADERS = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'"
  ].join('; '),
  // Names of the files stay the same between versions: ask each time, by ETag, whether they changed.
  'cache-control': 'no-cache'
}

/** The page at `/`, and the recorder at `/recorder.js`; they hold nothing that needs a key. */
export const pageRoutes: FastifyPluginAsync = async (app) => {
  app.addHook('onSend', async (_request, reply) => {
    reply.headers(HEADERS)
  })
  // A route for each file; other paths are 404 in the usual form.
  await app.register(fastifyStatic, {
    root: FOLDER,
    wildcard: false,
    decorateReply: false,
    cacheControl: false
  })
}
