import type { FastifyBaseLogger } from 'fastify'
import { type Store, StoreError } from '../users/store.ts'

/** ms. Calls are counted from one full minute to the next, the same in all processes. */
const MINUTE = 60_000

/** ms between two exchanges of counts with other processes. */
const EXCHANGE = 1_000

/** Calls of one caller from which on they are exchanged: those who call less cost the store nothing. */
const EXCHANGED_FROM = 60

interface Count {
  /** Of this process. */
  own: number
  /** Of those, how many the store has. */
  stored: number
  /** Of the other processes, when last read. */
  others: number
}

/** How many calls each caller made in this minute, to all processes that share a store: exact to a second. */
export class CallCounts {
  readonly #store: Store
  readonly #log: Pick<FastifyBaseLogger, 'warn' | 'info'>
  readonly #timer: NodeJS.Timeout
  readonly #counts = new Map<string, Count>()
  #minute = 0
  #exchanging: Promise<void> | undefined
  #isFailing = false

  constructor(store: Store, log: Pick<FastifyBaseLogger, 'warn' | 'info'>) {
    this.#store = store
    this.#log = log
    this.#timer = setInterval(() => {
      this.#exchanging ??= this.#exchange().finally(() => {
        this.#exchanging = undefined
      })
    }, EXCHANGE).unref()
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#exchanging
  }

  /**
   * Count a call.
   *
   * @param most - calls past it are not counted
   * @returns how many calls there are in this minute with this one, and ms until the next begins
   */
  count(caller: string, most: number): { current: number; ttl: number } {
    const now = Date.now()
    const minute = Math.floor(now / MINUTE)
    if (minute !== this.#minute) {
      this.#minute = minute
      this.#counts.clear()
    }
    const count = this.#counts.get(caller) ?? { own: 0, stored: 0, others: 0 }
    this.#counts.set(caller, count)
    const current = count.own + count.others + 1
    if (current <= most) count.own++
    return { current, ttl: (minute + 1) * MINUTE - now }
  }

  async #exchange(): Promise<void> {
    const minute = this.#minute
    try {
      for (const [caller, count] of this.#counts) {
        const { own, stored } = count
        if (own < EXCHANGED_FROM || own === stored) continue
        count.others = (await this.#store.addCalls(caller, minute, own - stored)) - own
        count.stored = own
      }
      if (this.#isFailing) this.#log.info('calls are counted together with other processes again')
      this.#isFailing = false
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
      if (!this.#isFailing) this.#log.warn(error, 'calls are counted by this process alone')
      this.#isFailing = true
    }
  }
}
