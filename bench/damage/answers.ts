/** What models answer, by what was asked. */
export type Answers = Record<string, { labels: string[]; scores: Float32Array }>
