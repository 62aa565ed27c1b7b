import t from 'tap'
import { checkTyping } from '../../src/typings/check.ts'

const refused = (message: string) => ({ code: 'KS_ERR_TYPING_INVALID', statusCode: 400, message })

t.test(
  'overlapping keys, releases out of order, equal presses and hold times of zero are legitimate',
  async (t) => {
    t.doesNotThrow(() => checkTyping({ Press: [0, 50, 50], Release: [200, 50, 90] }))
  }
)

t.test('what no keyboard sends is refused, with the time at fault', async (t) => {
  const faults = [
    [
      { Press: [0, 50], Release: [20] },
      'body.Release has 1 times and body.Press 2; each press needs its release'
    ],
    [{ Press: [0, 50], Release: [20, 49] }, 'body.Release[1] 49 is before its press, 50'],
    [{ Press: [10, 5], Release: [20, 30] }, 'body.Press[1] 5 is before the last press, 10']
  ] as const
  for (const [typing, message] of faults) {
    t.throws(() => checkTyping({ Press: [...typing.Press], Release: [...typing.Release] }), refused(message))
  }
})
