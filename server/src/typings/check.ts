import { errors } from '../errors.ts'
import type { Typing } from '../schemas/typing.ts'
import { findCopies } from './copies.ts'

/** What is wrong with a typing: which time of which key, and why. */
export interface TypingFault {
  event: 'Press' | 'Release'
  key: number
  why: string
}

/**
 * Find what no keyboard can have sent: a release before its press, or presses out of order. Releases
 * out of order are legitimate, as are keys that overlap.
 *
 * @param typing - as many presses as releases, whole ms
 */
export function findFault({ Press, Release }: Typing): TypingFault | undefined {
  for (let key = 0; key < Press.length; key++) {
    const press = Press[key]!
    if (Release[key]! < press) {
      return { event: 'Release', key, why: `${Release[key]} is before its press, ${press}` }
    }
    if (key > 0 && press < Press[key - 1]!) {
      return { event: 'Press', key, why: `${press} is before the last press, ${Press[key - 1]}` }
    }
  }
  return undefined
}

/** ms; nobody types one string for so long. */
const HOUR = 3_600_000

/**
 * Units finer than ms, by the median hold that only they explain, ms: a key of a real typing is held for some tens to
 * hundreds of ms, which are 10,000 times as many ticks of 100 ns and a million times as many nanoseconds.
 */
const FINER_UNITS: { from: number; is: string; digits?: number }[] = [
  { from: 8_000_000, is: 'nanoseconds, divide them by 1,000,000', digits: 19 },
  { from: 250_000, is: 'ticks of 100 ns, divide them by 10,000', digits: 18 },
  { from: 10_000, is: 'microseconds, divide them by 1,000' }
]
const LONGEST_MEDIAN_HOLD = FINER_UNITS.at(-1)!.from

/** Ten seconds in nanoseconds: a longer median hold is of no unit. */
const LONGEST_FINER_HOLD = 1e10

const looksLike = ({ is }: { is: string }) => `the times look like ${is} and round them`

/**
 * Say what unit a time since 1970, 1601 or the year 1 is in that is beyond the largest number of ms.
 *
 * @param digits - how many it has
 */
export function describeLargeTime(digits: number): string | undefined {
  const unit = FINER_UNITS.find((each) => each.digits === digits)
  return unit && looksLike(unit)
}

/**
 * Find times that are possible, and yet not milliseconds of a typing.
 *
 * @param typing - without a fault that `findFault` finds
 */
export function findImplausible({ Press, Release }: Typing): TypingFault | undefined {
  // Nearly every typing.
  if (Math.max(...Release) - Press[0]! <= LONGEST_MEDIAN_HOLD) return undefined
  const holds = Press.map((press, key) => Release[key]! - press)
  const median = holds.toSorted((a, b) => a - b)[holds.length >> 1]!
  const unit = FINER_UNITS.find(({ from }) => median > from)
  if (unit && median <= LONGEST_FINER_HOLD) {
    return { event: 'Release', key: 0, why: `${holds[0]} ms after its press; ${looksLike(unit)}` }
  }
  return findLonger(HOUR, 'an hour', { Press, Release })
}

/**
 * Longest pause within a typing, ms, as the recorder has it (`server/page/recorder.ts`): people who do something else
 * meanwhile do not type as usual. Recordings keep such typings, as people's means bear them.
 */
const LONGEST_PAUSE = 10_000

function findLonger(longest: number, name: string, { Press, Release }: Typing): TypingFault | undefined {
  for (const [key, press] of Press.entries()) {
    if (key > 0 && press - Press[key - 1]! > longest) {
      const why = `${press} is more than ${name} after the last press, ${Press[key - 1]}`
      return { event: 'Press', key, why }
    }
    if (Release[key]! - press > longest) {
      const why = `${Release[key]} is more than ${name} after its press, ${press}`
      return { event: 'Release', key, why }
    }
  }
  return undefined
}

/**
 * Refuse a typing that cannot have happened, or not without a pause midway.
 *
 * @param field - where the typing is in the request
 * @throws TYPING_INVALID naming the time at fault
 */
export function checkTyping(typing: Typing, field = 'body'): void {
  const { Press, Release } = typing
  if (Press.length !== Release.length) {
    throw new errors.TYPING_INVALID(
      `${field}.Release has ${Release.length} times and ${field}.Press ${Press.length}; each press needs its release`
    )
  }
  const fault = findFault(typing) ?? findImplausible(typing) ?? findLonger(LONGEST_PAUSE, '10 s', typing)
  if (fault) throw new errors.TYPING_INVALID(`${field}.${fault.event}[${fault.key}] ${fault.why}`)
}

/**
 * Refuse typings of another string than the models know, and such as cannot have happened.
 *
 * @param keys - K of the string
 * @throws TYPING_INVALID naming the typing and the time at fault
 */
export function checkTypings(typings: readonly Typing[], keys: number): void {
  for (const [i, typing] of typings.entries()) {
    checkTyping(typing, `body.Typings[${i}]`)
    if (typing.Press.length !== keys) {
      throw new errors.TYPING_INVALID(
        `body.Typings[${i}] is of ${typing.Press.length} keys, and the models know a string of ${keys}`
      )
    }
  }
}

/**
 * Refuse a call in which one typing is sent twice, or a copy of it with its times moved a little.
 *
 * @param typings - of one string
 * @throws TYPING_INVALID naming both
 */
export function checkDistinct(typings: readonly Typing[]): void {
  const found = findCopies(typings)
  if (found === undefined) return
  const [copy, of] = found
  throw new errors.TYPING_INVALID(
    `body.Typings[${copy}] is a copy of body.Typings[${of}], or nearly one; send each typing once`
  )
}
