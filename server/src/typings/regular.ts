import type { Typing } from '../schemas/typing.ts'
import { computeFeatures } from './features.ts'

/**
 * Least standard deviations of hold and press-press times within one typing, ms. People's are greater, on keyboards
 * and touch screens, with timers of up to 16.7 ms: `npm run bench:attacks` measures it.
 */
export const LEAST = { HT: 1.5, PPT: 15 } as const

/** Keys of the shortest string that this was measured on; of fewer, people's times may be alike by chance. */
export const KEYS = 11

/** Whether a typing is more regular than people type, as a program's is whose pauses are all the same. */
export function isRegular(typing: Typing): boolean {
  if (typing.Press.length < KEYS) return false
  const { HT, PPT } = computeFeatures(typing)
  return HT.STD < LEAST.HT || PPT.STD < LEAST.PPT
}
