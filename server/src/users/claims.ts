import { errors, passing } from '../errors.ts'
import { decide, type Verification } from '../models/recognize.ts'
import type { UserID } from '../schemas/common.ts'
import type { Typing } from '../schemas/typing.ts'
import { quote } from '../text.ts'
import { findCopied } from '../typings/copies.ts'
import { fingerprint, fromFirstPress } from '../typings/fingerprints.ts'
import { type ClaimRecords, KEPT } from './claim-records.ts'
import { type Claims, keyOf } from './store.ts'

const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE

/** Wrong answers about one user within a day; no match gives any back. The next claim waits until the first is a day old. */
export const WRONG_A_DAY = 10

/** Failures in a row that make no pause; after the next ones it is 15, 30, 60 minutes and so on, up to a day. */
const FREE = 4
const FIRST_PAUSE = 15 * MINUTE
const LONGEST_PAUSE = DAY

/**
 * Evidence that each wrong answer of the last day adds to what a match needs, up to the third: it makes it likelier that
 * somebody else tries. docs/threat-model.md has what that stops, and what it costs people.
 */
const DOUBT = Math.log(5)
const MOST_DOUBTED = 3

/** ms without a claim after which failures in a row are forgotten. */
const FAILURES_KEPT = 7 * DAY

/** Claims that matched whose typings are remembered, the newest; a claim takes one place, however many typings it has. */
const MOST_ACCEPTED = 50

/** Keys of all typings that are remembered of a user, so that a record of long strings fits a store's item. */
const MOST_KEYS = 20_000

/** Fingerprints of accepted typings, the newest. They are small, and tell exact copies when the times are forgotten. */
const MOST_FINGERPRINTS = 500

/** A claim to be a user. */
export interface Claim {
  userID: UserID
  typings: readonly Typing[]
  /** Of a caller who may identify: how many of its identifications ended unknown within a day. */
  searches?: number | undefined
  /** Asks the model; what it throws is not counted. */
  weigh: () => Promise<Verification>
}

/** What the answer to a claim says. */
export interface Answer extends Verification {
  /** With a match: claims to be this user that failed since the last match, but for those of the very same typings. */
  FailedClaims?: number
}

/** What claims need to know of users. */
export interface ClaimedUsers {
  /** Counts the changes of a user that this process knows of. */
  revisionOf(userID: UserID): number
  /** Read a user anew. @throws USER_UNKNOWN */
  get(userID: UserID): Promise<unknown>
  /** Typings that a user is enrolled with. */
  typingsOf(userID: UserID): Promise<readonly Typing[]>
}

/**
 * Claims to be a user, of callers who are not administrators: failures are counted, raise what a match needs and make
 * pauses, and copies of typings that were enrolled or accepted are refused.
 */
export class ClaimGuard {
  readonly #records: ClaimRecords

  constructor(records: ClaimRecords) {
    this.#records = records
  }

  /**
   * Weigh a claim, and count it. A claim that is sent again counts once.
   *
   * @throws CLAIM_PAUSED, with `retryAfter`, where too many failed; TYPING_REPLAYED for a copy that would match;
   * USER_UNKNOWN for a user whom another process deleted
   */
  weigh({ userID, typings, searches, weigh }: Claim, users: ClaimedUsers): Promise<Answer> {
    const prints = typings.map(fingerprint)
    let weighed: Verification | undefined
    let enrolled: readonly Typing[] | undefined
    return this.#records.change<Answer>(keyOf(userID), async (found) => {
      if (users.revisionOf(userID) < found.user) {
        await users.get(userID)
        weighed = enrolled = undefined
      }
      const claims = forgetOld(found.claims)
      const seconds = Math.ceil(pauseOf(claims) / 1000)
      if (seconds > 0) throw passing(new errors.CLAIM_PAUSED(quote(userID), seconds), seconds)
      weighed ??= await weigh()
      const doubt = doubtAfter(Math.max(claims.failures, claims.wrong.length)) + doubtOfSearch(searches)
      const verification = decide(weighed, weighed.Threshold + doubt)
      // A log-in that is sent twice says no more than the answer before, so it does not count.
      const isSentAgain = claims.wrong.some((wrong) => areSame(wrong.typings, prints))
      const failed = isSentAgain ? {} : { claims: { ...claims, ...fail(claims, prints) } }
      if (!verification.Match) return { ...failed, answer: () => verification }
      enrolled ??= await users.typingsOf(userID)
      const kept = [...enrolled, ...claims.accepted.flatMap((accepted) => accepted.typings)]
      const known = new Set([...claims.fingerprints, ...enrolled.map(fingerprint)])
      const exact = prints.findIndex((print) => known.has(print))
      const copy = exact >= 0 ? exact : typings.findIndex((typing) => findCopied(typing, kept) >= 0)
      if (copy >= 0) {
        const answer = () => {
          throw new errors.TYPING_REPLAYED(copy)
        }
        // So is one that matched: an exact copy.
        return { ...(exact < 0 && failed), answer }
      }
      const { FailedClaims, ...accepted } = accept(claims, typings, prints)
      return { claims: accepted, answer: () => ({ ...verification, FailedClaims }) }
    })
  }

  /** Forget the failed claims to be a user, so that the next is answered at once. Accepted typings stay remembered. */
  async lift(userID: UserID): Promise<void> {
    await this.#records.change(keyOf(userID), async ({ claims }) => ({
      claims: { ...claims, failures: 0, wrong: [], at: Date.now() },
      answer: () => undefined
    }))
  }
}

/** ms from the last of so many failures in a row to the next answer. */
export function pauseAfter(failures: number): number {
  return failures <= FREE ? 0 : Math.min(FIRST_PAUSE * 2 ** (failures - FREE - 1), LONGEST_PAUSE)
}

/** Evidence that a match needs beyond its threshold after so many wrong answers. */
export function doubtAfter(wrong: number): number {
  return DOUBT * Math.min(wrong, MOST_DOUBTED)
}

/**
 * Evidence that a match needs beyond its threshold from a caller who may identify: it can choose what it claims among
 * many typings by whom they are taken for, more so the more it has tried.
 *
 * @param searches - identifications that ended unknown within a day; undefined for callers who may not identify
 */
export function doubtOfSearch(searches: number | undefined): number {
  return searches === undefined ? 0 : DOUBT + 2 * Math.log(1 + searches)
}

/** ms until the next claim is answered. A clock that was set back makes no pause longer. */
function pauseOf({ failures, at, wrong }: Claims): number {
  const left = (since: number, pause: number) => Math.min(since + pause - Date.now(), pause)
  const spent = wrong.length < WRONG_A_DAY ? 0 : left(wrong.at(-WRONG_A_DAY)!.at, DAY)
  return Math.max(spent, left(at, pauseAfter(failures)))
}

function fail(claims: Claims, prints: readonly string[]): Pick<Claims, 'failures' | 'at' | 'wrong'> {
  const at = Date.now()
  return { failures: claims.failures + 1, at, wrong: [...claims.wrong, { at, typings: prints }] }
}

/**
 * Take over a match. Wrong answers about typings that now matched together with others were the user's own, and do not
 * count any more; all others stay.
 */
function accept(
  claims: Claims,
  typings: readonly Typing[],
  prints: readonly string[]
): Claims & { FailedClaims: number } {
  const at = Date.now()
  const last = claims.accepted.at(-1)?.at ?? 0
  const isOwn = (wrong: Claims['wrong'][number]) => wrong.typings.every((print) => prints.includes(print))
  const own = claims.wrong.filter((wrong) => isOwn(wrong) && wrong.at >= last)
  const accepted = [...claims.accepted, { at, typings: typings.map(fromFirstPress) }].slice(-MOST_ACCEPTED)
  return {
    failures: 0,
    at,
    wrong: claims.wrong.filter((wrong) => !isOwn(wrong)),
    accepted: fitting(accepted),
    fingerprints: [...claims.fingerprints, ...prints].slice(-MOST_FINGERPRINTS),
    FailedClaims: Math.max(claims.failures - own.length, 0)
  }
}

/** Leave out the oldest claims whose typings have more keys in all than are kept. */
function fitting(accepted: Claims['accepted']): Claims['accepted'] {
  let keys = 0
  const first = accepted.findLastIndex(({ typings }) => {
    for (const { Press } of typings) keys += Press.length
    return keys > MOST_KEYS
  })
  return accepted.slice(first + 1)
}

function forgetOld(claims: Claims): Claims {
  const now = Date.now()
  return {
    ...claims,
    failures: now - claims.at > FAILURES_KEPT ? 0 : claims.failures,
    wrong: claims.wrong.filter(({ at }) => now - at < DAY),
    accepted: claims.accepted.filter(({ at }) => now - at < KEPT)
  }
}

const areSame = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((print) => b.includes(print))
