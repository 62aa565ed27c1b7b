/** Rows of numbers, as the models read them, and the objects of the API; every conversion between them. */
import { type Features, SERIES, STATISTICS } from '../schemas/features.ts'
import type { Typing } from '../schemas/typing.ts'

/** The 8 features in the order of `FEATURE_NAMES`. */
export function fromFeatures(features: Features): number[] {
  const row: number[] = []
  for (const series of SERIES) for (const of of STATISTICS) row.push(features[series][of])
  return row
}

/** The opposite of `fromFeatures`. */
export function toFeatures(row: ArrayLike<number>): Features {
  const statistics = (i: number) => STATISTICS.map((of, j) => [of, row[STATISTICS.length * i + j]!])
  const entries = SERIES.map((series, i) => [series, Object.fromEntries(statistics(i))])
  return Object.fromEntries(entries) as Features
}

/** A typing's times as the CSV has them: press-0, release-0, press-1, ... */
export function fromTyping({ Press, Release }: Typing): Float64Array {
  const row = new Float64Array(2 * Press.length)
  for (let key = 0; key < Press.length; key++) {
    row[2 * key] = Press[key]!
    row[2 * key + 1] = Release[key]!
  }
  return row
}

/** The opposite of `fromTyping`. */
export function toTyping(row: ArrayLike<number>): Typing {
  const times = Array.from(row)
  return { Press: times.filter((_, i) => i % 2 === 0), Release: times.filter((_, i) => i % 2 === 1) }
}
