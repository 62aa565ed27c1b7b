/** Limits of calls by key and by address, alone and with other processes. */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import Database from 'libsql'
import t, { type Test } from 'tap'
import { within } from '../../../scripts/lib/wait.ts'
import type { AppOptions } from '../../src/app.ts'
import { SqliteStore } from '../../src/users/sqlite.ts'
import { readyApp } from '../fixtures.ts'
import { startDynamo, withoutMoto } from '../users/dynamodb.ts'
import { SHARED_STORES } from '../users/stores.ts'

const hash = (key: string) => createHash('sha256').update(key).digest('hex')
const keys = { keyHashes: { ask: [hash('one'), hash('other')], administer: [hash('admin')] } }

async function open(t: Test, options: Partial<AppOptions>) {
  const app = await readyApp('sample', options)
  t.teardown(() => app.close())
  /** @returns the statuses of so many calls */
  const ask = async (times: number, headers: Record<string, string> = {}, remoteAddress = '192.0.2.1') => {
    const statuses: number[] = []
    for (let i = 0; i < times; i++) {
      statuses.push((await app.inject({ url: '/models', headers, remoteAddress })).statusCode)
    }
    return statuses
  }
  return { app, ask }
}

/** At a time that the test sets: else a minute could end within it. */
function holdClock(t: Test) {
  let now = 60_000 * Math.floor(Date.now() / 60_000) + 20_000
  t.intercept(Date, 'now', { value: () => now })
  return {
    pass: (ms: number) => {
      now += ms
    }
  }
}

t.test('a key makes so many calls a minute, from any address, and others as many', async (t) => {
  const clock = holdClock(t)
  const { app, ask } = await open(t, { ...keys, callsPerMinute: 3 })
  const one = { 'x-api-key': 'one' }
  t.same(await ask(3, one), [200, 200, 200])
  const response = await app.inject({ url: '/models', headers: { authorization: 'Bearer one' } })
  t.same(response.json(), {
    statusCode: 429,
    code: 'KS_ERR_CALLS_LIMITED',
    error: 'Too Many Requests',
    message:
      'more than 3 calls in a minute by one key, or from one address without a key; the next is answered in 40 s',
    requestID: response.headers['x-request-id']
  })
  t.equal(response.headers['retry-after'], '40')
  t.same(await ask(1, one, '192.0.2.9'), [429], 'another address does not help')
  t.same(await ask(1, { 'x-api-key': 'other' }), [200], 'another key is another caller')
  t.same(await ask(1, { 'x-api-key': 'admin' }), [200])
  clock.pass(39_999)
  t.same(await ask(1, one), [429])
  clock.pass(1)
  t.same(await ask(4, one), [200, 200, 200, 429])
})

t.test('calls without a valid key are limited by address, an IPv6 network of 64 bits as one', async (t) => {
  holdClock(t)
  const { app, ask } = await open(t, { ...keys, callsPerMinute: 3 })
  t.same(await ask(2), [401, 401])
  t.same(await ask(3, { 'x-api-key': 'guess' }), [401, 429, 429])
  t.same(await ask(1, { 'x-api-key': 'guess' }, '192.0.2.2'), [401])
  t.same(await ask(1, { 'x-api-key': 'one' }), [200], 'a good key is not held up by others at its address')
  t.same(await ask(3, {}, '2001:db8:1:1::1'), [401, 401, 401])
  t.same(await ask(1, {}, '2001:db8:1:1:ffff::2'), [429])
  t.same(await ask(1, {}, '2001:db8:1:2::1'), [401])
  for (const url of ['/health/live', '/health/ready', '/']) {
    t.equal((await app.inject({ url, remoteAddress: '192.0.2.1' })).statusCode, 200, `${url} always answers`)
  }
})

t.test('without a limit any number is answered', async (t) => {
  const { ask } = await open(t, keys)
  t.same(new Set(await ask(100, { 'x-api-key': 'one' })), new Set([200]))
})

t.test('X-Forwarded-For counts as far as proxies are trusted', async (t) => {
  holdClock(t)
  const from = (addresses: string) => ({ 'x-forwarded-for': addresses })
  await t.test('none is', async (t) => {
    const { ask } = await open(t, { callsPerMinute: 1 })
    t.same(await ask(1, from('198.51.100.1')), [200])
    t.same(await ask(1, from('198.51.100.2')), [429], 'what a client writes there changes nothing')
  })
  await t.test('one is', async (t) => {
    const { ask } = await open(t, { callsPerMinute: 1, trustedProxies: 1 })
    t.same(await ask(1, from('198.51.100.1')), [200])
    t.same(await ask(1, from('198.51.100.2')), [200])
    t.same(
      await ask(1, from('203.0.113.5, 198.51.100.1')),
      [429],
      'the last one is the proxy’s, others the client’s'
    )
  })
})

t.test('processes that share a store count together', { skip: withoutMoto }, async (t) => {
  await startDynamo(t)
  for (const [name, make] of Object.entries(SHARED_STORES)) {
    await t.test(name, async (t) => {
      holdClock(t)
      const store = await make(t)
      const options = { ...keys, callsPerMinute: 150 }
      const [one, other] = [
        await open(t, { ...options, store: store() }),
        await open(t, { ...options, store: store() })
      ]
      const key = { 'x-api-key': 'one' }
      // Together fewer than the limit, so that it does not matter when they tell each other.
      for (const each of [one, other]) t.same(new Set(await each.ask(70, key)), new Set([200]))
      for (const each of [other, one]) {
        let status: number | undefined
        // Fewer calls than would reach the limit of one process.
        for (let tries = 0; tries < 20 && status !== 429; tries++) {
          await setTimeout(500)
          status = (await each.ask(1, key))[0]
        }
        t.equal(status, 429)
      }
      t.same(await one.ask(1, { 'x-api-key': 'other' }), [200])
    })
  }
})

t.test('while the store fails each process counts alone, and reports it once', async (t) => {
  holdClock(t)
  const lines: string[] = []
  const file = join(t.testdir({}), 'users.db')
  const { app, ask } = await open(t, {
    ...keys,
    callsPerMinute: 100,
    store: new SqliteStore(file),
    logger: { level: 'info', stream: { write: (line: string) => void lines.push(line) } }
  })
  const removed = await app.inject({ method: 'DELETE', url: '/users/3', headers: { 'x-api-key': 'admin' } })
  t.equal(removed.statusCode, 204, 'so that there is a file')
  const blocking = new Database(file)
  blocking.exec('BEGIN IMMEDIATE')
  const said = (text: string) => lines.filter((line) => line.includes(text)).length
  t.same(new Set(await ask(70, { 'x-api-key': 'one' })), new Set([200]))
  t.ok(await within(10_000, async () => said('calls are counted by this process alone') > 0))
  await setTimeout(2_500)
  t.same((await ask(31, { 'x-api-key': 'one' })).slice(-2), [200, 429])
  blocking.exec('COMMIT')
  blocking.close()
  t.ok(await within(10_000, async () => said('together with other processes again') > 0))
  t.equal(said('calls are counted by this process alone'), 1)
})
