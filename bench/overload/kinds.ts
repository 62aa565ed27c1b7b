/** What is asked, and what came of it, for the scripts of this folder. */
export const KINDS = ['predict', 'batch', 'identify'] as const
export type Kind = (typeof KINDS)[number]

/** What generate.ts prints: numbers of requests, and times from when a request was due, ms. */
export interface Generated {
  sent: number
  /** Due while every connection waited for an answer. */
  unsent: number
  /** Answered within a second. */
  good: number
  late: number
  /** With 503 and Retry-After. */
  refused: number
  failed: number
  faults: Record<string, number>
  seconds: number
  p50: number
  p99: number
  refusedP99: number
}

/** What probe.ts prints, times in ms. */
export interface Probed {
  asked: number
  failed: number
  p50: number
  p99: number
}
