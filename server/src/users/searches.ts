import { createHash } from 'node:crypto'
import { errors, passing } from '../errors.ts'
import type { ClaimRecords } from './claim-records.ts'
import type { Claims } from './store.ts'

const HOUR = 60 * 60_000
const DAY = 24 * HOUR

/** Identifications of one caller that may end unknown in an hour. docs/threat-model.md has what that lets through. */
export const MOST_SEARCHES = 20

/**
 * Identifications that end unknown, of callers who are not administrators. A program that looks for a typing that is
 * taken for somebody makes many: they are limited by the hour, and the claims of the same caller count them for a day.
 */
export class Searches {
  readonly #records: ClaimRecords

  constructor(records: ClaimRecords) {
    this.#records = records
  }

  /**
   * Identify somebody, and count it where they are not known.
   *
   * @param caller - the name of the key, or the address
   * @param identify - asks the model; what it throws is not counted
   * @throws SEARCHES_LIMITED, with `retryAfter`
   */
  async identify<T extends { Known: boolean }>(caller: string, identify: () => Promise<T>): Promise<T> {
    const key = keyOf(caller)
    // Before the model is asked, so that a caller past the limit costs little.
    requireRoom((await this.#records.read(key)).claims)
    const identified = await identify()
    if (identified.Known) return identified
    return this.#records.change(key, async ({ claims }) => {
      requireRoom(claims)
      const at = Date.now()
      const wrong = [...claims.wrong.filter((each) => at - each.at < DAY), { at, typings: [] }]
      return { claims: { ...claims, at, wrong }, answer: () => identified }
    })
  }

  /** @returns how many identifications of a caller ended unknown within the last day */
  async count(caller: string): Promise<number> {
    const { claims } = await this.#records.read(keyOf(caller))
    return within(claims, DAY).length
  }
}

/** Keys of users are hashes of JSON, and so never equal to these. */
const keyOf = (caller: string): string => createHash('sha256').update(`caller ${caller}`).digest('hex')

const within = ({ wrong }: Claims, ms: number) => wrong.filter(({ at }) => Date.now() - at < ms)

/** @throws SEARCHES_LIMITED */
function requireRoom(claims: Claims): void {
  const recent = within(claims, HOUR)
  if (recent.length < MOST_SEARCHES) return
  // A clock that was set back makes nobody wait longer.
  const ms = Math.min(recent.at(-MOST_SEARCHES)!.at + HOUR - Date.now(), HOUR)
  const seconds = Math.max(Math.ceil(ms / 1000), 1)
  throw passing(new errors.SEARCHES_LIMITED(MOST_SEARCHES, seconds), seconds)
}
