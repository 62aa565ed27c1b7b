import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController
} from 'fastify'
import { shorten } from '../text.ts'

declare module 'fastify' {
  interface FastifyReply {
    /** Code of the error that was answered, for the log. */
    errorCode: string | undefined
  }
}

/** IDs that clients and proxies give their requests; others could break a log, or fill it. */
const GIVEN = /^[\w.:/+=-]{1,128}$/

/** Status in the log of a request whose client left before the answer was written; nginx's number for it. */
const LEFT = 499

/** Name a request by its `x-request-id`, or anew. */
export function requestID({ headers }: IncomingMessage): string {
  const given = headers['x-request-id']
  return typeof given === 'string' && GIVEN.test(given) ? given : randomUUID()
}

/** Leaves out Fastify's own lines of a request, of which it would log two; faults of a stream are still logged. */
export class FaultLog extends LogController {
  override incomingRequest(): void {}
  override requestCompleted(): void {}
  override streamError(error: NodeJS.ErrnoException, { id }: FastifyRequest, reply: FastifyReply): void {
    // A client that left is in the line of its request.
    if (error.code !== 'ERR_STREAM_PREMATURE_CLOSE') reply.log.warn({ id, err: error }, error.message)
  }
}

/**
 * Log one line for each request, once it is over, and answer its ID in `x-request-id`. Neither what was sent nor a
 * query is logged, and of a path the route alone: it may name a user. Health checks are logged at `debug`.
 */
export function logRequests(app: FastifyInstance): void {
  app.decorateReply('errorCode', undefined)
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id)
    // Fastify's onResponse is not called for a client that leaves before there is a reply.
    reply.raw.once('close', () => logRequest(app.log, request, reply))
    done()
  })
}

function logRequest(log: FastifyBaseLogger, request: FastifyRequest, reply: FastifyReply): void {
  const { id, method, address: ip, routeOptions, url } = request
  // A path that no route takes is the caller's mistake, and worth seeing.
  const route = routeOptions.url ?? shorten(url.split('?', 1)[0]!)
  const level = route.startsWith('/health/') ? 'debug' : 'info'
  const status = reply.raw.writableEnded ? reply.raw.statusCode : LEFT
  const ms = Math.round(reply.elapsedTime * 10) / 10
  const { errorCode } = reply
  log[level]({ id, method, route, status, ms, ip, ...(errorCode && { code: errorCode }) }, 'request')
}
