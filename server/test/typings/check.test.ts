import t from 'tap'
import type { Typing } from '../../src/schemas/typing.ts'
import { checkTyping } from '../../src/typings/check.ts'
import { distance, findCopied } from '../../src/typings/copies.ts'
import { isRegular } from '../../src/typings/regular.ts'

const refused = (message: string) => ({ code: 'KS_ERR_TYPING_INVALID', statusCode: 400, message })

t.test(
  'overlapping keys, releases out of order, equal presses and hold times of zero are legitimate',
  async (t) => {
    t.doesNotThrow(() => checkTyping({ Press: [0, 50, 50], Release: [200, 50, 90] }))
    t.doesNotThrow(() => checkTyping({ Press: [0, 10_000], Release: [80, 20_000] }), 'pauses of 10 s')
  }
)

t.test('what no keyboard sends is refused, with the time at fault', async (t) => {
  const faults = [
    [
      { Press: [0, 50], Release: [20] },
      'body.Release has 1 times and body.Press 2; each press needs its release'
    ],
    [{ Press: [0, 50], Release: [20, 49] }, 'body.Release[1] 49 is before its press, 50'],
    [{ Press: [10, 5], Release: [20, 30] }, 'body.Press[1] 5 is before the last press, 10'],
    [
      { Press: [0, 150, 600_150], Release: [80, 230, 600_230] },
      'body.Press[2] 600150 is more than 10 s after the last press, 150'
    ],
    [
      { Press: [0, 150, 300], Release: [80, 10_151, 380] },
      'body.Release[1] 10151 is more than 10 s after its press, 150'
    ],
    [
      { Press: [0, 150_000], Release: [80_000, 230_000] },
      'body.Release[0] 80000 ms after its press; the times look like microseconds, divide them by 1,000 and round them'
    ]
  ] as const
  for (const [typing, message] of faults) {
    t.throws(() => checkTyping({ Press: [...typing.Press], Release: [...typing.Release] }), refused(message))
  }
})

t.test(
  'the distance of two typings is the mean difference of their hold and press-press times',
  async (t) => {
    const one: Typing = { Press: [0, 100, 250], Release: [80, 190, 300] }
    // Holds 80, 90, 50 and 90, 90, 44; press-press 100, 150 and 110, 146: (10 + 0 + 6 + 10 + 4) / 5.
    const other: Typing = { Press: [7, 117, 263], Release: [97, 207, 307] }
    t.equal(distance(one, other), 6)
    t.equal(findCopied(one, [other]), -1, '6 ms is far enough')
    const nearer = { ...other, Release: [96, 207, 307] }
    t.equal(findCopied(one, [other, nearer]), 1)
    t.equal(findCopied(one, [{ Press: [0, 100], Release: [80, 190] }]), -1, 'of another string')
  }
)

t.test('equal pauses or equal holds are regular; of a short string people may have them', async (t) => {
  const typed = (pauses: number[], holds: number[]): Typing => {
    const Press = pauses.map((_, key) => pauses.slice(1, key + 1).reduce((sum, pause) => sum + pause, 0))
    return { Press, Release: Press.map((press, key) => press + holds[key]!) }
  }
  const [pauses, holds] = [
    [0, 120, 180, 90, 140, 210, 95, 160, 130, 170, 110],
    [80, 95, 60, 110, 75, 90, 85, 100, 70, 65, 105]
  ]
  const equal = Array<number>(11).fill(100)
  t.notOk(isRegular(typed(pauses, holds)))
  t.ok(isRegular(typed(equal, holds)))
  t.ok(isRegular(typed(pauses, equal)))
  t.notOk(isRegular(typed(equal.slice(1), holds.slice(1))), 'ten keys')
})
