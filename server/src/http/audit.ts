import { createHmac, randomBytes } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { errors } from '../errors.ts'

declare module 'fastify' {
  interface FastifyReply {
    /** Whether a claim matched, for the audit; undefined of all other answers. */
    isMatch: boolean | undefined
  }
}

/** Calls that are audited whatever comes of them, by their `operationId`. */
const AUDITED = ['verify', 'enroll', 'addTypings', 'deleteUser', 'exportUsers', 'liftPause']

/** Refusals that are audited whatever was asked. */
const REFUSALS = [
  errors.API_KEY,
  errors.IDENTIFY_KEY,
  errors.ADMIN_KEY,
  errors.CALLS_LIMITED,
  errors.SEARCHES_LIMITED
]

/** Of a hash, hex digits; as many as tell users apart, and are read at a glance. */
const DIGITS = 16

/**
 * Write a line for every claim, enrollment, deletion and export, and for every call that is refused for its key or for
 * their number, on the routes registered on `app`. Whom it is about is hashed, and of what was typed nothing is written.
 *
 * @param secret - of the deployment: who has it can find out whom a line is about; one of the process alone if left out
 */
export function auditCalls(app: FastifyInstance, secret: string | Buffer = randomBytes(32)): void {
  // Whatever the level, unless there is no log at all: an audit with holes is none.
  const log = app.log.child({}, app.log.level === 'silent' ? {} : { level: 'info' })
  const hash = (user: string) => createHmac('sha256', secret).update(user).digest('hex').slice(0, DIGITS)
  app.decorateReply('isMatch', undefined)
  app.addHook('preSerialization', (_request, reply, payload, done) => {
    reply.isMatch = (payload as { Match?: boolean } | null)?.Match
    done(null, payload)
  })
  const write = (request: FastifyRequest, outcome: string) => {
    const { id, address: ip } = request
    const user = userOf(request)
    const call = operationOf(request)
    log.info({ id, call, ...(user !== undefined && { user: hash(user) }), outcome, ip }, 'audit')
  }
  const isAudited = (request: FastifyRequest) => AUDITED.includes(operationOf(request))
  app.addHook('onRequest', (request, reply, done) => {
    if (isAudited(request)) reply.raw.once('close', () => write(request, outcomeOf(reply)))
    done()
  })
  app.addHook('onError', (request, _reply, thrown, done) => {
    const isRefusal = REFUSALS.some((refusal) => thrown instanceof refusal)
    if (isRefusal && !isAudited(request)) write(request, thrown.code)
    done()
  })
}

function operationOf({ routeOptions }: FastifyRequest): string {
  return (routeOptions.schema as { operationId: string }).operationId
}

/** A UserID as text, which is the same for 1 and "1": a path does not tell them apart. */
function userOf({ params, body }: FastifyRequest): string | undefined {
  const { UserID } = { ...(body as object), ...(params as object) } as { UserID?: unknown }
  return typeof UserID === 'string' || typeof UserID === 'number' ? String(UserID) : undefined
}

function outcomeOf({ errorCode, isMatch, raw }: FastifyReply): string {
  if (errorCode !== undefined) return errorCode
  if (!raw.writableEnded) return 'client left'
  if (isMatch === undefined) return 'done'
  return isMatch ? 'match' : 'no match'
}
