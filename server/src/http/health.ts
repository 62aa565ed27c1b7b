/**
 * Where the process is in its life.
 *
 * - `starting`: models are being loaded and tested, then enrolled users read; predictions get 503.
 * - `ready`: everything is answered.
 * - `draining`: the process received SIGTERM; requests under way are finished, and a load balancer should send no more.
 */
export type HealthState = (typeof STATES)[number]
const STATES = ['starting', 'ready', 'draining'] as const

/** Places in the memory that threads share. */
const STATE = 0
const BEATS = 1

/** What the health checks answer, in one place for all that change or read it. */
export class Health {
  /** The state's number, and signs of life so far; for another thread to read. */
  readonly shared = new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT))
  #resolve = () => {}
  /** Settles once everything is answered. */
  readonly started = new Promise<void>((resolve) => {
    this.#resolve = resolve
  })

  get state(): HealthState {
    return stateOf(this.shared)
  }

  set state(state: HealthState) {
    Atomics.store(this.shared, STATE, STATES.indexOf(state))
  }

  /** Everything is loaded; unless the process is to end already, it is ready. */
  start(): void {
    if (this.state === 'starting') this.state = 'ready'
    this.#resolve()
  }

  /** Give a sign of life. */
  beat(): void {
    Atomics.add(this.shared, BEATS, 1)
  }
}

export const stateOf = (shared: Int32Array): HealthState => STATES[Atomics.load(shared, STATE)]!

export const beatsOf = (shared: Int32Array): number => Atomics.load(shared, BEATS)
