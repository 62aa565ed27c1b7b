import type { Typing } from '../schemas/typing.ts'
import { seriesOf } from './features.ts'

/**
 * ms. `npm run bench:attacks` measures how far apart one person's own typings are, and copies of one typing whose
 * times were moved at random.
 */
export const COPY = 8

/** Mean absolute difference of the 2K - 1 hold and press-press times of two typings of K keys each, ms. */
export function distance(a: Typing, b: Typing): number {
  const [one, other] = [seriesOf(a), seriesOf(b)]
  let sum = 0
  let count = 0
  for (const series of ['HT', 'PPT'] as const) {
    for (const [i, time] of one[series].entries()) sum += Math.abs(time - other[series][i]!)
    count += one[series].length
  }
  return sum / count
}

/**
 * Find a typing of which another is a copy, or nearly one.
 *
 * @returns its index, or -1 where there is none; typings of another string are not compared
 */
export function findCopied(typing: Typing, others: readonly Typing[]): number {
  const { length } = typing.Press
  return others.findIndex((other) => other.Press.length === length && distance(typing, other) < COPY)
}
