import type { FastifyBaseLogger } from 'fastify'
import { errors, passing } from '../errors.ts'
import { decide, type Verification } from '../models/recognize.ts'
import type { UserID } from '../schemas/common.ts'
import type { Typing } from '../schemas/typing.ts'
import { quote } from '../text.ts'
import { findCopied } from '../typings/copies.ts'
import { IN_MEMORY, SqliteStore } from './sqlite.ts'
import { type Claims, keyOf, type Store, StoreError } from './store.ts'

const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE

/** Failures in a row that make no pause; after the next ones it is 15, 30, 60 minutes and so on, up to a day. */
const FREE = 4
const FIRST_PAUSE = 15 * MINUTE
const LONGEST_PAUSE = DAY

/**
 * Evidence that each failure adds to what a match needs, up to the third: it makes it likelier that somebody else tries.
 * docs/threat-model.md has what that stops, and what it costs people.
 */
const DOUBT = Math.log(3)
const MOST_DOUBTED = 3

/** ms without a claim after which failures are forgotten. */
const FAILURES_KEPT = 7 * DAY

/** Typings that matched are remembered for so many ms, and so many of a user, the newest. */
const ACCEPTED_KEPT = 30 * DAY
const MOST_ACCEPTED = 50

/** Tries of a claim while others claim to be the same user elsewhere. */
const TRIES = 10

/**
 * Claims to be a user, of callers who are not administrators: failures are counted, raise what a match needs and make
 * pauses, and copies of typings that were enrolled or accepted are refused. Counted in the store, so that all processes count together.
 */
export class ClaimGuard {
  readonly #store: Store
  readonly #log: Pick<FastifyBaseLogger, 'warn'>
  /** Counts while the store fails; of this process alone. */
  readonly #spare = new SqliteStore(IN_MEMORY)
  /** The last claim of each user that is being answered. */
  readonly #turns = new Map<string, Promise<unknown>>()

  constructor(store: Store, log: Pick<FastifyBaseLogger, 'warn'>) {
    this.#store = store
    this.#log = log
  }

  async close(): Promise<void> {
    await this.#spare.close()
  }

  /**
   * Weigh a claim, and count it.
   *
   * @param weigh - asks the model; what it throws is not counted
   * @param enrolledOf - gives the typings that the user is enrolled with
   * @throws CLAIM_PAUSED, with `retryAfter`, where too many failed; TYPING_REPLAYED for a copy that would match
   */
  weigh(
    userID: UserID,
    typings: readonly Typing[],
    weigh: () => Promise<Verification>,
    enrolledOf: (userID: UserID) => Promise<readonly Typing[]>
  ): Promise<Verification> {
    const key = keyOf(userID)
    // One after another, so that those sent together do not all find the count as it was before.
    const turn = (this.#turns.get(key) ?? Promise.resolve()).then(() =>
      this.#weigh(userID, key, typings, weigh, enrolledOf)
    )
    const settled = turn
      .catch(() => {})
      .then(() => {
        if (this.#turns.get(key) === settled) this.#turns.delete(key)
      })
    this.#turns.set(key, settled)
    return turn
  }

  async #weigh(
    userID: UserID,
    key: string,
    typings: readonly Typing[],
    weigh: () => Promise<Verification>,
    enrolledOf: (userID: UserID) => Promise<readonly Typing[]>
  ): Promise<Verification> {
    let weighed: Verification | undefined
    let enrolled: readonly Typing[] | undefined
    for (let tries = 0; tries < TRIES; tries++) {
      const { claims, revision } = await this.#read(key)
      const seconds = Math.ceil(pauseOf(claims) / 1000)
      if (seconds > 0) throw passing(new errors.CLAIM_PAUSED(quote(userID), seconds), seconds)
      weighed ??= await weigh()
      const verification = decide(weighed, weighed.Threshold + doubtAfter(claims.failures))
      if (verification.Match) enrolled ??= await enrolledOf(userID)
      const kept = [...(enrolled ?? []), ...claims.accepted.map(({ typing }) => typing)]
      const replayed = verification.Match ? typings.findIndex((typing) => findCopied(typing, kept) >= 0) : -1
      const isAccepted = verification.Match && replayed < 0
      // No answer before it is counted; where another was counted meanwhile, that may make a pause.
      if (!(await this.#write(key, revision, isAccepted ? accept(claims, typings) : fail(claims)))) continue
      if (replayed >= 0) throw new errors.TYPING_REPLAYED(replayed)
      return verification
    }
    throw new errors.STORE()
  }

  /** Read what is known of the claims; what was counted while the store failed is the newer. */
  async #read(key: string): Promise<{ claims: Claims; revision: number }> {
    const spare = await this.#spare.readClaims(key)
    const stored = await this.#attempt(() => this.#store.readClaims(key))
    const newest = [spare, stored].reduce((a, b) => ((b?.claims.at ?? 0) > (a?.claims.at ?? 0) ? b : a))
    return {
      claims: forgetOld(newest?.claims ?? { failures: 0, at: 0, accepted: [] }),
      revision: stored?.revision ?? 0
    }
  }

  async #write(key: string, expected: number, claims: Claims): Promise<boolean> {
    const expires = Math.ceil((claims.at + ACCEPTED_KEPT) / 1000)
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

/** ms from the last of so many failures in a row to the next answer. */
export function pauseAfter(failures: number): number {
  return failures <= FREE ? 0 : Math.min(FIRST_PAUSE * 2 ** (failures - FREE - 1), LONGEST_PAUSE)
}

/** Evidence that a match needs beyond its threshold after so many failures in a row. */
export function doubtAfter(failures: number): number {
  return DOUBT * Math.min(failures, MOST_DOUBTED)
}

/** ms until the next claim is answered. */
function pauseOf({ failures, at }: Claims): number {
  const pause = pauseAfter(failures)
  // A clock that was set back makes no pause longer.
  return Math.min(at + pause - Date.now(), pause)
}

const fail = (claims: Claims): Claims => ({ ...claims, failures: claims.failures + 1, at: Date.now() })

/** Half of the failures stay: an attacker cannot wait for the user to clear them. There is no pause after a match. */
function accept({ failures, accepted }: Claims, typings: readonly Typing[]): Claims {
  const at = Date.now()
  const added = typings.map((typing) => ({ at, typing: fromFirstPress(typing) }))
  return {
    failures: Math.min(failures >> 1, FREE >> 1),
    at,
    accepted: [...accepted, ...added].slice(-MOST_ACCEPTED)
  }
}

function forgetOld({ failures, at, accepted }: Claims): Claims {
  const now = Date.now()
  return {
    failures: now - at > FAILURES_KEPT ? 0 : failures,
    at,
    accepted: accepted.filter((each) => now - each.at < ACCEPTED_KEPT)
  }
}

/** When somebody typed is nobody's business. */
function fromFirstPress({ Press, Release }: Typing): Typing {
  const since = (time: number) => time - Press[0]!
  return { Press: Press.map(since), Release: Release.map(since) }
}
