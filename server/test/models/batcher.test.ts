import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { Batcher } from '../../src/models/batcher.ts'

/** Answers each number with its double, and keeps what it was asked. */
function doubling(most = 4) {
  const runs: number[][] = []
  const batcher = new Batcher(async (numbers: number[]) => {
    runs.push(numbers)
    await turn()
    return numbers.map((number) => 2 * number)
  }, most)
  return { batcher, runs }
}

t.test('questions of one turn share a run, and each gets its own answer', async (t) => {
  const { batcher, runs } = doubling()
  const answers = await Promise.all([3, 1, 2].map((number) => batcher.ask(number)))
  t.same(answers, [6, 2, 4])
  t.same(runs, [[3, 1, 2]])
})

t.test('a lone question is run after one turn that brings no other', async (t) => {
  const { batcher, runs } = doubling()
  const answer = batcher.ask(5)
  await turn()
  await turn()
  t.same(runs, [[5]])
  t.equal(await answer, 10)
})

t.test('questions share a run for as long as each turn brings more', async (t) => {
  const { batcher, runs } = doubling()
  const answers = [batcher.ask(1)]
  await turn()
  answers.push(batcher.ask(2))
  await turn()
  answers.push(batcher.ask(3))
  t.same(await Promise.all(answers), [2, 4, 6])
  t.same(runs, [[1, 2, 3]])
})

t.test('so many as a run takes wait for no more', async (t) => {
  const { batcher, runs } = doubling(4)
  for (const number of [1, 2, 3, 4]) void batcher.ask(number)
  await turn()
  t.same(runs, [[1, 2, 3, 4]])
})

t.test('a question of a later turn does not wait for an earlier run', async (t) => {
  const runs: number[][] = []
  const batcher = new Batcher((numbers: number[]) => {
    runs.push(numbers)
    return numbers[0] === 1 ? new Promise<number[]>(() => {}) : Promise.resolve(numbers)
  }, 4)
  void batcher.ask(1)
  await turn()
  await turn()
  t.equal(await batcher.ask(2), 2)
  t.same(runs, [[1], [2]])
})

t.test('a run takes so many questions at most, in the order in which they came', async (t) => {
  const { batcher, runs } = doubling(4)
  const numbers = Array.from({ length: 10 }, (_, i) => i)
  const answers = await Promise.all(numbers.map((number) => batcher.ask(number)))
  t.same(
    answers,
    numbers.map((number) => 2 * number)
  )
  t.same(runs, [
    [0, 1, 2, 3],
    [4, 5, 6, 7],
    [8, 9]
  ])
})

t.test('a run that fails fails its own questions and no others', async (t) => {
  const batcher = new Batcher(async (numbers: number[]) => {
    if (numbers.includes(13)) throw new Error('unlucky')
    return numbers
  }, 2)
  const outcomes = await Promise.allSettled([1, 2, 13, 4, 5].map((number) => batcher.ask(number)))
  t.same(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'rejected', 'rejected', 'fulfilled']
  )
  t.equal(await batcher.ask(6), 6, 'and the next is answered')
})

t.test('who is gone before the run costs no row', async (t) => {
  const { batcher, runs } = doubling()
  let gone = false
  const left = batcher.ask(1, () => gone)
  const answer = batcher.ask(2)
  gone = true
  await t.rejects(left, { code: 'KS_ERR_CANCELLED', statusCode: 499 }, 'and waits for nothing')
  t.equal(await answer, 4)
  t.same(runs, [[2]])

  await t.rejects(
    batcher.ask(3, () => true),
    { code: 'KS_ERR_CANCELLED' }
  )
  t.same(runs, [[2]], 'and where all are gone nothing runs')
})
