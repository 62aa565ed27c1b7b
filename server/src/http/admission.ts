import type { Socket } from 'node:net'
import { type EventLoopUtilization, performance } from 'node:perf_hooks'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { errors, passing } from '../errors.ts'
import { hold, linger } from './connections.ts'
import type { Limits } from './limits.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** What the request holds while it is under way; none of routes that are not guarded. */
    admitted: Admitted | undefined
  }
}

/** A request under way. */
interface Admitted {
  request: FastifyRequest
  reply: FastifyReply
  /** When it came, ms. */
  since: number
  /** Of its body, held in memory until it is answered. */
  bytes: number
  isUpload: boolean
  /** That its connection had read at the last look; of a CSV, whose work is counted as it arrives. */
  read: number
  /** Goes on with it. */
  begin: () => void
  /** Its share of the work under way, once its body is there. */
  units: number
  /** Whether it is answered, or its client left. */
  isOver: boolean
}

/**
 * Work is counted in units of a small prediction's: one for a request, and one for so many bytes of its body, as
 * many as such a prediction has.
 */
const UNIT_BYTES = 300

/** A unit's time until it is known, ms, on a fast core. */
const FIRST_UNIT_MS = 0.1

/** Units that refusing a request takes. Were they not counted, to refuse much would look as if answering took long. */
const REFUSAL = 1

/** Units to learn a unit's time from; of fewer, what else the process does counts too much. */
const SAMPLE = 100

/** Fewer units under way are never refused, however long one takes: when little is asked, that is not known well. */
const FEW = 250

/** Units from which on a request is expensive. Such ones have half of the wait, so that others get the rest. */
const EXPENSIVE = 64

/** s; what is under way is answered by then. */
const RETRY_AFTER = 1

/** ms; with the wait of who is let in then, well within a second. */
const LONGEST_PAUSE = 500

/**
 * The share of the time that refusing may take. Nothing more is read of a connection whose request was refused until
 * there is time to refuse the next, so that clients who ask on at once do not take the time of others.
 */
const REFUSING = 0.2

/**
 * Work that is begun in one turn of the event loop, ms. A turn accepts one new connection (libuv 1.45, `uv__server_io`):
 * with all requests of 900 connections begun at once it takes 0.1 s, and new clients wait for many turns. With less than
 * 10 ms models are asked for fewer rows at once, which costs a tenth of what is answered.
 */
const TURN = 10

/** One for all: the stack of each would cost more than the rest of a refusal. */
const OVERLOADED = passing(new errors.OVERLOADED(), RETRY_AFTER)

/**
 * Refuses at once, with 503, what would wait for too long, and what would not fit into memory; the rest is begun in
 * the order it came, some each turn of the event loop.
 *
 * How long a request would wait is the work under way, in units, times what a unit has taken lately of the event
 * loop's active time; so it holds on fast and slow machines alike. Bodies that are still arriving are not work yet.
 */
export class Admission {
  readonly #limits: Limits
  /**
   * The request of each connection whose body may be arriving; of pipelined ones the last. Not a set of requests: the
   * tables that a growing and shrinking set leaves behind keep what was in them alive, and the garbage collector then
   * takes six times as long.
   */
  readonly #latest = new Map<Socket, Admitted | undefined>()
  readonly #waiting: Admitted[] = []
  #bytes = 0
  #uploads = 0
  #units = 0
  #expensive = 0
  /** Units that are begun this turn, and how many may be, ms. */
  #begun = 0
  #turn = TURN
  #turned = performance.now()
  /** When all refusals so far will have had their share of the time, ms. */
  #refusedUntil = 0
  /** Units that are done since the last look. */
  #done = 0
  #unitMs = FIRST_UNIT_MS
  #before: EventLoopUtilization = performance.eventLoopUtilization()

  constructor(limits: Limits) {
    this.#limits = limits
  }

  /** Guard the routes registered on `app`. */
  guard(app: FastifyInstance): void {
    app.decorateRequest('admitted', undefined)
    app.addHook('onRequest', (request, reply, done) => {
      const isUpload = /^\s*text\/csv/i.test(request.headers['content-type'] ?? '')
      const bytes = isUpload ? 0 : bytesOf(request, this.#limits)
      const units = unitsOf(bytes)
      if (
        this.#bytes + bytes > this.#limits.bytes ||
        (isUpload && this.#uploads >= this.#limits.uploads) ||
        this.#isLate(units)
      ) {
        return done(this.#refuse(request, reply, units))
      }
      const admitted: Admitted = {
        request,
        reply,
        since: performance.now(),
        bytes,
        isUpload,
        read: request.raw.socket.bytesRead,
        units: 0,
        isOver: false,
        begin: done
      }
      request.admitted = admitted
      this.#follow(admitted)
      this.#bytes += bytes
      if (isUpload) this.#uploads++
      reply.raw.once('close', () => this.#end(admitted))
      this.#enter(admitted, units)
    })
    const timer = setInterval(() => this.#look(), this.#limits.lookTime).unref()
    app.addHook('onClose', () => clearInterval(timer))
  }

  /**
   * Count a request as work, now that its body is there.
   *
   * @param bytes - of its body
   * @throws OVERLOADED if others came before it, and it would wait for too long
   */
  arrived({ admitted }: FastifyRequest, bytes: number): void {
    // Of a client that left meanwhile, what there is of the body may be read still.
    if (admitted === undefined || admitted.isOver) return
    const units = unitsOf(bytes)
    if (this.#isLate(units)) throw this.#refuse(admitted.request, admitted.reply, units)
    this.#begin(admitted, units)
  }

  #follow(admitted: Admitted): void {
    const { socket } = admitted.request.raw
    if (!this.#latest.has(socket)) socket.once('close', () => this.#latest.delete(socket))
    this.#latest.set(socket, admitted)
  }

  /** Whether a request of so many units would be answered too late. */
  #isLate(units: number): boolean {
    const wait = this.#limits.wait / this.#unitMs
    if (units >= EXPENSIVE && this.#expensive > wait / 2) return true
    return this.#units > Math.max(FEW, wait)
  }

  #refuse({ raw }: FastifyRequest, reply: FastifyReply, units: number): Error {
    this.#done += REFUSAL
    const now = performance.now()
    this.#refusedUntil = Math.max(now, this.#refusedUntil) + (REFUSAL * this.#unitMs) / REFUSING
    if (units >= EXPENSIVE && !raw.complete) {
      reply.header('connection', 'close')
      linger(raw.socket)
    }
    const pause = Math.min(this.#refusedUntil - now, LONGEST_PAUSE)
    reply.raw.once('finish', () => hold(raw.socket, pause))
    return OVERLOADED
  }

  /** Begin a request, once it is its turn. */
  #enter(admitted: Admitted, units: number): void {
    if (this.#waiting.length === 0 && this.#hasTime()) {
      this.#start(admitted, units)
      return
    }
    this.#waiting.push(admitted)
    this.#units += units
  }

  #hasTime(): boolean {
    return this.#begun * this.#unitMs < this.#turn
  }

  #start(admitted: Admitted, units: number): void {
    if (this.#begun === 0) setImmediate(() => this.#nextTurn())
    this.#begun += units
    if (admitted.bytes === 0 && !admitted.isUpload) this.#begin(admitted, units)
    admitted.begin()
  }

  #nextTurn(): void {
    const now = performance.now()
    // As long as all else took, such as refusing: otherwise it would leave no time for work where it takes long.
    this.#turn = Math.max(TURN, now - this.#turned - this.#begun * this.#unitMs)
    this.#turned = now
    this.#begun = 0
    let started = 0
    for (const admitted of this.#waiting) {
      if (!this.#hasTime()) break
      started++
      const units = unitsOf(admitted.bytes)
      this.#units -= units
      if (!admitted.isOver) this.#start(admitted, units)
    }
    this.#waiting.splice(0, started)
  }

  #begin(admitted: Admitted, units: number): void {
    admitted.units = units
    this.#units += units
    if (units >= EXPENSIVE) this.#expensive += units
  }

  #end(admitted: Admitted): void {
    const { request, bytes, isUpload, units } = admitted
    const { socket } = request.raw
    admitted.isOver = true
    if (this.#latest.get(socket) === admitted) this.#latest.set(socket, undefined)
    this.#bytes -= bytes
    if (isUpload) {
      this.#uploads--
      this.#count(admitted)
    }
    this.#units -= units
    if (units >= EXPENSIVE) this.#expensive -= units
    this.#done += units
  }

  #look(): void {
    const now = performance.now()
    for (const admitted of this.#latest.values()) {
      if (admitted === undefined) continue
      const { request, since, isUpload } = admitted
      if (isUpload) this.#count(admitted)
      else if (!request.raw.complete && now - since >= this.#limits.bodyTime) giveUp(admitted)
    }
    this.#learn()
  }

  /** Count what has arrived of a CSV as done: it is read no faster than it is answered. */
  #count(admitted: Admitted): void {
    const { bytesRead } = admitted.request.raw.socket
    this.#done += (bytesRead - admitted.read) / UNIT_BYTES
    admitted.read = bytesRead
  }

  #learn(): void {
    const now = performance.eventLoopUtilization()
    const { active } = performance.eventLoopUtilization(now, this.#before)
    // Half of what was known, for a pause of the garbage collector or of the machine is not what lasts.
    if (this.#done >= SAMPLE) this.#unitMs = (this.#unitMs + active / this.#done) / 2
    this.#before = now
    this.#done = 0
  }
}

const unitsOf = (bytes: number): number => 1 + Math.floor(bytes / UNIT_BYTES)

/** How many bytes of a body will be read, or may be: of a larger one than the route takes, none. */
function bytesOf({ headers, routeOptions }: FastifyRequest, limits: Limits): number {
  const most = routeOptions.bodyLimit ?? limits.body
  if (headers['transfer-encoding'] !== undefined) return most
  const bytes = Number(headers['content-length'] ?? 0)
  return bytes > most ? 0 : bytes
}

/** Stop to wait for the rest of a body, and close the connection. */
function giveUp({ request: { raw }, reply }: Admitted): void {
  // As if reading it had failed, which is answered. Where nobody reads it, as of a GET, there may be half an answer.
  if (raw.listenerCount('error') > 0) {
    reply.header('connection', 'close')
    raw.emit('error', new errors.BODY_TIMEOUT())
  } else raw.destroy()
}
