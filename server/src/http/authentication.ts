import { createHash, timingSafeEqual } from 'node:crypto'
import { BlockList, isIPv6 } from 'node:net'
import { normalizeIP } from '@fastify/rate-limit'
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

/** What a key may do; each scope includes those before it. */
export const SCOPES = ['ask', 'identify', 'administer'] as const
export type Scope = (typeof SCOPES)[number]

/** Hexadecimal SHA-256 of each key, by the widest scope that the key has. */
export type KeyHashes = Readonly<Partial<Record<Scope, readonly string[]>>>

/** A key that is accepted. */
interface Accepted {
  digest: Buffer
  scope: Scope
}

/**
 * Who may call what. A calling key asks for predictions and verifies claims. A key that identifies also asks who typed.
 * An administrator's key also enrolls, deletes, exports and gets scores and ranks.
 *
 * Hashes are not salted or slow: keys are random, 32 bytes of it, so that a hash cannot be guessed back, and every
 * call has to be checked.
 */
export class Keys {
  readonly #accepted: readonly Accepted[]
  readonly #isAdminOpen: boolean

  /**
   * @param hashes - without any that asks, every caller may ask; without any that asks or identifies, also identify
   * @param isAdminOpen - whether every caller may do everything
   */
  constructor(hashes: KeyHashes, isAdminOpen: boolean) {
    this.#accepted = SCOPES.flatMap((scope) =>
      (hashes[scope] ?? []).map((hash) => ({ digest: Buffer.from(hash, 'hex'), scope }))
    )
    this.#isAdminOpen = isAdminOpen
  }

  /** Whether calls need a key. */
  get needsKey(): boolean {
    return this.#has('ask')
  }

  /** Whether a call comes from an administrator, or from anybody where all are. */
  isAdmin(request: FastifyRequest): boolean {
    return this.#isAdminOpen || this.#scopeOf(readKey(request)) === 'administer'
  }

  /** Whether a call comes from somebody who may identify. */
  mayIdentify(request: FastifyRequest): boolean {
    const isOpen = this.#isAdminOpen || !(this.#has('ask') || this.#has('identify'))
    return isOpen || ['identify', 'administer'].includes(this.#scopeOf(readKey(request)) ?? '')
  }

  /** Name who calls, without telling the key: by an accepted key, or by the address (IPv6: its /64). */
  nameOf(request: FastifyRequest): string {
    const found = this.#find(readKey(request))
    return found ? `key ${found.digest.toString('hex')}` : normalizeIP(request.address)
  }

  /** Answer the routes registered on `app`, and on none but it, only to those who have a key of any scope. */
  require(app: FastifyInstance): void {
    if (!this.needsKey) return
    app.addHook('onRequest', async (request, reply) => {
      const key = readKey(request)
      if (this.#scopeOf(key) === undefined) refuse(reply, key)
    })
  }

  /** @throws API_KEY, IDENTIFY_KEY for callers who may not identify */
  requireIdentify(request: FastifyRequest, reply: FastifyReply): void {
    if (this.mayIdentify(request)) return
    const key = readKey(request)
    if (this.#scopeOf(key) === undefined) refuse(reply, key)
    throw new errors.IDENTIFY_KEY(
      this.#has('identify') ? 'this one may ask only' : 'none is set: see IDENTIFY_KEY_SHA256'
    )
  }

  /**
   * @param what - what is for administrators, where not all of the call is
   * @throws API_KEY, ADMIN_KEY for callers who are not administrators
   */
  requireAdmin(request: FastifyRequest, reply: FastifyReply, what?: string): void {
    if (this.isAdmin(request)) return
    const of = what === undefined ? '' : `${what} is for administrators; `
    if (!this.#has('administer')) throw new errors.ADMIN_KEY(`${of}none is set: see ADMIN_KEY_SHA256`)
    const key = readKey(request)
    const scope = this.#scopeOf(key)
    if (scope === undefined) refuse(reply, key)
    throw new errors.ADMIN_KEY(`${of}this one may ${scope === 'ask' ? 'ask' : 'ask and identify'} only`)
  }

  #has(scope: Scope): boolean {
    return this.#accepted.some((each) => each.scope === scope)
  }

  #scopeOf(key: string | undefined): Scope | undefined {
    return this.#find(key)?.scope
  }

  /** Takes as long whichever key is right, or none: digests are compared, all of them, to their ends. */
  #find(key: string | undefined): Accepted | undefined {
    if (key === undefined) return undefined
    const digest = createHash('sha256').update(key).digest()
    let found: Accepted | undefined
    for (const accepted of this.#accepted) if (timingSafeEqual(digest, accepted.digest)) found = accepted
    return found
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
