import { setImmediate as turnOfTheLoop } from 'node:timers/promises'
import t from 'tap'
import { heavyWork } from '../src/turns.ts'

t.test('pieces of several works come one a turn, in their order', async (t) => {
  const done: string[] = []
  const work = async (name: string) => {
    for (let piece = 1; piece <= 3; piece++) {
      await heavyWork.turn()
      done.push(`${name}${piece}`)
    }
  }
  const works = Promise.all([work('a'), work('b')])
  const before: number[] = []
  while (done.length < 6) {
    await turnOfTheLoop()
    before.push(done.length)
  }
  await works
  t.same(done, ['a1', 'b1', 'a2', 'b2', 'a3', 'b3'])
  t.ok(
    before.every((count, turn) => count - (before[turn - 1] ?? 0) <= 1),
    'never two in a turn'
  )
})
