/** Claims of callers who are not administrators: counted, paused, and refused where they are copies. */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import Database from 'libsql'
import t, { type Test } from 'tap'
import { errors } from '../../src/errors.ts'
import type { Typing } from '../../src/schemas/typing.ts'
import { ClaimGuard } from '../../src/users/claims.ts'
import { IN_MEMORY, SqliteStore } from '../../src/users/sqlite.ts'
import type { Store } from '../../src/users/store.ts'
import { oracle, readyApp, typing } from '../fixtures.ts'
import { startDynamo, withoutMoto } from './dynamodb.ts'
import { SHARED_STORES } from './stores.ts'

const MINUTE = 60
const DAY = 24 * 60 * MINUTE

const python = oracle('sample')
const hash = (key: string) => createHash('sha256').update(key).digest('hex')

/** Of user 1, and of others; each row is another typing. */
const own = (row: number): Typing => typing(python, row)
const anothers = (row: number): Typing => typing(python, 80 + row)

async function open(t: Test, store: Store = new SqliteStore(IN_MEMORY)) {
  const lines: string[] = []
  const app = await readyApp('sample', {
    store,
    apiKeyHashes: [hash('asking')],
    adminKeyHashes: [hash('admin')],
    logger: { level: 'warn', stream: { write: (line: string) => void lines.push(line) } }
  })
  t.teardown(() => app.close())
  const call = (method: 'PUT' | 'POST' | 'DELETE', url: string, body?: object, key = 'asking') =>
    app.inject({ method, url, headers: { 'x-api-key': key }, ...(body && { body }) })
  const verify = (typed: Typing, UserID: number | string = 1, key = 'asking') =>
    call('POST', '/verify', { UserID, Typings: [typed] }, key)
  return { app, call, verify, lines }
}

/** Lets a test set the clock that pauses are measured by. */
function holdClock(t: Test) {
  let now = Date.now()
  t.intercept(Date, 'now', { value: () => now })
  return {
    pass: (seconds: number) => {
      now += seconds * 1000
    }
  }
}

t.test('scores and probabilities are for administrators alone', async (t) => {
  const { call } = await open(t)
  const asked = { Typings: [own(0)] }
  const verified = (await call('POST', '/verify', { UserID: 1, ...asked })).json()
  t.same(verified, { UserID: 1, Match: true, Confidence: 'high', Regular: false })
  const identified = (await call('POST', '/identify?top=2', asked)).json()
  t.strictSame(Object.keys(identified), ['UserID', 'Known', 'Confidence', 'Regular', 'Candidates'])
  t.match(identified, { UserID: 1, Known: true, Confidence: 'high' })
  t.strictSame(Object.keys(identified.Candidates[0]), ['UserID'])

  t.match((await call('POST', '/verify', { UserID: 1, ...asked }, 'admin')).json(), {
    Score: Number,
    Threshold: Number
  })
  t.match((await call('POST', '/identify', asked, 'admin')).json(), { Candidates: [{ Probability: Number }] })
  const refused = (await call('POST', '/verify', { UserID: 1, Typings: [anothers(0)] })).json()
  t.same(refused, { UserID: 1, Match: false, Confidence: 'low', Regular: false })
})

t.test('after five failures in a row a user is paused, for longer each time', async (t) => {
  const clock = holdClock(t)
  const { verify } = await open(t)
  for (let row = 0; row < 5; row++) t.match((await verify(anothers(row))).json(), { Match: false })
  const pauses = [15, 30, 60, 120, 240, 480, 960, 1440, 1440].map((minutes) => minutes * MINUTE)
  for (const [i, pause] of pauses.entries()) {
    const response = await verify(own(0))
    t.equal(response.headers['retry-after'], `${pause}`)
    t.same(response.json(), {
      statusCode: 429,
      code: 'KS_ERR_CLAIM_PAUSED',
      error: 'Too Many Requests',
      message: `body.UserID: too many claims to be user 1 failed; the next is answered in ${pause} s`,
      requestID: response.headers['x-request-id']
    })
    clock.pass(pause - 1)
    t.equal((await verify(own(0))).headers['retry-after'], '1', 'nor does it help to ask meanwhile')
    clock.pass(1)
    t.match((await verify(anothers(5 + i))).json(), { Match: false }, 'one, and then a longer pause')
  }
  t.match((await verify(own(0), 1, 'admin')).json(), { Match: true }, 'administrators are not counted')
  t.match((await verify(anothers(0), 11)).json(), { Match: true }, 'nor are claims to be others paused')

  clock.pass(DAY)
  t.match((await verify(own(0))).json(), { Match: true }, 'the user is there again')
  for (const row of [15, 16, 17]) t.match((await verify(anothers(row))).json(), { Match: false })
  t.equal((await verify(own(1))).statusCode, 429, 'a match takes away some of the failures, not all')
  clock.pass(7 * DAY + 1)
  for (let row = 0; row < 5; row++) t.match((await verify(anothers(row))).json(), { Match: false })
  t.equal((await verify(own(1))).statusCode, 429, 'a week without a claim does')
})

t.test('who is not there is not counted', async (t) => {
  const { verify } = await open(t)
  for (let row = 0; row < 8; row++) t.equal((await verify(anothers(row), 'nobody')).statusCode, 404)
})

t.test('a clock that is set back makes no pause longer', async (t) => {
  const clock = holdClock(t)
  const { verify } = await open(t)
  for (let row = 0; row < 5; row++) await verify(anothers(row))
  clock.pass(-30 * DAY)
  t.equal((await verify(own(0))).headers['retry-after'], `${15 * MINUTE}`)
})

t.test('on a store of several processes', { skip: withoutMoto }, async (t) => {
  await startDynamo(t)
  for (const [name, make] of Object.entries(SHARED_STORES)) {
    await t.test(
      `${name}: they count together, and answer no claim too many that comes at once`,
      async (t) => {
        const store = await make(t)
        const [one, other] = [await open(t, store()), await open(t, store())]
        const together = await Promise.all(
          Array.from({ length: 24 }, (_, row) => (row % 2 === 0 ? one : other).verify(anothers(row)))
        )
        const count = (status: number) => together.filter(({ statusCode }) => statusCode === status).length
        t.same([count(200), count(429)], [5, 19])
        for (const each of [one, other]) t.equal((await each.verify(own(0))).statusCode, 429)
      }
    )

    await t.test(`${name}: what one accepted the other knows`, async (t) => {
      const store = await make(t)
      const [one, other] = [await open(t, store()), await open(t, store())]
      t.match((await one.verify(own(0))).json(), { Match: true })
      t.equal((await other.verify(own(0))).statusCode, 409)
    })
  }
})

t.test('a typing is accepted once, and so are copies of it with their times moved a little', async (t) => {
  const clock = holdClock(t)
  const { call, verify } = await open(t)
  const slower = (row: number): Typing => {
    const { Press, Release } = typing(python, 8 + row)
    const longer = (time: number) => Math.round(time * 1.4)
    return { Press: Press.map(longer), Release: Release.map((time) => longer(time) + 20) }
  }
  await call('PUT', '/users/ada', { Typings: [0, 1, 2, 3].map(slower) }, 'admin')
  t.match((await verify(slower(4), 'ada')).json(), { Match: true })
  const moved = ({ Press, Release }: Typing): Typing => {
    const move = (times: number[]) => times.map((time, i) => time + 60_000 + ((i * 7) % 11) - 5)
    return { Press: move(Press), Release: move(Release) }
  }
  for (const [what, typed] of [
    ['accepted before', slower(4)],
    ['a copy of it', moved(slower(4))],
    ['enrolled', slower(1)],
    ['a copy of that', moved(slower(2))]
  ] as const) {
    t.match(
      (await verify(typed, 'ada')).json(),
      { statusCode: 409, code: 'KS_ERR_TYPING_REPLAYED', message: /^body\.Typings\[0\] is a copy of one/ },
      what
    )
  }
  t.match((await verify(slower(5), 'ada')).json(), { Match: true }, 'a new one is')
  t.match(
    (await verify(slower(4), 'ada', 'admin')).json(),
    { Match: true },
    'and an administrator may repeat'
  )
  for (const row of [4, 5, 4]) t.equal((await verify(slower(row), 'ada')).statusCode, 409)
  t.equal((await verify(slower(6), 'ada')).statusCode, 429, 'copies are failures')

  clock.pass(30 * DAY)
  t.match((await verify(slower(4), 'ada')).json(), { Match: true }, 'after 30 days it is forgotten')
  await call('DELETE', '/users/ada', undefined, 'admin')
  await call('PUT', '/users/ada', { Typings: [0, 1, 2, 3].map(slower) }, 'admin')
  t.match((await verify(slower(4), 'ada')).json(), { Match: true }, 'and with the user')
})

t.test('several typings of a call are each looked at', async (t) => {
  const { call, verify } = await open(t)
  t.match((await verify(own(0))).json(), { Match: true })
  const response = await call('POST', '/verify', { UserID: 1, Typings: [own(1), own(0)] })
  t.match(response.json(), { statusCode: 409, message: /^body\.Typings\[1\]/ })
})

t.test('a typing that failed may be sent again, together with the next one', async (t) => {
  const { call, verify } = await open(t)
  t.match((await verify(anothers(0))).json(), { Match: false })
  const response = await call('POST', '/verify', { UserID: 1, Typings: [own(0), anothers(0)] })
  t.equal(response.statusCode, 200)
})

t.test('while the store fails, claims are answered, and counted by this process', async (t) => {
  const file = join(t.testdir({}), 'users.db')
  const { call, verify, lines } = await open(t, new SqliteStore(file))
  // So that there is a file.
  t.equal((await call('DELETE', '/users/3', undefined, 'admin')).statusCode, 204)
  t.match((await verify(anothers(0))).json(), { Match: false })
  const other = new Database(file)
  other.exec('BEGIN IMMEDIATE')
  for (let row = 1; row < 5; row++) t.match((await verify(anothers(row))).json(), { Match: false })
  t.equal((await verify(own(0))).statusCode, 429, 'with what was counted before')
  t.match(lines.join(''), 'claims are counted by this process alone')
  other.exec('COMMIT')
  other.close()
  t.equal((await verify(own(0))).statusCode, 429, 'and after')
})

t.test('each failure makes a match need three times the evidence, up to the third', async (t) => {
  const guard = new ClaimGuard(new SqliteStore(IN_MEMORY), { warn: () => t.fail('the store is there') })
  t.teardown(() => guard.close())
  /** By a threshold of 4; ln 3 is 1.0986. */
  const weigh = async (Score: number, row: number) => {
    const weighed = {
      UserID: 1,
      Match: Score > 4,
      Confidence: 'low',
      Regular: false,
      Score,
      Threshold: 4
    } as const
    const { Match, Confidence } = await guard.weigh(
      1,
      [own(row)],
      async () => weighed,
      async () => []
    )
    return [Match, Confidence]
  }
  t.same(await weigh(4.01, 0), [true, 'medium'], 'before any failed, as always')
  t.same(await weigh(3.99, 1), [false, 'low'])
  t.same(await weigh(5.09, 2), [false, 'low'], 'one failed')
  t.same(await weigh(6.19, 3), [false, 'low'], 'two failed')
  t.same(await weigh(7.29, 4), [false, 'low'], 'three failed')
  t.same(await weigh(7.3, 5), [true, 'medium'], 'four failed')
  t.same(await weigh(6.19, 6), [false, 'low'], 'half of them stay after a match')
  t.same(await weigh(9.61, 7), [true, 'high'], 'three failed; high is ten times more again')
})

t.test('what the model throws is not counted, and holds nobody up', async (t) => {
  const store = new SqliteStore(IN_MEMORY)
  const guard = new ClaimGuard(store, { warn: () => t.fail('the store is there') })
  t.teardown(async () => {
    await guard.close()
    await store.close()
  })
  const nobody = async () => []
  const matched = {
    UserID: 1,
    Match: true,
    Confidence: 'high',
    Regular: false,
    Score: 9,
    Threshold: 4
  } as const
  const gone = Array.from({ length: 8 }, () =>
    guard.weigh(1, [own(0)], () => Promise.reject(new errors.CANCELLED()), nobody)
  )
  const last = guard.weigh(1, [own(0)], async () => matched, nobody)
  for (const each of gone) await t.rejects(each, { code: 'KS_ERR_CANCELLED' })
  t.same(await last, matched)
})
