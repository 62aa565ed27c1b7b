import type { Features } from '../schemas/features.ts'
import type { Typing } from '../schemas/typing.ts'

/** The times of each series of a typing of K keys, ms: K hold times, and K - 1 of each other. */
export function seriesOf({ Press, Release }: Typing): Record<keyof Features, Float64Array> {
  const keys = Press.length
  const HT = new Float64Array(keys)
  const PPT = new Float64Array(keys - 1)
  const RRT = new Float64Array(keys - 1)
  const RPT = new Float64Array(keys - 1)
  for (let key = 0; key < keys; key++) {
    HT[key] = Release[key]! - Press[key]!
    if (key === 0) continue
    PPT[key - 1] = Press[key]! - Press[key - 1]!
    RRT[key - 1] = Release[key]! - Release[key - 1]!
    RPT[key - 1] = Press[key]! - Release[key - 1]!
  }
  return { HT, PPT, RRT, RPT }
}

/**
 * Compute the 8 features of a typing, as `notebook/keystroke/features.py` does.
 *
 * @param typing - press and release times in ms, K of each, K at least 2
 * @returns mean and sample standard deviation in ms, float64
 */
export function computeFeatures(typing: Typing): Features {
  const { HT, PPT, RRT, RPT } = seriesOf(typing)
  return { HT: statistics(HT), PPT: statistics(PPT), RRT: statistics(RRT), RPT: statistics(RPT) }
}

function statistics(values: Float64Array): { Mean: number; STD: number } {
  let sum = 0
  for (const value of values) sum += value
  const Mean = sum / values.length
  // One value has no sample standard deviation; a string of two keys has one PPT, RRT and RPT.
  if (values.length === 1) return { Mean, STD: 0 }
  let squares = 0
  for (const value of values) squares += (value - Mean) ** 2
  return { Mean, STD: Math.sqrt(squares / (values.length - 1)) }
}
