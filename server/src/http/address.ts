import { isIP } from 'node:net'
import type { FastifyInstance, FastifyRequest } from 'fastify'

declare module 'fastify' {
  interface FastifyRequest {
    /** Where the request comes from, as the log and the limits have it. */
    address: string
  }
}

/** An IPv4 address with a port, as some proxies write it. */
const WITH_PORT = /^([0-9.]+):[0-9]+$/
/** An IPv6 address in brackets, with or without a port. */
const IN_BRACKETS = /^\[(.+)\](?::[0-9]+)?$/

/** Note the address of each request when it comes: once its client has left, the socket has none. */
export function noteAddresses(app: FastifyInstance): void {
  app.decorateRequest('address', '')
  app.addHook('onRequest', (request, _reply, done) => {
    request.address = addressOf(request)
    done()
  })
}

/**
 * The address that a request comes from, by the `X-Forwarded-For` of trusted proxies. A port does not belong to it: with
 * one each connection would be another caller. Anything else counts as the peer's address.
 */
export function addressOf({ ip = '', socket }: Pick<FastifyRequest, 'ip' | 'socket'>): string {
  const bare = ip.replace(WITH_PORT, '$1').replace(IN_BRACKETS, '$1')
  return isIP(bare) === 0 ? (socket.remoteAddress ?? '') : bare
}
