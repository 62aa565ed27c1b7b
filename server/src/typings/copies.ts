import type { Typing } from '../schemas/typing.ts'
import { seriesOf } from './features.ts'
import { KEYS } from './regular.ts'

/**
 * ms. Copies with each time moved by up to 5 ms are nearer than that. At 8 ms those moved by up to 8 ms would be too,
 * but so are 1.5 % of the typings of people who are practised and fast, up to 18 % of one person's: docs/threat-model.md.
 */
export const COPY = 6

/**
 * ms. Copies that were made slower or faster, whose holds were all made longer, or that got a pause, are nearer than that
 * once speed and offset are taken out and the largest differences left out: docs/threat-model.md.
 */
export const RESHAPED = 1

/** Share of the differences that count, the smallest: a copy with some times changed is still one. */
const COUNTED = 0.6

/** Times of a typing that copies are compared by, ms. */
interface Timings {
  holds: readonly number[]
  gaps: readonly number[]
}

/** Differences between a typing and one that it may be a copy of, ms: means of the smallest. */
interface Nearness {
  plain: number
  reshaped: number
  holds: number
  gaps: number
}

/** Mean absolute difference of the 2K - 1 hold and press-press times of two typings of K keys each, ms. */
export const distance = (a: Typing, b: Typing): number => compare(timingsOf(a), timingsOf(b)).plain

/**
 * Find a typing of which another is a copy, or nearly one: with all times as they are, with another speed or longer
 * holds, with a pause, or with its holds from one and its press-press times from another.
 *
 * @returns its index, or -1 where there is none; typings of another string are not compared
 */
export function findCopied(typing: Typing, others: readonly Typing[]): number {
  const timings = timingsOf(typing)
  let [holds, gaps] = [-1, -1]
  for (const [i, other] of others.entries()) {
    if (other.Press.length !== typing.Press.length) continue
    const near = compare(timings, timingsOf(other))
    if (near.plain < COPY) return i
    if (typing.Press.length < KEYS) continue
    if (near.reshaped < RESHAPED) return i
    if (near.holds < RESHAPED) holds = i
    if (near.gaps < RESHAPED) gaps = i
    if (holds >= 0 && gaps >= 0) return i
  }
  return -1
}

/** Find two typings of which one is a copy of the other, or nearly one; their indexes, the later first. */
export function findCopies(typings: readonly Typing[]): [copy: number, of: number] | undefined {
  for (const [i, typing] of typings.entries()) {
    const before = findCopied(typing, typings.slice(0, i))
    if (before >= 0) return [i, before]
  }
  return undefined
}

function timingsOf(typing: Typing): Timings {
  const { HT, PPT } = seriesOf(typing)
  return { holds: [...HT], gaps: [...PPT] }
}

function compare(a: Timings, b: Timings): Nearness {
  const [holds, gaps] = [differences(a.holds, b.holds), differences(a.gaps, b.gaps)]
  const offset = median(a.holds.map((hold, i) => hold - b.holds[i]!))
  const speed = median(b.gaps.flatMap((gap, i) => (gap > 0 ? [a.gaps[i]! / gap] : []))) || 1
  const movedHolds = differences(
    a.holds,
    b.holds.map((hold) => hold + offset)
  )
  const scaledGaps = differences(
    a.gaps,
    b.gaps.map((gap) => gap * speed)
  )
  return {
    plain: mean([...holds, ...gaps]),
    reshaped: meanOfSmallest([...movedHolds, ...scaledGaps]),
    holds: meanOfSmallest(movedHolds),
    gaps: meanOfSmallest(scaledGaps)
  }
}

const differences = (a: readonly number[], b: readonly number[]): number[] =>
  a.map((time, i) => Math.abs(time - b[i]!))

const mean = (times: readonly number[]): number => times.reduce((sum, time) => sum + time, 0) / times.length

function meanOfSmallest(times: readonly number[]): number {
  const sorted = times.toSorted((a, b) => a - b)
  return mean(sorted.slice(0, Math.ceil(COUNTED * sorted.length)))
}

/** The middle value, or the mean of the two middle ones; 0 of none. */
function median(values: readonly number[]): number {
  if (values.length === 0) return 0
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
