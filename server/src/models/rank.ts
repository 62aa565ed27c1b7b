/**
 * Find the best scores without sorting all of them.
 *
 * @param scores - of each class
 * @param top - how many are wanted
 * @returns the classes' indices, best first; equal scores in the order of the classes, as
 *   scikit-learn's arg max has them
 */
export function rank(scores: ArrayLike<number>, top: number): number[] {
  const best: number[] = []
  for (let index = 0; index < scores.length; index++) {
    const score = scores[index]!
    if (best.length === top && score <= scores[best[top - 1]!]!) continue
    let place = best.length
    while (place > 0 && score > scores[best[place - 1]!]!) place--
    best.splice(place, 0, index)
    if (best.length > top) best.pop()
  }
  return best
}
