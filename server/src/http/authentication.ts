import { createHash, timingSafeEqual } from 'node:crypto'
import { BlockList, isIPv6 } from 'node:net'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { errors } from '../errors.ts'

/** How a call brings its key, in OpenAPI's terms; either will do. */
export const SECURITY_SCHEMES = {
  apiKey: { type: 'apiKey', in: 'header', name: 'x-api-key' },
  bearer: { type: 'http', scheme: 'bearer' }
} as const

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4')
LOOPBACK.addAddress('::1', 'ipv6')

/** Whether only this machine can reach a service that listens on the address. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || LOOPBACK.check(host, isIPv6(host) ? 'ipv6' : 'ipv4')
}

/**
 * Answer the routes registered on `app`, and on none but it, only to those who have a key.
 *
 * @param hashes - hex SHA-256 of each key. Not salted or slow: keys are random, 32 bytes of it, so
 * that a hash cannot be guessed back, and every call has to be checked
 */
export function requireApiKey(app: FastifyInstance, hashes: readonly string[]): void {
  const accepted = hashes.map((hash) => Buffer.from(hash, 'hex'))
  app.addHook('onRequest', async (request, reply) => {
    const key = readKey(request)
    if (key !== undefined && isAccepted(key, accepted)) return
    reply.header('www-authenticate', 'Bearer realm="keystroke"')
    throw new errors.API_KEY(
      key === undefined ? 'is missing; send it as x-api-key or Authorization: Bearer' : 'is not accepted'
    )
  })
}

function readKey({ headers }: FastifyRequest): string | undefined {
  const key = headers['x-api-key']
  // A header sent twice is joined with a comma by Node, and matches no key.
  if (typeof key === 'string') return key
  return /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1]
}

/** Takes as long whichever key is right, or none: digests are compared, all of them, to their ends. */
function isAccepted(key: string, accepted: readonly Buffer[]): boolean {
  const digest = createHash('sha256').update(key).digest()
  let found = false
  for (const hash of accepted) found = timingSafeEqual(digest, hash) || found
  return found
}
