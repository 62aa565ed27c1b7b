import type { IncomingMessage } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { errors } from '../errors.ts'

/** Where requests go whose own path cannot be decoded; no route has it. */
const NOWHERE = '/unroutable'

/** Requests that Node.js or the router would answer by themselves, without code, headers and a line in the log. */
const faults = new WeakMap<IncomingMessage, Error>()

/** Fastify's `rewriteUrl`: send a request whose path cannot be decoded to the hooks, like any other. */
export function routeUndecodable(request: IncomingMessage): string {
  const url = request.url ?? '/'
  if (!url.includes('%')) return url
  try {
    decodeURI(url.split('?', 1)[0]!)
    return url
  } catch {
    faults.set(request, new errors.URL_INVALID())
    return NOWHERE
  }
}

/**
 * Answer what Node.js refuses by itself in the documented form: an unknown `Expect` (RFC 9110, section 10.1.1), and
 * HTTP/1.1 without `Host` (section 7.2), which `requireHostHeader: false` lets through. Hooks that are added before this
 * one apply.
 */
export function refuseUnroutable(app: FastifyInstance): void {
  app.server.on('checkExpectation', (request: IncomingMessage, response) => {
    faults.set(request, new errors.EXPECTATION())
    app.server.emit('request', request, response)
  })
  app.addHook('onRequest', (request, reply, done) => {
    const { httpVersion, headers } = request.raw
    const fault = faults.get(request.raw)
    if (fault !== undefined) done(fault)
    else if (headers.host === undefined && httpVersion === '1.1') {
      reply.header('connection', 'close')
      done(new errors.HOST())
    } else done()
  })
}
