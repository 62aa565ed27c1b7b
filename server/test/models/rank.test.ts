import t from 'tap'
import { rank } from '../../src/models/rank.ts'

t.test('the best come first, and equal ones in the order of the classes', async (t) => {
  t.same(rank([0.1, 0.7, 0.2, 0.7, 0.05], 3), [1, 3, 2])
  t.same(rank([5, 5, 5], 2), [0, 1])
  t.same(rank([1, 2, 3], 1), [2])
})

t.test('as many as there are at most', async (t) => {
  t.same(rank([2, 3], 1000), [1, 0])
})

t.test('what is chosen is what sorting all of them would choose', async (t) => {
  // Few distinct values, so that many are equal; Array.prototype.sort is stable.
  const scores = Array.from({ length: 500 }, (_, i) => (i * 7919) % 97)
  const sorted = scores.map((_, i) => i).sort((a, b) => scores[b]! - scores[a]!)
  for (const top of [1, 2, 10, 499, 500]) t.same(rank(scores, top), sorted.slice(0, top))
})
