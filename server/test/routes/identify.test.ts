import t from 'tap'
import type { Typing } from '../../src/schemas/typing.ts'
import { type FixtureName, oracle, readyApp, typing, withoutChallenge } from '../fixtures.ts'

const app = await readyApp()
t.teardown(() => app.close())
const python = oracle('sample')

const post = (url: string, payload: string | object, to = app) =>
  to.inject({ method: 'POST', url, payload, headers: { 'content-type': 'application/json' } })

/** ONNX computes in float32 what Python does in float64; the notebook's own bound on scores. */
const close = (a: number, b: number) => Math.abs(a - b) < 1e-3

for (const name of ['sample', 'challenge'] as FixtureName[]) {
  t.test(
    `every typing of the ${name} is identified as by the typing model in Python`,
    { skip: name === 'challenge' && withoutChallenge },
    async (t) => {
      const own = name === 'sample' ? app : await readyApp(name)
      if (own !== app) t.teardown(() => own.close())
      const from = oracle(name)
      const found: unknown[] = []
      for (const row of from.press.keys()) {
        found.push((await post('/identify?top=1', { Typings: [typing(from, row)] }, own)).json().UserID)
      }
      t.same(found, from.typingModelUsers)
    }
  )
}

t.test('a typing at a pace that is nobody’s is neither known nor the best candidate’s', async (t) => {
  for (const [pace, hold] of [
    [900, 600],
    [1500, 1200],
    [20, 10]
  ] as const) {
    const Press = python.press[0]!.map((_, key) => key * pace)
    const absurd = { Press, Release: Press.map((press) => press + hold) }
    const identified = (await post('/identify', { Typings: [absurd] })).json()
    t.equal(identified.Known, false, `a key every ${pace} ms`)
    const { UserID } = identified
    t.equal(identified.Regular, true)
    t.match((await post('/verify', { UserID, Typings: [absurd] })).json(), {
      UserID,
      Match: false,
      Confidence: 'low',
      Regular: true
    })
  }
})

t.test(
  'probabilities, evidence, threshold and the warning are Python’s, of one typing and of two',
  async (t) => {
    t.equal(python.typingModel.length, 5)
    for (const { rows, probabilities, evidence, thresholds, known } of python.typingModel) {
      const Typings = rows.map((row) => typing(python, row))
      const identified = (await post('/identify?top=110', { Typings })).json()
      t.equal(identified.Known, known)
      t.equal(identified.Candidates.length, 110)
      const shares = identified.Candidates.map(({ Probability }: { Probability: number }) => Probability)
      t.same(
        shares,
        [...shares].sort((a, b) => b - a),
        'best first'
      )
      t.ok(
        close(
          shares.reduce((a: number, b: number) => a + b),
          1
        )
      )
      for (const { UserID, Probability } of identified.Candidates) {
        t.ok(close(Probability, probabilities[python.classes.indexOf(UserID)]!), `probability of ${UserID}`)
      }
      for (const user of [0, 1, 50, 109]) {
        const UserID = python.classes[user]!
        const verified = (await post('/verify', { UserID, Typings })).json()
        t.ok(close(verified.Score, evidence[user]!), `evidence for ${UserID}`)
        t.ok(close(verified.Threshold, thresholds[user]!))
        t.match(verified, { UserID, Match: evidence[user]! > thresholds[user]! })
      }
    }
  }
)

t.test('confidence is that of the best candidate’s probability, or of the evidence', async (t) => {
  const confidences = new Set<string>()
  const slower = ({ Press, Release }: Typing): Typing => {
    const longer = (time: number) => Math.round(time * 1.4)
    return { Press: Press.map(longer), Release: Release.map(longer) }
  }
  const typings = python.press.map((_, row) => typing(python, row))
  // Of those who are there, and of some who are not.
  for (const typed of [...typings, ...typings.slice(0, 80).map(slower)]) {
    const Typings = [typed]
    const identified = (await post('/identify?top=1', { Typings })).json()
    const [{ UserID, Probability }] = identified.Candidates
    const expected = !identified.Known || Probability < 0.5 ? 'low' : Probability < 0.95 ? 'medium' : 'high'
    t.equal(identified.Confidence, expected, `${Probability}, ${identified.Known ? '' : 'un'}known`)
    const { Match, Score, Threshold, Confidence } = (await post('/verify', { UserID, Typings })).json()
    t.equal(Confidence, !Match ? 'low' : Math.exp(Score - Threshold) > 10 ? 'high' : 'medium')
    confidences.add(identified.Confidence).add(`${Confidence} evidence`)
  }
  t.equal(confidences.size, 6, 'each of them is there')
})

t.test('a copy within one call is refused, by any caller', async (t) => {
  const { Press, Release } = typing(python, 0)
  // Every time moved by 3 ms or less.
  const moved = (times: number[]) => times.map((time, i) => time + 1_000 + ((i * 5) % 7) - 3)
  const Typings = [typing(python, 1), { Press, Release }, { Press: moved(Press), Release: moved(Release) }]
  for (const url of ['/identify', '/verify']) {
    t.match((await post(url, { ...(url === '/verify' && { UserID: 1 }), Typings })).json(), {
      statusCode: 400,
      code: 'KS_ERR_TYPING_INVALID',
      message: 'body.Typings[2] is a copy of body.Typings[1], or nearly one; send each typing once'
    })
  }
})

t.test('five candidates are given unless asked otherwise', async (t) => {
  const Typings = [typing(python, 0)]
  t.equal((await post('/identify', { Typings })).json().Candidates.length, 5)
  t.equal((await post('/identify?top=2', { Typings })).json().Candidates.length, 2)
})

t.test('times from any clock identify the same person', async (t) => {
  const late = (times: number[]) => times.map((time) => time + 1_795_000_000_000)
  const { Press, Release } = typing(python, 3)
  t.same(
    (await post('/identify', { Typings: [{ Press: late(Press), Release: late(Release) }] })).json(),
    (await post('/identify', { Typings: [{ Press, Release }] })).json()
  )
})

t.test('a claim to be nobody the models know is 404', async (t) => {
  const Typings = [typing(python, 0)]
  for (const UserID of [999, '1', '']) {
    t.match((await post('/verify', { UserID, Typings })).json(), {
      statusCode: 404,
      code: 'KS_ERR_USER_UNKNOWN',
      message: `body.UserID: there is no user ${JSON.stringify(UserID)}`
    })
  }
  const { message } = (await post('/verify', { UserID: 'x'.repeat(200_000), Typings })).json()
  t.equal(message, `body.UserID: there is no user "${'x'.repeat(60)}…"`, 'and is not repeated in full')
})

t.test('bad input is refused with the field and the reason', async (t) => {
  const good = typing(python, 0)
  const shorter = { Press: good.Press.slice(1), Release: good.Release.slice(1) }
  const late = { ...good, Press: [...good.Press.slice(0, -1), 9_999_999] }
  const refusals: [what: string, body: string | object, message: string | RegExp][] = [
    ['no typing', { Typings: [] }, 'body.Typings needs at least one typing'],
    ['eleven typings', { Typings: Array(11).fill(good) }, 'body.Typings takes at most 10 typings'],
    ['missing', {}, /^body\.(Typings|UserID) is missing$/],
    ['null', { Typings: null }, 'body.Typings must be an array'],
    ['a typing alone', good, /is (missing|not a known field)$/],
    [
      'a string for a time',
      { Typings: [{ ...good, Press: ['0', ...good.Press.slice(1)] }] },
      'body.Typings[0].Press[0] must be an integer'
    ],
    [
      'a fraction',
      { Typings: [{ ...good, Press: [0.5, ...good.Press.slice(1)] }] },
      'body.Typings[0].Press[0] must be an integer'
    ],
    [
      '1e400',
      JSON.stringify({ Typings: [good] }).replace('"Press":[0', '"Press":[1e400'),
      'body.Typings[0].Press[0] must be an integer'
    ],
    [
      'a negative time',
      { Typings: [{ ...good, Press: [-1, ...good.Press.slice(1)] }] },
      'body.Typings[0].Press[0] must be >= 0'
    ],
    [
      'beyond 2^53',
      { Typings: [{ ...good, Release: [...good.Release.slice(0, -1), 2 ** 53] }] },
      /^body\.Typings\[0\]\.Release\[12\] must be <= 9007199254740991$/
    ],
    ['an extra field', { Typings: [{ ...good, Up: [] }] }, 'body.Typings[0].Up is not a known field'],
    [
      'unequal lengths',
      { Typings: [{ ...good, Release: good.Release.slice(1) }] },
      'body.Typings[0].Release has 12 times and body.Typings[0].Press 13; each press needs its release'
    ],
    [
      'another string',
      { Typings: [good, shorter] },
      'body.Typings[1] is of 12 keys, and the models know a string of 13'
    ],
    [
      'a release before its press',
      { Typings: [good, late] },
      /^body\.Typings\[1\]\.Release\[12\] \d+ is before its press, 9999999$/
    ],
    ['duplicate key', '{"Typings":[],"Typings":[]}', 'body has the key "Typings" twice in one object'],
    ['not JSON', '{"Typings":[NaN]}', /^body is not JSON/]
  ]
  for (const [what, body, message] of refusals) {
    const claim = typeof body === 'string' ? body.replace('{', '{"UserID":1,') : { UserID: 1, ...body }
    t.match((await post('/identify', body)).json(), { statusCode: 400, message }, what)
    t.match((await post('/verify', claim)).json(), { statusCode: 400, message }, `${what}, to be verified`)
  }
  t.match((await post('/verify', { UserID: null, Typings: [good] })).json(), {
    statusCode: 400,
    message: 'body.UserID must be an integer or a string'
  })
  t.equal(
    (await post('/identify', { Typings: [good] })).statusCode,
    200,
    'and good input is answered as before'
  )
})

t.test('who asks at the same time gets an own answer, of however many typings', async (t) => {
  const questions = Array.from({ length: 100 }, (_, i) => ({
    Typings: Array.from({ length: 1 + (i % 3) }, (_, j) => typing(python, 8 * i + 3 * j))
  }))
  const together = await Promise.all(questions.map((question) => post('/identify', question)))
  for (const [i, question] of questions.entries()) {
    const alone = await post('/identify', question)
    t.equal(together[i]!.statusCode, 200)
    const [a, b] = [together[i]!.json(), alone.json()]
    t.same([a.UserID, a.Known], [b.UserID, b.Known])
    t.ok(close(a.Candidates[0].Probability, b.Candidates[0].Probability))
  }
})
