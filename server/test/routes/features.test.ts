import t from 'tap'
import { CLASSIFIER_NAMES } from '../../src/schemas/predict.ts'
import { computeFeatures } from '../../src/typings/features.ts'
import { oracle, readyApp, typing } from '../fixtures.ts'

const app = await readyApp()
t.teardown(() => app.close())

const post = (url: string, payload: string | object) =>
  app.inject({ method: 'POST', url, payload, headers: { 'content-type': 'application/json' } })

t.test('the answer, with a Model, is a request to /predict, and names whom Python names', async (t) => {
  const python = oracle('sample')
  for (const row of [0, 100, 879]) {
    const response = await post('/features', typing(python, row))
    t.equal(response.statusCode, 200)
    t.same(response.json(), computeFeatures(typing(python, row)))
    for (const Model of CLASSIFIER_NAMES) {
      const { UserID } = (await post('/predict', { Model, ...(response.json() as object) })).json()
      t.equal(UserID, python.users[Model][row])
    }
  }
})

t.test('a string of any length from two keys on has features', async (t) => {
  t.equal((await post('/features', { Press: [0, 100], Release: [50, 150] })).statusCode, 200)
  const Press = Array.from({ length: 500 }, (_, key) => key * 100)
  t.equal((await post('/features', { Press, Release: Press.map((time) => time + 50) })).statusCode, 200)
})

t.test('times from any clock give the same features', async (t) => {
  const epoch = 1_795_000_000_000
  const early = { Press: [0, 100, 250], Release: [50, 180, 300] }
  const late = { Press: early.Press.map((x) => x + epoch), Release: early.Release.map((x) => x + epoch) }
  t.same((await post('/features', late)).json(), (await post('/features', early)).json())
})

t.test('an invalid typing is refused with the time at fault', async (t) => {
  const ok = { Press: [0, 100], Release: [50, 150] }
  const refusals: [what: string, body: string | object, message: string | RegExp][] = [
    ['unequal lengths', { ...ok, Release: [50] }, 'body.Release needs at least 2 items'],
    [
      'one release too many',
      { ...ok, Release: [50, 150, 200] },
      'body.Release has 3 times and body.Press 2; each press needs its release'
    ],
    ['a single key', { Press: [0], Release: [50] }, 'body.Press needs at least 2 items'],
    ['release before press', { ...ok, Release: [50, 99] }, 'body.Release[1] 99 is before its press, 100'],
    [
      'presses out of order',
      { Press: [10, 5], Release: [50, 60] },
      'body.Press[1] 5 is before the last press, 10'
    ],
    ['a fraction', { ...ok, Press: [0, 99.5] }, 'body.Press[1] must be an integer'],
    ['a string', { ...ok, Press: [0, '100'] }, 'body.Press[1] must be an integer'],
    ['null', { ...ok, Press: [0, null] }, 'body.Press[1] must be an integer'],
    ['a negative time', { ...ok, Press: [-1, 100] }, 'body.Press[0] must be >= 0'],
    [
      'beyond 2^53',
      '{"Press":[0,9007199254740993],"Release":[1,9007199254740995]}',
      /^body\.Press\[1\] must/
    ],
    ['missing', { Press: [0, 1] }, 'body.Release is missing'],
    ['extra', { ...ok, User: 1 }, 'body.User is not a known field'],
    ['no array', { ...ok, Press: { 0: 0, 1: 1 } }, 'body.Press must be an array']
  ]
  for (const [what, body, message] of refusals) {
    t.match((await post('/features', body)).json(), { statusCode: 400, message }, what)
  }
})
