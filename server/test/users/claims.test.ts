/** Claims of callers who are not administrators: counted, paused, and refused where they are copies. */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import Database from 'libsql'
import t, { type Test } from 'tap'
import { errors } from '../../src/errors.ts'
import type { Verification } from '../../src/models/recognize.ts'
import type { Typing } from '../../src/schemas/typing.ts'
import { ClaimRecords } from '../../src/users/claim-records.ts'
import { ClaimGuard, WRONG_A_DAY } from '../../src/users/claims.ts'
import { MOST_SEARCHES } from '../../src/users/searches.ts'
import { IN_MEMORY, SqliteStore } from '../../src/users/sqlite.ts'
import { keyOf, NO_CLAIMS, type Store } from '../../src/users/store.ts'
import { csv, oracle, REQUEST, readyApp, typing } from '../fixtures.ts'
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
    keyHashes: { ask: [hash('asking')], identify: [hash('identifying')], administer: [hash('admin')] },
    logger: { level: 'warn', stream: { write: (line: string) => void lines.push(line) } }
  })
  t.teardown(() => app.close())
  const call = (method: 'PUT' | 'POST' | 'DELETE', url: string, body?: object, key = 'asking') =>
    app.inject({ method, url, headers: { 'x-api-key': key }, ...(body && { body }) })
  const verify = (typed: Typing, UserID: number | string = 1, key = 'asking') =>
    call('POST', '/verify', { UserID, Typings: [typed] }, key)
  return { app, call, verify, lines }
}

/** What the model says of a claim that matches by far. */
const MATCHED: Verification = {
  UserID: 1,
  Match: true,
  Confidence: 'high',
  Regular: false,
  Score: 9,
  Threshold: 4
}

/** A guard alone, without models. */
function openGuard(t: Test, store: Store = new SqliteStore(IN_MEMORY)) {
  const records = new ClaimRecords(store, { warn: () => t.fail('the store is there') })
  t.teardown(async () => {
    await records.close()
    await store.close()
  })
  const users = { revisionOf: () => 0, get: async () => {}, typingsOf: async () => [] }
  return { guard: new ClaimGuard(records), users }
}

/** Find a typing that matches its user with little to spare. */
async function findNarrow(app: FastifyInstance): Promise<{ UserID: number | string; typed: Typing }> {
  for (const row of python.press.keys()) {
    const UserID = python.true[row]!
    const typed = typing(python, row)
    const payload = { UserID, Typings: [typed] }
    const headers = { 'x-api-key': 'admin' }
    const { Score, Threshold } = (
      await app.inject({ method: 'POST', url: '/verify', headers, payload })
    ).json()
    if (Score > Threshold && Score < Threshold + Math.log(MOST_SEARCHES)) return { UserID, typed }
  }
  throw new Error('every typing matches by far')
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

t.test('scores and candidates are for administrators alone', async (t) => {
  const { call } = await open(t)
  const asked = { Typings: [own(0)] }
  const verified = (await call('POST', '/verify', { UserID: 1, ...asked })).json()
  t.strictSame(verified, { UserID: 1, Match: true, Confidence: 'high', Regular: false, FailedClaims: 0 })
  t.match((await call('POST', '/verify', { UserID: 1, ...asked }, 'admin')).json(), {
    Score: Number,
    Threshold: Number,
    FailedClaims: undefined
  })
  const refused = (await call('POST', '/verify', { UserID: 1, Typings: [anothers(0)] })).json()
  t.strictSame(refused, { UserID: 1, Match: false, Confidence: 'low', Regular: false })
})

t.test('identifying is a scope of its own, and tells nobody’s rank', async (t) => {
  const { call } = await open(t)
  const asked = { Typings: [own(0)] }
  t.match((await call('POST', '/identify', asked)).json(), {
    statusCode: 403,
    code: 'KS_ERR_IDENTIFY_KEY',
    message: 'this call needs a key that may identify; this one may ask only'
  })
  const identify = async (body: object, key = 'identifying') =>
    (await call('POST', '/identify', body, key)).json()
  t.strictSame(await identify(asked), { UserID: 1, Known: true, Confidence: 'high', Regular: false })
  const absurd = {
    Press: own(0).Press.map((_, key) => 900 * key),
    Release: own(0).Press.map((_, key) => 900 * key + 99 + key)
  }
  t.strictSame(await identify({ Typings: [absurd] }), { Known: false, Confidence: 'low', Regular: true })
  t.match(await identify(asked, 'admin'), { Candidates: [{ UserID: 1, Probability: Number }] })
  for (const key of ['asking', 'identifying']) {
    for (const [url, body] of [
      ['/identify?top=2', asked],
      ['/predict?top=1', REQUEST],
      ['/predict/batch?top=1', [REQUEST]]
    ] as const) {
      const response = await call('POST', url, body, key)
      t.equal(response.statusCode, 403, `${url} with the key ${key}`)
      if (url === '/identify?top=2' && key === 'asking') continue
      t.match(response.json(), {
        code: 'KS_ERR_ADMIN_KEY',
        message:
          /^this call needs an administrator’s key; querystring\.top is for administrators; this one may ask/
      })
    }
    t.equal(
      (await call('POST', '/predict', REQUEST, key)).statusCode,
      200,
      'the challenge’s call is answered'
    )
  }
  t.equal((await call('POST', '/predict?top=1', REQUEST, 'admin')).json().Candidates.length, 1)
})

t.test('a CSV of typings is identified for administrators alone', async (t) => {
  const { app } = await open(t)
  const ask = (model: string, key: string) =>
    app.inject({
      method: 'POST',
      url: `/predict/batch?Model=${model}`,
      headers: { 'x-api-key': key, 'content-type': 'text/csv' },
      payload: csv('sample')
    })
  for (const key of ['asking', 'identifying']) {
    t.match((await ask('typing', key)).json(), { statusCode: 403, code: 'KS_ERR_ADMIN_KEY' })
    t.equal((await ask('RF', key)).statusCode, 200)
  }
  t.equal((await ask('typing', 'admin')).statusCode, 200)
})

t.test(
  'identifications that end unknown are limited by the hour, and raise what a claim needs',
  async (t) => {
    const clock = holdClock(t)
    const { call, verify, app } = await open(t)
    const unknown = (row: number): Typing => {
      const { Press, Release } = anothers(row)
      return { Press: Press.map((time) => 3 * time), Release: Release.map((time) => 3 * time + 150) }
    }
    const identify = (typed: Typing) => call('POST', '/identify', { Typings: [typed] }, 'identifying')
    for (let row = 0; row < 3; row++)
      t.match((await identify(own(0))).json(), { Known: true }, 'as often as one likes')
    const together = await Promise.all(
      Array.from({ length: MOST_SEARCHES + 5 }, (_, row) => identify(unknown(row)))
    )
    const count = (status: number) => together.filter(({ statusCode }) => statusCode === status).length
    t.same([count(200), count(429)], [MOST_SEARCHES, 5], 'however many are sent at once')
    clock.pass(3599)
    const refused = await identify(own(0))
    t.match(refused.json(), {
      statusCode: 429,
      code: 'KS_ERR_SEARCHES_LIMITED',
      message: /^more than 20 ident.* 1 s$/
    })
    t.equal(refused.headers['retry-after'], '1')
    t.equal((await call('POST', '/identify', { Typings: [own(0)] }, 'admin')).statusCode, 200)
    clock.pass(1)
    t.match((await identify(own(0))).json(), { Known: true })

    const { UserID, typed } = await findNarrow(app)
    t.match((await verify(typed, UserID, 'identifying')).json(), { Match: false })
    clock.pass(8 * DAY)
    t.match((await verify(typed, UserID, 'identifying')).json(), { Match: true }, 'once all are forgotten')
  }
)

t.test('after five failures in a row a user is paused, for longer each time', async (t) => {
  const clock = holdClock(t)
  const { call, verify } = await open(t)
  for (let row = 0; row < 5; row++) t.match((await verify(anothers(row))).json(), { Match: false })
  // After ten wrong answers the first of them has to be a day old.
  const pauses = [15, 30, 60, 120, 240, 1440 - 15 - 30 - 60 - 120 - 240, 960].map(
    (minutes) => minutes * MINUTE
  )
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

  t.equal((await call('DELETE', '/users/1/pause', undefined, 'asking')).statusCode, 403)
  t.equal((await call('DELETE', '/users/nobody/pause', undefined, 'admin')).statusCode, 404)
  t.equal((await call('DELETE', '/users/1/pause', undefined, 'admin')).statusCode, 204)
  t.match(
    (await verify(own(0))).json(),
    { Match: true },
    'an administrator lifts the pause of a trained user'
  )
  t.equal((await verify(own(0))).statusCode, 409, 'and accepted typings stay remembered')
})

t.test('no match gives back what was answered wrong within a day, and it says how many failed', async (t) => {
  const clock = holdClock(t)
  const { verify } = await open(t)
  let wrong = 0
  let row = 0
  for (let login = 0; login < 3; login++) {
    for (let i = 0; i < 4 && wrong < WRONG_A_DAY; i++, wrong++) {
      t.match((await verify(anothers(row++))).json(), { Match: false })
    }
    if (wrong === WRONG_A_DAY) break
    t.match(
      (await verify(own(login))).json(),
      { Match: true, FailedClaims: 4 },
      'there is no pause before five'
    )
    clock.pass(60)
  }
  t.equal(wrong, WRONG_A_DAY)
  t.match((await verify(own(3))).json(), { statusCode: 429 })
  clock.pass(DAY - 120)
  t.match(
    (await verify(own(3))).json(),
    { Match: true, FailedClaims: 2 },
    'once the first four are a day old'
  )
})

t.test('a log-in that is sent twice counts once', async (t) => {
  const { verify, call } = await open(t)
  for (let i = 0; i < 8; i++)
    t.match((await verify(anothers(0))).json(), { Match: false }, 'the same failure')
  t.match((await verify(own(0))).json(), { Match: true, FailedClaims: 1 })
  for (let i = 0; i < 8; i++) {
    const again = await verify({
      Press: own(0).Press.map((time) => time + 7),
      Release: own(0).Release.map((time) => time + 7)
    })
    t.equal(again.statusCode, 409, 'the same match')
  }
  t.match((await verify(own(1))).json(), { Match: true, FailedClaims: 0 })

  t.match((await verify(anothers(1))).json(), { Match: false })
  const together = { UserID: 1, Typings: [own(2), own(3), own(4), anothers(1)] }
  t.match(
    (await call('POST', '/verify', together)).json(),
    { Match: true, FailedClaims: 0 },
    'a failure that was the user’s own'
  )
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
  const moved = ({ Press, Release }: Typing, by = 7): Typing => {
    const move = (times: number[]) => times.map((time, i) => time + 60_000 + ((i * by) % 11) - 5)
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
  for (const by of [3, 5, 4, 9, 2]) t.equal((await verify(moved(slower(4), by), 'ada')).statusCode, 409)
  t.equal((await verify(slower(6), 'ada')).statusCode, 429, 'copies are failures')

  clock.pass(30 * DAY)
  t.match(
    (await verify(moved(slower(4)), 'ada')).json(),
    { Match: true },
    'after 30 days its times are forgotten'
  )
  t.equal((await verify(slower(4), 'ada')).statusCode, 409, 'and the very typing is still known')
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

t.test(
  'each wrong answer of a day makes a match need five times the evidence, up to the third',
  async (t) => {
    const clock = holdClock(t)
    const { guard, users } = openGuard(t)
    /** By a threshold of 4; ln 5 is 1.6094. */
    const weigh = async (Score: number, row: number, searches?: number) => {
      const weighed = {
        UserID: 1,
        Match: Score > 4,
        Confidence: 'low',
        Regular: false,
        Score,
        Threshold: 4
      } as const
      const claim = { userID: 1, typings: [own(row)], searches, weigh: async () => weighed }
      const { Match, Confidence } = await guard.weigh(claim, users)
      return [Match, Confidence]
    }
    t.same(await weigh(4.01, 0), [true, 'medium'], 'before any failed, as always')
    t.same(await weigh(3.99, 1), [false, 'low'])
    t.same(await weigh(5.6, 2), [false, 'low'], 'one failed')
    t.same(await weigh(7.21, 3), [false, 'low'], 'two failed')
    t.same(await weigh(8.82, 4), [false, 'low'], 'three failed')
    t.same(await weigh(8.83, 5), [true, 'medium'], 'four failed')
    t.same(await weigh(8.82, 6), [false, 'low'], 'they stay after a match')
    clock.pass(DAY)
    t.same(await weigh(5.6, 6), [false, 'low'], 'the one since the match stays longer than a day')
    t.same(await weigh(7.22, 7), [true, 'medium'])
    clock.pass(DAY)
    t.same(await weigh(5.6, 8, 0), [false, 'low'], 'a caller who may identify: five times')
    clock.pass(8 * DAY)
    t.same(await weigh(5.62, 9, 0), [true, 'medium'])
    t.same(await weigh(6.99, 10, 1), [false, 'low'], 'one identification that ended unknown: ln 4 is 1.386')
  }
)

t.test('a claim that another process answers while the user is deleted writes nothing of them', async (t) => {
  const store = new SqliteStore(IN_MEMORY)
  const { guard } = openGuard(t, store)
  await store.put(keyOf('ada'), 0, { UserID: 'ada', typings: [own(0)], createdAt: '', updatedAt: '' })
  let known = 1
  const users = {
    revisionOf: () => known,
    get: async () => {
      known = 2
      throw new errors.USER_UNKNOWN('body.UserID', '"ada"')
    },
    typingsOf: async () => []
  }
  const matched = { ...MATCHED, UserID: 'ada' }
  const weigh = async () => {
    // As another process does, whose deletion this one has not read yet.
    await store.put(keyOf('ada'), 1)
    return matched
  }
  const claim = { userID: 'ada', typings: [own(1)], weigh }
  await t.rejects(guard.weigh(claim, users), { code: 'KS_ERR_USER_UNKNOWN' })
  t.match(await store.readClaims(keyOf('ada')), { user: 2, claims: NO_CLAIMS })
  known = 1
  await t.rejects(guard.weigh({ ...claim, weigh: async () => matched }, users), {
    code: 'KS_ERR_USER_UNKNOWN'
  })
  t.match(
    await store.readClaims(keyOf('ada')),
    { user: 2, claims: NO_CLAIMS },
    'nor does a claim that begins after it'
  )
})

t.test('a call takes one place in the memory of accepted typings, however many it has', async (t) => {
  const { guard, users } = openGuard(t)
  let [seed, asked] = [1, 0]
  const random = () => {
    seed = (seed * 48_271) % 2_147_483_647
    return seed
  }
  /** Times of their own, so that no two are copies. */
  const anything = (): Typing => {
    const Press = own(0).Press.map((time) => time * 3 + (random() % 150))
    return { Press, Release: Press.map((time) => time + 40 + (random() % 90)) }
  }
  const accept = (typings: readonly Typing[]) => {
    asked++
    return guard.weigh({ userID: 1, typings, weigh: async () => MATCHED }, users)
  }
  const near = ({ Press, Release }: Typing): Typing => ({
    Press: Press.map((time) => 2 * time),
    Release: Release.map((time, key) => 2 * time - (time - Press[key]!))
  })
  await accept([own(0)])
  for (let i = 0; i < 49; i++) await accept(Array.from({ length: 10 }, anything))
  await t.rejects(accept([near(own(0))]), { code: 'KS_ERR_TYPING_REPLAYED' }, 'a copy at half the speed')
  await accept([anything()])
  await accept([near(own(0))])
  t.equal(asked, 53)
  await t.rejects(accept([own(0)]), { code: 'KS_ERR_TYPING_REPLAYED' }, 'the very typing is known for longer')
})

t.test('what the model throws is not counted, and holds nobody up', async (t) => {
  const { guard, users } = openGuard(t)
  const claim = { userID: 1, typings: [own(0)] }
  const gone = Array.from({ length: 8 }, () =>
    guard.weigh({ ...claim, weigh: () => Promise.reject(new errors.CANCELLED()) }, users)
  )
  const last = guard.weigh({ ...claim, weigh: async () => MATCHED }, users)
  for (const each of gone) await t.rejects(each, { code: 'KS_ERR_CANCELLED' })
  t.same(await last, { ...MATCHED, FailedClaims: 0 })
})
