import { createHash, randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { LightMyRequestResponse } from 'fastify'
import Database from 'libsql'
import t, { type Test } from 'tap'
import { PYTHON, PYTHON_ENV, ROOT, run } from '../../../scripts/lib/processes.ts'
import { buildApp } from '../../src/app.ts'
import { loadModels } from '../../src/models/load.ts'
import type { Typing } from '../../src/schemas/typing.ts'
import { DynamoStore } from '../../src/users/dynamodb.ts'
import { SqliteStore } from '../../src/users/sqlite.ts'
import { folder, oracle, readyApp, typing } from '../fixtures.ts'
import { answerAllWith, refuse } from '../users/dynamodb.ts'

const python = oracle('sample')

/** A typing of somebody who is not in the sample: user 2's, slower and with longer holds. */
const foreign = (row: number): Typing => {
  const { Press, Release } = typing(python, 8 + row)
  return {
    Press: Press.map((time) => Math.round(time * 1.4)),
    Release: Release.map((time) => Math.round(time * 1.4) + 20)
  }
}
const foreigners = (...rows: number[]) => ({ Typings: rows.map(foreign) })

type App = Awaited<ReturnType<typeof readyApp>>

async function open(t: Test) {
  const app = await readyApp()
  t.teardown(() => app.close())
  return { app, call: caller(app) }
}

function caller(app: App, key?: string) {
  return (method: 'PUT' | 'POST' | 'GET' | 'DELETE', url: string, body?: object, headers = {}) =>
    app.inject({
      method,
      url,
      headers: { ...headers, ...(key && { 'x-api-key': key }) },
      ...(body && { body })
    })
}

const refused = (t: Test, response: LightMyRequestResponse, status: number, message: RegExp | string) => {
  t.equal(response.statusCode, status, response.body)
  t.match(response.json().message, message)
}

t.test('an enrolled user is at once identified and verified', async (t) => {
  const { call } = await open(t)
  refused(t, await call('POST', '/verify', { UserID: 'ada', ...foreigners(5) }), 404, /no user "ada"/)
  const enrolled = await call('PUT', '/users/ada', foreigners(0, 1, 2, 3))
  t.equal(enrolled.statusCode, 201)
  t.match(enrolled.json(), {
    UserID: 'ada',
    Typings: 4,
    Source: 'enrolled',
    EnrolledAt: /^2\d{3}-\d\d-\d\dT/,
    Quality: { Advice: 'enough' }
  })
  t.match((await call('POST', '/identify', foreigners(5))).json(), { UserID: 'ada', Known: true })
  t.match((await call('POST', '/verify', { UserID: 'ada', ...foreigners(5) })).json(), { Match: true })
  t.match((await call('POST', '/verify', { UserID: 'ada', Typings: [typing(python, 40)] })).json(), {
    UserID: 'ada',
    Match: false
  })
  // The others are as they were.
  t.match((await call('POST', '/identify', { Typings: [typing(python, 40)] })).json(), {
    UserID: python.true[40],
    Known: true
  })
})

t.test('a trained user enrolled with the typings of the training is scored as trained', async (t) => {
  const { call } = await open(t)
  const [own, asked] = [{ Typings: Array.from({ length: 8 }, (_, i) => typing(python, i)) }, 100]
  const ask = async (row: number) =>
    (await call('POST', '/identify?top=110', { Typings: [typing(python, row)] })).json().Candidates
  const before = [await ask(0), await ask(asked)]
  t.equal((await call('PUT', '/users/1', own)).statusCode, 200, 'replaces, as they are a user already')
  for (const [i, row] of [0, asked].entries()) {
    const after = await ask(row)
    t.equal(after.length, 110)
    for (const { UserID, Probability } of after) {
      const was = before[i].find((candidate: { UserID: number }) => candidate.UserID === UserID)
      t.ok(Math.abs(Probability - was.Probability) < 1e-6, `${UserID} in row ${row}`)
    }
  }
})

t.test('PUT is idempotent, replaces, and refuses to with If-None-Match: *', async (t) => {
  const { call } = await open(t)
  const first = (await call('PUT', '/users/ada', foreigners(0, 1, 2))).json()
  const again = await call('PUT', '/users/ada', foreigners(0, 1, 2))
  t.equal(again.statusCode, 200)
  t.same(again.json(), first)
  for (const id of ['ada', '7']) {
    const url = `/users/${id}`
    refused(t, await call('PUT', url, foreigners(3, 4, 5), { 'if-none-match': '*' }), 412, /there is a user/)
  }
  t.match((await call('PUT', '/users/ada', foreigners(3, 4, 5, 6))).json(), {
    Typings: 4,
    EnrolledAt: first.EnrolledAt
  })
  t.equal((await call('PUT', '/users/bob', foreigners(3, 4, 5), { 'if-none-match': '*' })).statusCode, 201)
  refused(
    t,
    await call('PUT', '/users/eve', foreigners(0, 1, 2), { 'if-none-match': '"x"' }),
    400,
    /if-none-match/
  )
})

t.test('typings are added to a user whom they match, and the newest fifty are kept', async (t) => {
  const { call } = await open(t)
  await call('PUT', '/users/ada', foreigners(0, 1, 2, 3))
  t.match((await call('POST', '/users/ada/typings', foreigners(4))).json(), { UserID: 'ada', Typings: 5 })
  const other = await call('POST', '/users/ada/typings', { Typings: [typing(python, 40)] })
  refused(t, other, 409, /do not match user "ada": score -?\d+\.\d; a match needs \d\.\d/)
  refused(t, await call('POST', '/users/ada/typings', foreigners(5, 4)), 409, /\[1\] is one that the user is/)
  refused(t, await call('POST', '/users/eve/typings', foreigners(5)), 404, /there is no user "eve"/)
  refused(t, await call('POST', '/users/7/typings', foreigners(5)), 409, /user 7 are not kept here.*with PUT/)
  t.match((await call('GET', '/users/ada')).json(), { Typings: 5 })

  let drawn = 1
  const moved = (time: number) => {
    drawn = (Math.imul(drawn, 1_103_515_245) + 12_345) >>> 0
    return time + ((drawn >>> 16) % 51)
  }
  const another = (row: number) => {
    const { Press, Release } = foreign(row)
    return { Press: Press.map(moved), Release: Release.map((time) => moved(time) + 50) }
  }
  const many = Array.from({ length: 49 }, (_, i) => another(i % 5))
  const bob = await call('PUT', '/users/bob', { Typings: many })
  t.equal(bob.statusCode, 201, bob.body)
  const more = await call('POST', '/users/bob/typings', { Typings: [another(5), another(6)] })
  t.match(more.json(), { Typings: 50 })
})

t.test('users are listed by pages, trained ones and enrolled ones', async (t) => {
  const { call } = await open(t)
  await call('PUT', '/users/Zoë', foreigners(0, 1, 2))
  await call('PUT', '/users/-5', foreigners(0, 1, 3))
  await call('DELETE', '/users/3')
  const found: object[] = []
  let after: string | undefined
  let pages = 0
  do {
    const page = (await call('GET', `/users?limit=30${after === undefined ? '' : `&after=${after}`}`)).json()
    found.push(...page.Users)
    after = page.Next
    pages++
  } while (after !== undefined)
  t.equal(pages, 4)
  t.same(
    found.map((user) => (user as { UserID: unknown }).UserID),
    [-5, 1, 2, ...Array.from({ length: 107 }, (_, i) => i + 4), 'Zoë']
  )
  t.match(found[1], { UserID: 1, Typings: 8, Source: 'trained' })
  t.notMatch(JSON.stringify(found), 'Press')
  refused(t, await call('GET', '/users?after=nonsense'), 400, 'querystring.after is not the `Next` of a page')
  refused(t, await call('GET', '/users?limit=0'), 400, 'querystring.limit must be >= 1')
})

t.test('a deleted user is gone, trained or enrolled, and may be enrolled again', async (t) => {
  const { call } = await open(t)
  await call('PUT', '/users/ada', foreigners(0, 1, 2))
  for (const [id, UserID] of [
    ['ada', 'ada'],
    ['1', 1]
  ] as const) {
    t.equal((await call('DELETE', `/users/${id}`)).statusCode, 204)
    refused(
      t,
      await call('GET', `/users/${id}`),
      404,
      `params.UserID: there is no user ${JSON.stringify(UserID)}`
    )
    refused(t, await call('DELETE', `/users/${id}`), 404, /there is no user/)
    refused(t, await call('POST', '/verify', { UserID, ...foreigners(3) }), 404, /there is no user/)
  }
  const all = (await call('POST', '/identify?top=1000', { Typings: [typing(python, 0)] })).json().Candidates
  t.equal(all.length, 109)
  t.notMatch(JSON.stringify(all), /"UserID":1,/)
  const { text } = { text: (await call('GET', '/users/export')).body }
  t.notMatch(text, 'ada')
  t.equal((await call('PUT', '/users/ada', foreigners(0, 1, 2))).statusCode, 201)
  t.equal((await call('PUT', '/users/1', foreigners(4, 5, 6))).statusCode, 201)
  t.match((await call('POST', '/verify', { UserID: 1, ...foreigners(7) })).json(), { UserID: 1 })
})

t.test('a batch names nobody who was deleted', async (t) => {
  const { app, call } = await open(t)
  const header = `${Array.from({ length: 13 }, (_, key) => `press-${key},release-${key}`)}`
  const row = (i: number) => python.press[i]!.flatMap((press, key) => [press, python.release[i]![key]]).join()
  const name = async () =>
    (
      await app.inject({
        method: 'POST',
        url: '/predict/batch?Model=typing',
        headers: { 'content-type': 'text/csv' },
        payload: `${header}\n${row(0)}\n`
      })
    ).body.split('\n')[1]
  t.equal(await name(), '2,1,')
  await call('DELETE', '/users/1')
  t.not(await name(), '2,1,')
})

t.test('invalid users and typings are refused with what is wrong', async (t) => {
  const { call } = await open(t)
  const three = foreigners(0, 1, 2)
  const paths: [string, RegExp][] = [
    ['007', /is "007"; UserIDs here are integers/],
    ['7.5', /is "7.5"; UserIDs here are integers/],
    ['1e3', /is "1e3"/],
    ['9007199254740993', /UserIDs here are integers/],
    ['x'.repeat(300), /has 300 characters; a UserID has at most 128/],
    ['a%07b', /has a control character/],
    ['%20ada', /begins or ends with a blank/],
    ['export', /a path of its own/],
    ['%22bob%22', /begins with a quotation mark/],
    ['ad%E2%80%8Ba', /has an invisible character/],
    ['ada%E2%80%AE', /has an invisible character/],
    ['%EF%BB%BFada', /has an invisible character/]
  ]
  for (const [id, message] of paths) refused(t, await call('PUT', `/users/${id}`, three), 400, message)
  refused(t, await call('PUT', '/users/eve', foreigners(0, 1)), 400, 'body.Typings needs at least 3 typings')
  const many = { Typings: Array(51).fill(foreign(0)) }
  refused(t, await call('PUT', '/users/eve', many), 400, 'body.Typings takes at most 50 typings')
  const moved = { Press: foreign(0).Press.map((x) => x + 9), Release: foreign(0).Release.map((x) => x + 9) }
  const equal = { Typings: [foreign(0), foreign(1), moved] }
  refused(t, await call('PUT', '/users/eve', equal), 400, /Typings\[2\] is a copy of body.Typings\[0\]/)
  const short = { Press: [0, 100], Release: [50, 150] }
  refused(t, await call('PUT', '/users/eve', { Typings: [foreign(0), foreign(1), short] }), 400, /of 2 keys/)
  refused(
    t,
    await call('POST', '/verify', { UserID: '2', ...three }),
    404,
    'there is no user "2"; UserIDs here are integers: send 2'
  )
  refused(t, await call('GET', '/users/eve'), 404, /there is no user "eve"/)
})

t.test('a call without a body has none, whatever its content type', async (t) => {
  const { call } = await open(t)
  const type = { 'content-type': 'application/json' }
  t.equal((await call('PUT', '/users/ada', foreigners(0, 1, 2))).statusCode, 201)
  t.equal((await call('DELETE', '/users/ada', undefined, type)).statusCode, 204)
  refused(
    t,
    await call('PUT', '/users/ada', undefined, type),
    400,
    'body is empty; a JSON document was expected'
  )
})

t.test('names of numbers and dots are names', async (t) => {
  const { call } = await open(t)
  for (const name of ['10.0.0.1', '1.2.3', '2026.11.28', '1-2']) {
    const reply = await call('PUT', `/users/${name}`, foreigners(0, 1, 2))
    t.match(reply.json(), { UserID: name }, name)
    t.equal((await call('DELETE', `/users/${name}`)).statusCode, 204)
  }
})

t.test('names that look alike are one user', async (t) => {
  const { call } = await open(t)
  const [composed, decomposed] = ['Jos\u00e9', 'Jose\u0301']
  t.not(composed, decomposed)
  t.equal(
    (await call('PUT', `/users/${encodeURIComponent(decomposed)}`, foreigners(0, 1, 2))).statusCode,
    201
  )
  t.equal(
    (await call('PUT', `/users/${encodeURIComponent(composed)}`, foreigners(0, 1, 2, 3))).statusCode,
    200
  )
  for (const UserID of [composed, decomposed]) {
    t.match((await call('POST', '/verify', { UserID, ...foreigners(4) })).json(), {
      UserID: composed,
      Match: true
    })
  }
  t.equal((await call('DELETE', `/users/${encodeURIComponent(decomposed)}`)).statusCode, 204)
  t.equal((await call('GET', `/users/${encodeURIComponent(composed)}`)).statusCode, 404)
})

t.test('an integer that JSON cannot tell from another is refused', async (t) => {
  const { app } = await open(t)
  const payload = JSON.stringify({ UserID: 0, ...foreigners(0) }).replace(
    '"UserID":0',
    '"UserID":9007199254740993'
  )
  const response = await app.inject({
    method: 'POST',
    url: '/verify',
    headers: { 'content-type': 'application/json' },
    payload
  })
  refused(t, response, 400, 'body.UserID must be <= 9007199254740991')
})

t.test('typings that are not alike are enrolled with the advice to type on', async (t) => {
  const { call } = await open(t)
  const mixed = {
    Typings: [typing(python, 0), typing(python, 100), typing(python, 300), typing(python, 500)]
  }
  const { Quality } = (await call('PUT', '/users/mixed', mixed)).json()
  t.not(Quality.Advice, 'enough')
  t.ok(Quality.Alike < 0.75)
})

t.test('what is exported trains: every enrolled typing, as it was recorded', async (t) => {
  const { call } = await open(t)
  await call('PUT', '/users/ada', foreigners(0, 1, 2, 3))
  await call('PUT', '/users/O%27Neill,%20%22Jo%22', {
    Typings: [0, 1, 2].map((row) => typing(python, 80 + row))
  })
  await call('PUT', '/users/=1+1', { Typings: [3, 4, 5].map((row) => typing(python, 160 + row)) })
  const response = await call('GET', '/users/export')
  t.match(response.body, /^'=1\+1,/m, 'a spreadsheet does not run it')
  t.equal(response.headers['content-type'], 'text/csv; charset=utf-8')
  const csv = join(t.testdir({}), 'enrolled.csv')
  await writeFile(csv, response.body)
  const read = `
import sys
sys.path.insert(0, 'notebook')
from keystroke.data import read_typings, require_trainable
typings = read_typings(sys.argv[1])
require_trainable(typings)
assert sorted(typings.users) == ['=1+1'] * 3 + ['O\\'Neill, "Jo"'] * 3 + ['ada'] * 4, typings.users
row = typings.users.index('ada')
assert typings.press[row].tolist() == ${JSON.stringify(foreign(0).Press)}, typings.press[row]
assert typings.release[row].tolist() == ${JSON.stringify(foreign(0).Release)}
`
  t.equal(await run(PYTHON, ['-c', read, csv], { cwd: ROOT, env: PYTHON_ENV, stdio: ['ignore', 2, 2] }), 0)
})

t.test('enrolling takes an administrator’s key, and asking either', async (t) => {
  const [asking, admin] = [randomBytes(32).toString('hex'), randomBytes(32).toString('hex')]
  const hash = (key: string) => createHash('sha256').update(key).digest('hex')
  const models = loadModels(folder('sample'))
  const guarded = async (adminKeyHashes: string[], isAdminOpen?: boolean) => {
    const options = { models, keyHashes: { ask: [hash(asking)], administer: adminKeyHashes } }
    const app = await buildApp(isAdminOpen === undefined ? options : { ...options, isAdminOpen })
    await models
    return app
  }
  const app = await guarded([hash('old'), hash(admin)])
  t.teardown(() => app.close())
  const three = foreigners(0, 1, 2)
  refused(t, await caller(app)('PUT', '/users/ada', three), 401, /key is missing/)
  refused(t, await caller(app, 'wrong')('PUT', '/users/ada', three), 401, /is not accepted/)
  for (const [method, url] of [
    ['PUT', '/users/ada'],
    ['POST', '/users/ada/typings'],
    ['GET', '/users'],
    ['GET', '/users/1'],
    ['GET', '/users/export'],
    ['DELETE', '/users/1'],
    ['DELETE', '/users/1/pause']
  ] as const) {
    const response = await caller(app, asking)(
      method,
      url,
      method === 'PUT' || method === 'POST' ? three : undefined
    )
    refused(t, response, 403, 'this call needs an administrator’s key; this one may ask only')
  }
  t.equal((await caller(app, admin)('PUT', '/users/ada', three)).statusCode, 201)
  t.equal((await caller(app, 'old')('GET', '/users/ada')).statusCode, 200, 'as long as both are set')
  for (const key of [asking, admin]) {
    t.match((await caller(app, key)('POST', '/verify', { UserID: 'ada', ...foreigners(3) })).json(), {
      Match: true
    })
  }
  const without = await guarded([])
  refused(t, await caller(without, asking)('GET', '/users'), 403, /none is set: see ADMIN_KEY_SHA256/)
})

t.test('while the store fails users are not changed, and everything else is answered', async (t) => {
  const file = join(t.testdir({}), 'users.db')
  const models = loadModels(folder('sample'))
  const lines: string[] = []
  const app = await buildApp({
    models,
    store: new SqliteStore(file),
    logger: { level: 'warn', stream: { write: (line: string) => void lines.push(line) } }
  })
  t.teardown(() => app.close())
  await app.ready()
  while ((await app.inject('/health/ready')).statusCode !== 200)
    await new Promise((next) => setTimeout(next, 10))
  const call = caller(app)
  t.equal((await call('PUT', '/users/ada', foreigners(0, 1, 2))).statusCode, 201)
  const other = new Database(file)
  other.exec('BEGIN IMMEDIATE')
  const response = await call('PUT', '/users/bob', foreigners(3, 4, 5))
  t.equal(response.statusCode, 503)
  t.match(response.json(), {
    code: 'KS_ERR_STORE',
    message: 'enrolled users cannot be read or written right now; try again shortly'
  })
  t.equal(response.headers['retry-after'], '2')
  t.match(lines.join(''), /database is locked/)
  t.match((await call('POST', '/verify', { UserID: 'ada', ...foreigners(3) })).json(), { Match: true })
  t.match((await call('POST', '/identify', { Typings: [typing(python, 0)] })).json(), { UserID: 1 })
  other.exec('COMMIT')
  other.close()
  t.equal((await call('PUT', '/users/bob', foreigners(3, 4, 5))).statusCode, 201)
})

t.test('the log names no user, though paths do', async (t) => {
  const lines: string[] = []
  const models = loadModels(folder('sample'))
  const app = await buildApp({
    models,
    logger: { level: 'trace', stream: { write: (line: string) => void lines.push(line) } }
  })
  t.teardown(() => app.close())
  await models
  const call = caller(app)
  await call('PUT', '/users/Rumpelstiltskin', foreigners(0, 1, 2))
  await call('GET', '/users/Rumpelstiltskin')
  await call('GET', '/users?after=IlJ1bXBlbHN0aWx0c2tpbiI')
  await call('DELETE', '/users/Rumpelstiltskin')
  await call('DELETE', '/users/Rumpelstiltskin')
  t.match(lines.join(''), '"route":"/users/:UserID"')
  t.notMatch(lines.join(''), /Rumpelstiltskin|IlJ1bXBlb/)
})

t.test('with a damaged store the service starts, and says 503 of its users', async (t) => {
  const dir = t.testdir({ 'users.db': 'this was a database once, and is not any longer. '.repeat(200) })
  const app = await buildApp({
    models: loadModels(folder('sample')),
    store: new SqliteStore(join(dir, 'users.db'))
  })
  t.teardown(() => app.close())
  while ((await app.inject('/health/ready')).statusCode !== 200)
    await new Promise((next) => setTimeout(next, 10))
  const call = caller(app)
  t.equal((await call('PUT', '/users/ada', foreigners(0, 1, 2))).statusCode, 503)
  t.equal((await call('GET', '/users/export')).statusCode, 503)
  t.match((await call('POST', '/identify', { Typings: [typing(python, 0)] })).json(), { UserID: 1 })
  t.equal((await call('POST', '/verify', { UserID: 'ada', ...foreigners(3) })).statusCode, 404)
})

t.test('a damaged row hides its own user alone, and can be replaced or deleted', async (t) => {
  const file = join(t.testdir({}), 'users.db')
  const started = async (lines: string[] = []) => {
    const app = await readyApp('sample', {
      store: new SqliteStore(file),
      logger: { level: 'warn', stream: { write: (line: string) => void lines.push(line) } }
    })
    return { app, call: caller(app) }
  }
  const first = await started()
  for (const [i, name] of ['ada', 'ben', 'cleo'].entries()) {
    const Typings = [0, 1, 2].map((row) => typing(python, 80 * (i + 1) + row))
    t.equal((await first.call('PUT', `/users/${name}`, { Typings })).statusCode, 201)
  }
  await first.app.close()
  const database = new Database(file)
  const damage = database.prepare('UPDATE users SET user = ? WHERE user LIKE ?')
  t.equal(damage.run('{"UserID":"ada","typings":[{"Pre', '%"ada"%').changes, 1)
  t.equal(damage.run('{"UserID":"ben"}', '%"ben"%').changes, 1)
  database.close()

  const lines: string[] = []
  const { app, call } = await started(lines)
  t.teardown(() => app.close())
  t.equal((await call('GET', '/users/cleo')).statusCode, 200)
  t.equal(lines.filter((line) => line.includes('what is stored is damaged')).length, 2)
  t.equal((await call('GET', '/users/ada')).statusCode, 404)
  t.equal((await call('GET', '/users/export')).body.match(/^cleo/gm)?.length, 3)
  t.equal((await call('PUT', '/users/ada', foreigners(0, 1, 2))).statusCode, 201)
  t.equal((await call('GET', '/users/ada')).statusCode, 200)
  t.equal((await call('DELETE', '/users/ben')).statusCode, 204)
})

t.test('where DynamoDB refuses, enrollment is to be tried again and predictions go on', async (t) => {
  await answerAllWith(t, refuse('ThrottlingException', 'Rate exceeded'))
  const lines: string[] = []
  const app = await buildApp({
    models: loadModels(folder('sample')),
    store: new DynamoStore('users'),
    logger: { level: 'warn', stream: { write: (line: string) => void lines.push(line) } }
  })
  t.teardown(() => app.close())
  while ((await app.inject('/health/ready')).statusCode !== 200)
    await new Promise((next) => setTimeout(next, 10))
  const call = caller(app)
  const response = await call('PUT', '/users/ada', foreigners(0, 1, 2))
  t.equal(response.statusCode, 503)
  t.equal(response.headers['retry-after'], '2')
  t.notMatch(response.body, /Throttling/)
  t.match(lines.join(''), /ThrottlingException: Rate exceeded/)
  t.match((await call('POST', '/identify', { Typings: [typing(python, 0)] })).json(), { UserID: 1 })
})
