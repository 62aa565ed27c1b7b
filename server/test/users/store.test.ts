/** What every store does, and what SQLite's file does on top. */
import { spawn } from 'node:child_process'
import { copyFile, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import Database from 'libsql'
import t, { type Test } from 'tap'
import { DynamoStore } from '../../src/users/dynamodb.ts'
import { IN_MEMORY, SqliteStore } from '../../src/users/sqlite.ts'
import {
  type Claims,
  type Entry,
  keyOf,
  NO_CLAIMS,
  type Store,
  type StoredUser,
  StoreError
} from '../../src/users/store.ts'
import { answerAllWith, refuse, startDynamo, withoutMoto } from './dynamodb.ts'
import { SHARED_STORES } from './stores.ts'

const NOW = '2026-11-25T12:00:00.000Z'
const user = (UserID: string | number, press = 7_654_321): StoredUser => ({
  UserID,
  typings: [{ Press: [press, press + 90], Release: [press + 60, press + 150] }],
  createdAt: NOW,
  updatedAt: NOW
})

/** All entries from a cursor on. */
async function readAll(store: Store, cursor?: string): Promise<{ entries: Entry[]; cursor: string }> {
  const entries: Entry[] = []
  let from = cursor
  for (;;) {
    const found = await store.changes(from)
    from = found.cursor
    if (found.entries.length === 0) return { entries, cursor: from }
    entries.push(...found.entries)
  }
}

/** Each makes an empty store, and opens it as many processes would. */
const STORES: Record<string, () => Promise<() => Store>> = {
  'SQLite, a file': () => SHARED_STORES['SQLite, a file'](t),
  'SQLite, in memory': async () => {
    const store = new SqliteStore(IN_MEMORY)
    return () => store
  },
  DynamoDB: () => SHARED_STORES.DynamoDB(t)
}

if (!withoutMoto) await startDynamo(t)

for (const [name, make] of Object.entries(STORES)) {
  t.test(name, { skip: name === 'DynamoDB' && withoutMoto }, async (t) => {
    const openAll = async (t: Test, count: number) => {
      const open = await make()
      const stores = Array.from({ length: count }, open)
      t.teardown(() => Promise.all(stores.map((store) => store.close())))
      return stores
    }
    const open = async (t: Test) => (await openAll(t, 1))[0]!

    await t.test('gives what was put, and nothing of anybody else', async (t) => {
      const store = await open(t)
      t.equal(await store.get(keyOf('ana')), undefined)
      t.same(await readAll(store), { entries: [], cursor: '0' })
      const written = await store.put(keyOf('ana'), 0, user('ana'))
      t.same(written, { key: keyOf('ana'), revision: 1, user: user('ana') })
      t.same(await store.get(keyOf('ana')), written)
      t.equal(await store.get(keyOf('Ana')), undefined)
    })

    await t.test('adds up the calls of each caller and minute, of all processes', async (t) => {
      const [one, other] = (await openAll(t, 2)) as [Store, Store]
      const minute = Math.floor(Date.now() / 60_000)
      t.equal(await one.addCalls('ana', minute, 60), 60)
      t.equal(await other.addCalls('ana', minute, 7), 67)
      t.equal(await one.addCalls('ben', minute, 1), 1)
      t.equal(await one.addCalls('ana', minute + 1, 2), 2)
      t.equal(await other.addCalls('ana', minute, 3), 70, 'of the minute before, where clocks differ')
      const add = () => one.addCalls('cleo', minute, 10)
      const counts: number[] = []
      // DynamoDB's ADD is atomic; that of moto, which answers each request in a thread of its own, is not.
      if (name === 'DynamoDB') for (let i = 0; i < 4; i++) counts.push(await add())
      else counts.push(...(await Promise.all([add(), add(), add(), add()])))
      t.same(
        counts.sort((a, b) => a - b),
        [10, 20, 30, 40]
      )
    })

    await t.test('tells the number 1 from the text "1", and keeps text of all alphabets', async (t) => {
      const store = await open(t)
      for (const id of [1, '1', 'Zoë', '李雷', '🦆', "o'neill; --"]) {
        t.ok(await store.put(keyOf(id), 0, user(id)))
      }
      t.equal((await store.get(keyOf(1)))!.user!.UserID, 1)
      t.equal((await store.get(keyOf('1')))!.user!.UserID, '1')
      const found = []
      for await (const { UserID } of store.users()) found.push(UserID)
      t.same(new Set(found), new Set([1, '1', 'Zoë', '李雷', '🦆', "o'neill; --"]))
    })

    await t.test('writes only over the revision that the writer has read', async (t) => {
      const store = await open(t)
      await store.put(keyOf('ana'), 0, user('ana'))
      t.equal(await store.put(keyOf('ana'), 0, user('ana', 1)), undefined, 'another was first')
      t.equal(await store.put(keyOf('ana'), 2, user('ana', 1)), undefined, 'a revision that is not there')
      t.equal(await store.put(keyOf('bob'), 1), undefined, 'nobody to be deleted')
      t.same((await store.get(keyOf('ana')))!.user, user('ana'))
      t.match(await store.put(keyOf('ana'), 1, user('ana', 1)), { revision: 2, user: user('ana', 1) })
    })

    await t.test('deletes, remembers that somebody was, and enrolls them again', async (t) => {
      const store = await open(t)
      await store.put(keyOf('ana'), 0, user('ana'))
      t.same(await store.put(keyOf('ana'), 1), { key: keyOf('ana'), revision: 2 })
      t.same(await store.get(keyOf('ana')), { key: keyOf('ana'), revision: 2 })
      for await (const left of store.users()) t.fail(`${left.UserID} is left`)
      t.match(await store.put(keyOf('ana'), 2, user('ana')), { revision: 3 })
    })

    await t.test('tells what changed since, once, the newest of each', async (t) => {
      const store = await open(t)
      for (let i = 0; i < 250; i++) await store.put(keyOf(i), 0, user(i))
      const first = await readAll(store)
      t.equal(first.entries.length, 250)
      t.same((await readAll(store, first.cursor)).entries, [])
      await store.put(keyOf(3), 1, user(3, 5))
      await store.put(keyOf(9), 1)
      await store.put(keyOf(3), 2, user(3, 6))
      const next = await readAll(store, first.cursor)
      t.same(new Set(next.entries.map(({ key }) => key)), new Set([keyOf(3), keyOf(9)]))
      t.match(
        next.entries.find(({ key }) => key === keyOf(3)),
        { revision: 3, user: user(3, 6) }
      )
      t.same(
        next.entries.find(({ key }) => key === keyOf(9)),
        { key: keyOf(9), revision: 2 }
      )
      let users = 0
      for await (const _ of store.users()) users++
      t.equal(users, 249)
    })

    await t.test(
      'keeps claims, written only over the revision that was read, until they expire',
      async (t) => {
        const store = await open(t)
        const soon = Math.floor(Date.now() / 1000) + 60
        const claims = (failures: number): Claims => ({
          failures,
          at: 1_795_000_000_000,
          wrong: [{ at: 4, typings: ['3b1mV9pQx2A'] }],
          accepted: [{ at: 5, typings: [user('ana').typings[0]!] }],
          fingerprints: ['aW9kLm2_Zt-']
        })
        t.equal(await store.readClaims(keyOf('ana')), undefined)
        t.equal(await store.writeClaims(keyOf('ana'), 0, claims(1), soon), true)
        t.equal(await store.writeClaims(keyOf('ana'), 0, claims(9), soon), false, 'another was first')
        t.equal(await store.writeClaims(keyOf('ana'), 2, claims(9), soon), false)
        t.same(await store.readClaims(keyOf('ana')), { revision: 1, user: 0, claims: claims(1) })
        t.equal(await store.readClaims(keyOf('bob')), undefined)
        t.equal(await store.writeClaims(keyOf('ana'), 1, claims(2), soon), true)
        t.match(await store.readClaims(keyOf('ana')), { revision: 2, claims: { failures: 2 } })
        t.same(await readAll(store), { entries: [], cursor: '0' }, 'and do not count as users')

        t.equal(await store.writeClaims(keyOf('ana'), 2, claims(3), soon - 61), true)
        t.equal(await store.readClaims(keyOf('ana')), undefined, 'expired')
        t.equal(await store.writeClaims(keyOf('ana'), 0, claims(4), soon), true)
        t.match(await store.readClaims(keyOf('ana')), { revision: 1, claims: { failures: 4 } })
      }
    )

    await t.test('deletes claims with the user, and takes none that were read before', async (t) => {
      const store = await open(t)
      const late = 4_000_000_000
      const claims = (failures: number): Claims => ({ ...NO_CLAIMS, failures, at: 1 })
      await store.put(keyOf('ana'), 0, user('ana'))
      await store.writeClaims(keyOf('ana'), 0, claims(1), late)
      await store.writeClaims(keyOf('bob'), 0, claims(2), late)
      await store.put(keyOf('ana'), 1, user('ana', 3))
      t.match(await store.readClaims(keyOf('ana')), { revision: 1, user: 0 }, 'not when they change')
      await store.put(keyOf('ana'), 2)
      t.same(await store.readClaims(keyOf('ana')), { revision: 2, user: 3, claims: NO_CLAIMS })
      t.equal(await store.writeClaims(keyOf('ana'), 1, claims(9), late), false)
      t.equal(await store.writeClaims(keyOf('ana'), 2, claims(3), late), true)
      t.match(await store.readClaims(keyOf('ana')), { revision: 3, user: 3, claims: { failures: 3 } })
      t.match(await store.readClaims(keyOf('bob')), { claims: { failures: 2 } })

      await store.put(keyOf('cleo'), 0)
      t.match(await store.readClaims(keyOf('cleo')), { revision: 1, user: 1 }, 'a trained user')
    })

    await t.test('writers at the same time lose nothing, and readers see it all', async (t) => {
      const stores = (await openAll(t, 3)) as [Store, Store, Store]
      const seen = new Map<string, number>()
      let cursor: string | undefined
      const look = async () => {
        const found = await readAll(stores[2], cursor)
        cursor = found.cursor
        for (const { key, revision } of found.entries) seen.set(key, revision)
      }
      const users = Array.from({ length: 10 }, (_, i) => i)
      const writes = [users, users.toReversed()].flatMap((mine, i) =>
        mine.map(async (id) => (await stores[i]!.put(keyOf(id), 0, user(id, i))) !== undefined)
      )
      let isDone = false
      const written = Promise.all(writes).finally(() => {
        isDone = true
      })
      while (!isDone) await Promise.all([look(), setTimeout(1)])
      t.equal((await written).filter(Boolean).length, 10, 'one of two is the first')
      await look()
      t.same(seen, new Map(users.map((id) => [keyOf(id), 1])))
      t.equal(cursor, '10', 'no two changes have the same number')
    })
  })
}

t.test('SQLite: after the end, and soon after a write, the file alone has it all', async (t) => {
  const dir = t.testdir({})
  const file = join(dir, 'users.db')
  const copied = async (name: string): Promise<unknown> => {
    await copyFile(file, join(dir, name))
    const copy = new SqliteStore(join(dir, name))
    t.teardown(() => copy.close())
    return copy.get(keyOf('ana'))
  }
  const store = new SqliteStore(file)
  await store.put(keyOf('ana'), 0, user('ana'))
  // As each process does every few seconds.
  await store.changes()
  t.match(await copied('soon.db'), { user: { UserID: 'ana' } })
  await store.put(keyOf('ana'), 1, user('ana', 9))
  await store.writeClaims(keyOf('ana'), 0, { ...NO_CLAIMS, failures: 1 }, 4_000_000_000)
  await store.close()
  t.match(await copied('end.db'), { revision: 2 })
})

t.test('SQLite: while another process writes, a call waits beside the event loop', async (t) => {
  const file = join(t.testdir({}), 'users.db')
  const store = new SqliteStore(file)
  t.teardown(() => store.close())
  await store.put(keyOf('ana'), 0, user('ana'))
  const other = new Database(file)
  t.teardown(() => other.close())
  other.exec('BEGIN IMMEDIATE')
  let isWritten = false
  const claim = store.writeClaims(keyOf('ana'), 0, NO_CLAIMS, 4_000_000_000).then((written) => {
    isWritten = written
  })
  await setTimeout(50)
  t.equal(isWritten, false, 'the timer came first')
  t.match(await store.get(keyOf('ana')), { revision: 1 }, 'reads do not wait')
  other.exec('COMMIT')
  await claim
  t.equal(isWritten, true)
})

const DYNAMO_FAULTS: [name: string, answer: (response: ServerResponse) => void, said: RegExp][] = [
  ['throttling', refuse('ThrottlingException', 'Rate exceeded'), /ThrottlingException: Rate exceeded/],
  ['expired credentials', refuse('ExpiredTokenException', 'The token is expired'), /ExpiredTokenException/],
  ['a table that is not there', refuse('ResourceNotFoundException', 'not found'), /ResourceNotFound/],
  ['no answer', () => {}, /TimeoutError/]
]
for (const [name, answer, said] of DYNAMO_FAULTS) {
  t.test(`DynamoDB: ${name} is an error that says why, within seconds`, async (t) => {
    await answerAllWith(t, answer)
    const store = new DynamoStore('users')
    t.teardown(() => store.close())
    const started = Date.now()
    await t.rejects(store.get(keyOf('ana')), { name: 'StoreError', message: said })
    t.ok(Date.now() - started < 10_000)
    await t.rejects(store.put(keyOf('ana'), 0, user('ana')), StoreError)
    await t.rejects(store.changes(), StoreError)
    await t.rejects(store.users().next(), StoreError)
    await t.rejects(store.readClaims(keyOf('ana')), StoreError)
  })
}

t.test('DynamoDB: writes do not wait long behind others that fail', async (t) => {
  await answerAllWith(t, () => {})
  const store = new DynamoStore('users')
  t.teardown(() => store.close())
  const started = Date.now()
  // One after another they would take half a minute.
  await Promise.all([1, 2, 3, 4, 5, 6].map((id) => t.rejects(store.put(keyOf(id), 0, user(id)), StoreError)))
  t.ok(Date.now() - started < 15_000, `${Date.now() - started} ms`)
})

const path = (t: Test) => join(t.testdir({}), 'deep', 'down', 'users.db')

t.test('the file is made with the first user, and is its owner’s alone', async (t) => {
  const file = path(t)
  const store = new SqliteStore(file)
  t.teardown(() => store.close())
  await store.get(keyOf('ana'))
  await store.changes()
  await t.rejects(stat(file), { code: 'ENOENT' })
  await store.put(keyOf('ana'), 0, user('ana'))
  for (const name of await readdir(join(file, '..'))) {
    t.equal((await stat(join(file, '..', name))).mode & 0o777, 0o600, name)
  }
  t.equal((await stat(join(file, '..'))).mode & 0o777, 0o700)
})

t.test('what one process writes another reads, and nothing is written twice', async (t) => {
  const file = path(t)
  const [one, other] = [new SqliteStore(file), new SqliteStore(file)]
  t.teardown(() => Promise.all([one.close(), other.close()]))
  await one.put(keyOf('ana'), 0, user('ana'))
  t.match(await other.get(keyOf('ana')), { revision: 1 })
  const { cursor } = await readAll(one)
  t.ok(await other.put(keyOf('ana'), 1, user('ana', 2)))
  t.equal(await one.put(keyOf('ana'), 1, user('ana', 3)), undefined)
  t.match((await readAll(one, cursor)).entries, [{ revision: 2, user: user('ana', 2) }])
})

t.test('of a deleted user neither name nor times are left in the file or its log', async (t) => {
  const file = path(t)
  const store = new SqliteStore(file)
  t.teardown(() => store.close())
  const secret = user('Rumpelstiltskin')
  await store.put(keyOf('somebody else'), 0, user('somebody else', 11))
  await store.put(keyOf(secret.UserID), 0, secret)
  const contents = async () => {
    const folder = join(file, '..')
    const files = await Promise.all((await readdir(folder)).map((name) => readFile(join(folder, name))))
    return Buffer.concat(files).toString('latin1')
  }
  t.match(await contents(), 'Rumpelstiltskin')
  t.match(await contents(), '7654321')
  await store.put(keyOf(secret.UserID), 1)
  t.notMatch(await contents(), 'Rumpelstiltskin')
  t.notMatch(await contents(), '7654321')
  t.match(await contents(), 'somebody else')
})

t.test('a locked file, a damaged one and a folder that cannot be made are errors, and pass', async (t) => {
  const file = path(t)
  const store = new SqliteStore(file)
  t.teardown(() => store.close())
  await store.put(keyOf('ana'), 0, user('ana'))
  const other = new Database(file)
  other.exec('BEGIN IMMEDIATE')
  await t.rejects(store.put(keyOf('bob'), 0, user('bob')), StoreError)
  t.match(await store.get(keyOf('ana')), { revision: 1 }, 'readers do not wait for a writer')
  other.exec('COMMIT')
  other.close()
  t.ok(await store.put(keyOf('bob'), 0, user('bob')))

  const damaged = join(
    t.testdir({ 'users.db': 'not a database, though long enough to be taken for one'.repeat(99) }),
    'users.db'
  )
  const broken = new SqliteStore(damaged)
  await t.rejects(broken.get(keyOf('ana')), StoreError)
  await t.rejects(broken.put(keyOf('ana'), 0, user('ana')), StoreError)
  t.match(await readFile(damaged, 'utf8'), /^not a database/, 'is left as it is')

  await writeFile(join(t.testdir({}), 'file'), '')
  const below = new SqliteStore(join(t.testdirName, 'file', 'users.db'))
  await t.rejects(below.put(keyOf('ana'), 0, user('ana')), StoreError)
})

t.test('a full disk refuses a user whole, and what was there stays', async (t) => {
  const file = path(t)
  const script = `
    import { SqliteStore } from './server/src/users/sqlite.ts'
    const store = new SqliteStore(process.argv[1])
    const typings = [{ Press: Array(500).fill(123456), Release: Array(500).fill(123456) }]
    let written = 0
    try {
      for (let i = 0; i < 1000; i++) {
        await store.put('key' + i, 0, { UserID: i, typings, createdAt: '', updatedAt: '' })
        written++
      }
    } catch (error) {
      console.log(JSON.stringify({ written, name: error.name, message: error.message }))
    }
  `
  // No file may be longer than 400 blocks: what a disk says when it is full.
  const child = spawn(
    'bash',
    [
      '-c',
      `trap '' XFSZ; ulimit -f 400; exec "$0" --import tsx --input-type=module -e "$1" "$2"`,
      process.execPath,
      script,
      file
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] }
  )
  let said = ''
  for await (const chunk of child.stdout) said += chunk
  const { written, name, message } = JSON.parse(said)
  t.equal(name, 'StoreError')
  t.match(message, /disk/, 'says why')
  t.ok(written > 10, `${written} were written`)
  const store = new SqliteStore(file)
  t.teardown(() => store.close())
  const { entries } = await readAll(store)
  t.equal(entries.length, written)
  t.equal(new Set(entries.map(({ key }) => key)).size, written)
})
