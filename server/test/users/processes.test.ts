/** Several processes on one store, and one that is killed while it writes. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { ROOT } from '../../../scripts/lib/processes.ts'
import type { Typing } from '../../src/schemas/typing.ts'
import { folder, oracle, typing } from '../fixtures.ts'
import { createTable, startDynamo, withoutMoto } from './dynamodb.ts'

const python = oracle('sample')

interface Server {
  child: ChildProcess
  url: string
}

/** Start the process that production runs, on a store. */
async function start(t: Test, store: NodeJS.ProcessEnv): Promise<Server> {
  const child = spawn(process.execPath, ['--import', 'tsx', 'server/src/main.ts'], {
    cwd: ROOT,
    env: {
      PATH: process.env.PATH ?? '',
      HOST: '127.0.0.1',
      PORT: '0',
      MODELS_DIR: folder('sample'),
      ...store
    },
    stdio: ['ignore', 'pipe', 'inherit']
  })
  t.teardown(() => child.kill('SIGKILL'))
  let out = ''
  while (!out.includes('"msg":"ready"')) {
    const [chunk] = await once(child.stdout!, 'data')
    out += chunk
  }
  child.stdout!.resume()
  return { child, url: /listening at (http:\S+)"/.exec(out)![1]! }
}

async function call(url: string, method: string, path: string, body?: object): Promise<[number, string]> {
  const response = await fetch(url + path, {
    method,
    ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } })
  })
  return [response.status, await response.text()]
}

/** Three typings, so much slower than a user of the sample that they are another's. */
const typings = (number: number): { Typings: Typing[] } => ({
  Typings: [0, 1, 2].map((row) => {
    const { Press, Release } = typing(python, 8 * (number % 100) + row)
    const slower = (time: number) => Math.round(time * 1.3) + (number >> 7)
    return { Press: Press.map(slower), Release: Release.map(slower) }
  })
})

async function seeEachOthers(t: Test, store: NodeJS.ProcessEnv): Promise<void> {
  const [one, other] = await Promise.all([start(t, store), start(t, store)])
  t.equal((await call(one.url, 'PUT', '/users/ada', typings(1)))[0], 201)
  const asked = { UserID: 'ada', Typings: typings(1).Typings.slice(0, 1) }
  const [status, answer] = await call(other.url, 'POST', '/verify', asked)
  t.equal(status, 200, 'at once')
  t.match(JSON.parse(answer), { UserID: 'ada', Match: true })

  t.equal((await call(other.url, 'DELETE', '/users/ada'))[0], 204)
  t.equal((await call(one.url, 'DELETE', '/users/2'))[0], 204)
  const started = Date.now()
  const forgotten = async (url: string, body: object) => (await call(url, 'POST', '/verify', body))[0] === 404
  while (!(await forgotten(one.url, asked)) || !(await forgotten(other.url, { ...asked, UserID: 2 }))) {
    if (Date.now() - started > 10_000) throw new Error('not forgotten within 10 s')
    await sleep(200)
  }
  t.equal((await call(one.url, 'GET', '/users/ada'))[0], 404)
}

t.test('two processes on one file see each other’s users', async (t) => {
  await seeEachOthers(t, { USERS_DB: join(t.testdir({}), 'users.db') })
})

t.test('two processes on one table see each other’s users', { skip: withoutMoto }, async (t) => {
  await startDynamo(t)
  const aws = Object.entries(process.env).filter(([name]) => name.startsWith('AWS_'))
  await seeEachOthers(t, { ...Object.fromEntries(aws), USERS_TABLE: await createTable() })
})

t.test('a process killed while it enrolls has lost nobody whom it acknowledged, ten times', async (t) => {
  const database = join(t.testdir({}), 'users.db')
  const acknowledged = new Set<string>()
  let number = 0
  let killed = 0
  for (let round = 0; round < 10; round++) {
    const { child, url } = await start(t, { USERS_DB: database })
    for (const name of acknowledged) {
      const [status, answer] = await call(url, 'GET', `/users/${name}`)
      if (status !== 200) return t.fail(`${name} was acknowledged, and round ${round} answers ${answer}`)
    }
    let isAlive = true
    const last = number + 1000
    const enroll = async () => {
      while (isAlive && number < last) {
        const own = number++
        const found = await call(url, 'PUT', `/users/user-${own}`, typings(own)).catch(() => undefined)
        if (found?.[0] === 201) acknowledged.add(`user-${own}`)
        else if (found) return t.fail(`answered ${found}`)
      }
    }
    const clients = Array.from({ length: 4 }, enroll)
    await sleep(100 + 40 * round)
    isAlive = false
    child.kill('SIGKILL')
    await Promise.all([once(child, 'close'), ...clients])
    if (number < last) killed++
  }
  t.equal(killed, 10, 'each was killed before it was through')
  t.ok(acknowledged.size > 50, `${acknowledged.size} users were acknowledged`)
  const { url } = await start(t, { USERS_DB: database })
  for (const name of acknowledged) t.equal((await call(url, 'GET', `/users/${name}`))[0], 200, name)
})
