/**
 * Raise the threshold from claim to claim, until no fewer own claims are rejected than others' are accepted.
 * Others' claims are so many that the share of theirs is the rate, to their one part in thousands.
 */
export function equalErrorRate(own: number[], others: number[]): number {
  const claims = [
    ...own.map((score) => ({ score, isOwn: true })),
    ...others.map((score) => ({ score, isOwn: false }))
  ].sort((a, b) => a.score - b.score)
  let rejected = 0
  let accepted = others.length
  for (const { isOwn } of claims) {
    if (isOwn) rejected++
    else accepted--
    if (rejected / own.length >= accepted / others.length) break
  }
  return accepted / others.length
}
