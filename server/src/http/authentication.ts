import { createHash, timingSafeEqual } from 'node:crypto'
import { BlockList, isIPv6 } from 'node:net'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
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
 * Who may call what: a calling key asks; an administrator's key also enrolls, deletes, exports and gets scores.
 *
 * Hashes are not salted or slow: keys are random, 32 bytes of it, so that a hash cannot be guessed back, and every
 * call has to be checked.
 */
export class Keys {
  readonly #calling: readonly Buffer[]
  readonly #admin: readonly Buffer[]
  /** Of either kind. */
  readonly #accepted: readonly Buffer[]
  readonly #isAdminOpen: boolean

  /**
   * @param calling - hex SHA-256 of each calling key; without any, every caller may ask
   * @param admin - hex SHA-256 of each administrator's key
   * @param isAdminOpen - whether every caller may enroll as well
   */
  constructor(calling: readonly string[], admin: readonly string[], isAdminOpen: boolean) {
    const digests = (hashes: readonly string[]) => hashes.map((hash) => Buffer.from(hash, 'hex'))
    this.#calling = digests(calling)
    this.#admin = digests(admin)
    this.#accepted = [...this.#calling, ...this.#admin]
    this.#isAdminOpen = isAdminOpen
  }

  /** Whether calls need a key. */
  get needsKey(): boolean {
    return this.#calling.length > 0
  }

  /** Whether a call comes from an administrator, or from anybody where all are. */
  isAdmin(request: FastifyRequest): boolean {
    if (this.#isAdminOpen) return true
    const key = readKey(request)
    return key !== undefined && isAccepted(digestOf(key), this.#admin)
  }

  /** Name the key of a call without telling it; undefined where it is not accepted. */
  nameOf(request: FastifyRequest): string | undefined {
    const key = readKey(request)
    if (key === undefined) return undefined
    const digest = digestOf(key)
    return isAccepted(digest, this.#accepted) ? `key ${digest.toString('hex')}` : undefined
  }

  /** Answer the routes registered on `app`, and on none but it, only to those who have a key of either kind. */
  require(app: FastifyInstance): void {
    if (!this.needsKey) return
    app.addHook('onRequest', async (request, reply) => {
      const key = readKey(request)
      if (key === undefined || !isAccepted(digestOf(key), this.#accepted)) refuse(reply, key)
    })
  }

  /** Answer the routes registered on `app` only to administrators. */
  requireAdmin(app: FastifyInstance): void {
    if (this.#isAdminOpen) return
    app.addHook('onRequest', async (request, reply) => {
      const key = readKey(request)
      if (this.#admin.length === 0) throw new errors.ADMIN_KEY('none is set: see ADMIN_KEY_SHA256')
      if (key === undefined) refuse(reply, key)
      const digest = digestOf(key)
      if (!isAccepted(digest, this.#admin)) {
        if (!isAccepted(digest, this.#calling)) refuse(reply, key)
        throw new errors.ADMIN_KEY('this one may ask, and no more')
      }
    })
  }
}

function refuse(reply: FastifyReply, key: string | undefined): never {
  reply.header('www-authenticate', 'Bearer realm="keystroke"')
  throw new errors.API_KEY(
    key === undefined ? 'is missing; send it as x-api-key or Authorization: Bearer' : 'is not accepted'
  )
}

function readKey({ headers }: FastifyRequest): string | undefined {
  const key = headers['x-api-key']
  // A header sent twice is joined with a comma by Node, and matches no key.
  if (typeof key === 'string') return key
  return /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1]
}

const digestOf = (key: string) => createHash('sha256').update(key).digest()

/** Takes as long whichever key is right, or none: digests are compared, all of them, to their ends. */
function isAccepted(digest: Buffer, accepted: readonly Buffer[]): boolean {
  let found = false
  for (const hash of accepted) found = timingSafeEqual(digest, hash) || found
  return found
}
