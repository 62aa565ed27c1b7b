import type { FastifyBaseLogger } from 'fastify'
import { errors } from '../errors.ts'
import { IN_MEMORY, SqliteStore } from './sqlite.ts'
import { type Claims, type ClaimsEntry, NO_CLAIMS, type Store, StoreError } from './store.ts'

const DAY = 24 * 60 * 60_000

/** ms after the last of the claims when a record is forgotten. */
export const KEPT = 30 * DAY

/** Tries of a change while others change the same record. */
const TRIES = 10

/** What a change makes of a record: what is written, if anything, and what to answer once it is. */
export interface Change<T> {
  claims?: Claims
  answer: () => T
}

/**
 * Records of claims, each under a key, in the store, so that all processes count together. While the store fails, this
 * process counts alone.
 */
export class ClaimRecords {
  readonly #store: Store
  readonly #log: Pick<FastifyBaseLogger, 'warn'>
  /** Counts while the store fails; of this process alone. */
  readonly #spare = new SqliteStore(IN_MEMORY)
  /** The last change of each record that is being made. */
  readonly #turns = new Map<string, Promise<unknown>>()

  constructor(store: Store, log: Pick<FastifyBaseLogger, 'warn'>) {
    this.#store = store
    this.#log = log
  }

  async close(): Promise<void> {
    await this.#spare.close()
  }

  /**
   * Change a record. Changes of one record wait for each other, so that those sent together do not all find it as it was
   * before; where another process changes it meanwhile, `make` is asked again.
   *
   * @param make - what to do with the record; may throw, and then nothing is written
   * @returns the answer, never before the change is written
   * @throws STORE where other processes change the record all the time
   */
  change<T>(key: string, make: (found: ClaimsEntry) => Promise<Change<T>>): Promise<T> {
    const turn = (this.#turns.get(key) ?? Promise.resolve()).then(() => this.#change(key, make))
    const settled = turn
      .catch(() => {})
      .then(() => {
        if (this.#turns.get(key) === settled) this.#turns.delete(key)
      })
    this.#turns.set(key, settled)
    return turn
  }

  /** Read a record; what was counted while the store failed is the newer. */
  async read(key: string): Promise<ClaimsEntry> {
    const spare = await this.#spare.readClaims(key)
    const stored = await this.#attempt(() => this.#store.readClaims(key))
    const isSpareNewer = (spare?.claims.at ?? 0) > (stored?.claims.at ?? 0)
    return {
      revision: stored?.revision ?? 0,
      user: stored?.user ?? 0,
      claims: (isSpareNewer ? spare : stored)?.claims ?? NO_CLAIMS
    }
  }

  async #change<T>(key: string, make: (found: ClaimsEntry) => Promise<Change<T>>): Promise<T> {
    for (let tries = 0; tries < TRIES; tries++) {
      const found = await this.read(key)
      const { claims, answer } = await make(found)
      if (claims === undefined || (await this.#write(key, found.revision, claims))) return answer()
    }
    throw new errors.STORE()
  }

  async #write(key: string, expected: number, claims: Claims): Promise<boolean> {
    const expires = Math.ceil((claims.at + KEPT) / 1000)
    const isWritten = await this.#attempt(() => this.#store.writeClaims(key, expected, claims, expires))
    if (isWritten !== undefined) return isWritten
    const spare = await this.#spare.readClaims(key)
    return this.#spare.writeClaims(key, spare?.revision ?? 0, claims, expires)
  }

  /** @returns undefined where the store fails, which has to stop no answer */
  async #attempt<T>(call: () => Promise<T>): Promise<T | undefined> {
    try {
      return await call()
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
      this.#log.warn(error, 'claims are counted by this process alone')
      return undefined
    }
  }
}
