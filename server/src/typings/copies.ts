import type { Typing } from '../schemas/typing.ts'
import { seriesOf } from './features.ts'

/**
 * ms. Copies with each time moved by up to 5 ms are nearer than that. At 8 ms those moved by up to 8 ms would be too,
 * but so are 1.5 % of the typings of people who are practised and fast, up to 18 % of one person's: docs/threat-model.md.
 */
export const COPY = 6

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
