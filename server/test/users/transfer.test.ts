/** Users from one store into another, as `npm run users` does it. */
import { spawnSync } from 'node:child_process'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { nodeTool, ROOT } from '../../../scripts/lib/processes.ts'
import type { UserID } from '../../src/schemas/common.ts'
import { toCsv } from '../../src/users/export.ts'
import { SqliteStore } from '../../src/users/sqlite.ts'
import { keyOf, type Store, type StoredUser } from '../../src/users/store.ts'
import { folder, oracle, typing } from '../fixtures.ts'
import { createTable, startDynamo, withoutMoto } from './dynamodb.ts'

const python = oracle('sample')
const NOW = '2026-11-28T12:00:00.000Z'
const NAMES: UserID[] = ['ada', '=1+1', 'O\'Neill, "Jo"', 4711]
const userOf = (UserID: UserID, i: number): StoredUser => ({
  UserID,
  typings: [0, 1, 2].map((row) => typing(python, 8 * i + row)),
  createdAt: NOW,
  updatedAt: NOW
})

function run(args: string[], env: NodeJS.ProcessEnv) {
  const { PATH } = process.env
  const { status, stdout, stderr } = spawnSync(nodeTool('tsx'), ['scripts/users.ts', ...args], {
    cwd: ROOT,
    encoding: 'utf8',
    env: { PATH, MODELS_DIR: folder('sample'), ...env }
  })
  return { status, said: stdout + stderr }
}

async function fill(path: string): Promise<void> {
  const store = new SqliteStore(path)
  for (const [i, name] of NAMES.entries()) await store.put(keyOf(name), 0, userOf(name, i))
  await store.close()
}

async function check(t: Test, store: Store): Promise<void> {
  for (const [i, name] of NAMES.entries()) {
    const { typings } = userOf(name, i)
    t.match((await store.get(keyOf(name)))?.user, { UserID: name, typings }, `${name}`)
  }
  await store.close()
}

t.test('what is exported is imported into another store, as it was', async (t) => {
  const dir = t.testdir({})
  const at = (name: string) => join(dir, name)
  await fill(at('one.db'))
  const exported = run(['export', at('users.csv')], { USERS_DB: at('one.db') })
  t.same(exported, { status: 0, said: `4 users of ${at('one.db')} are in ${at('users.csv')}.\n` })
  t.equal(statSync(at('users.csv')).mode & 0o777, 0o600)

  const imported = run(['import', at('users.csv')], { USERS_DB: at('other.db') })
  t.same(imported, { status: 0, said: `4 users with 12 typings are enrolled in ${at('other.db')}.\n` })
  await check(t, new SqliteStore(at('other.db')))
  const again = run(['import', at('users.csv')], { USERS_DB: at('other.db') })
  t.match(again.said, '4 were there before and are left as they are.')

  t.match(run(['export', at('users.csv')], { USERS_DB: at('one.db') }), { status: 1, said: /EEXIST/ })
  await t.test('of DynamoDB', { skip: withoutMoto }, async (t) => {
    await startDynamo(t)
    const aws = Object.fromEntries(Object.entries(process.env).filter(([name]) => name.startsWith('AWS_')))
    const USERS_TABLE = await createTable()
    t.match(run(['import', at('users.csv')], { ...aws, USERS_TABLE }), { status: 0 })
    t.match(run(['export', at('back.csv')], { ...aws, USERS_TABLE }), { status: 0 })
    t.match(run(['import', at('back.csv')], { USERS_DB: at('third.db') }), { status: 0 })
    await check(t, new SqliteStore(at('third.db')))
    t.match(run(['backup', at('table.db')], { ...aws, USERS_TABLE }), {
      status: 1,
      said: /backups of its own/
    })
  })
})

t.test('a backup is whole, its owner’s alone, and replaces nothing', async (t) => {
  const dir = t.testdir({})
  const at = (name: string) => join(dir, name)
  await fill(at('users.db'))
  // While a process has it open.
  const open = new SqliteStore(at('users.db'))
  t.teardown(() => open.close())
  await open.put(keyOf('late'), 0, userOf('late', 9))
  t.match(run(['backup', at('copy.db')], { USERS_DB: at('users.db') }), { status: 0 })
  t.equal(statSync(at('copy.db')).mode & 0o777, 0o600)
  const copy = new SqliteStore(at('copy.db'))
  t.match((await copy.get(keyOf('late')))?.user, { UserID: 'late' })
  await check(t, copy)
  t.match(run(['backup', at('copy.db')], { USERS_DB: at('users.db') }), {
    status: 1,
    said: /is there already/
  })
  t.match(run(['backup', at('x.db')], { USERS_DB: at('none.db') }), {
    status: 1,
    said: /there is no such file/
  })
})

t.test('a fault in the file changes nothing', async (t) => {
  const dir = t.testdir({})
  const at = (name: string) => join(dir, name)
  await fill(at('one.db'))
  run(['export', at('good.csv')], { USERS_DB: at('one.db') })
  const lines = readFileSync(at('good.csv'), 'utf8').trimEnd().split('\n')
  const ada = lines.find((line) => line.startsWith('ada,'))!
  const faults: [lines: string[], said: RegExp][] = [
    [[...lines, 'eve,1,2'], /line 14: .*missing/],
    [[...lines, ada], /user "ada": typing 4 is a copy of typing 1/],
    [[...lines, ada.replace('ada', '007')], /line 14: .*is "007"/],
    [['name,time'], /column 1 should be/]
  ]
  for (const [content, said] of faults) {
    writeFileSync(at('bad.csv'), content.join('\n'))
    t.match(run(['import', at('bad.csv')], { USERS_DB: at('new.db') }), { status: 1, said })
  }
  t.match(run(['import', at('none.csv')], { USERS_DB: at('new.db') }), {
    status: 1,
    said: /there is no such file/
  })
  t.throws(() => statSync(at('new.db')))
  for (const args of [[], ['export'], ['list', 'x'], ['export', 'x', 'y']]) {
    t.same(run(args, {}), { status: 2, said: 'Usage: npm run users -- backup|export|import FILE\n' })
  }
})

t.test('an export leaves the event loop a turn for each user', async (t) => {
  async function* users() {
    for (let i = 0; i < 50; i++) yield userOf(i, i)
  }
  let turns = 0
  let isDone = false
  const count = () => {
    turns++
    if (!isDone) setImmediate(count)
  }
  setImmediate(count)
  for await (const piece of toCsv(users(), 13)) t.ok(piece.length < 2_000)
  isDone = true
  t.ok(turns >= 50, `${turns} turns`)
})
