import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout } from 'node:timers/promises'
import { type Test, test } from 'tap'
import { within } from '../../../scripts/lib/wait.ts'
import type { AppOptions } from '../../src/app.ts'
import { LIMITS, type Limits } from '../../src/http/limits.ts'
import { IN_MEMORY, SqliteStore } from '../../src/users/sqlite.ts'
import type { StoredUser } from '../../src/users/store.ts'
import { csv, REQUEST, readyApp } from '../fixtures.ts'

/** ms; longer than anything here takes on a slow machine. */
const PATIENCE = 60_000

const BATCH = JSON.stringify(Array(1000).fill(REQUEST))
const SMALL = JSON.stringify(REQUEST)

async function listen(t: Test, limits: Partial<Limits>, options: Partial<AppOptions> = {}): Promise<string> {
  const app = await readyApp('sample', { ...options, limits: { ...LIMITS, ...limits } })
  t.teardown(() => app.close())
  await app.listen({ host: '127.0.0.1', port: 0 })
  return `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`
}

interface Answer {
  status: number
  retryAfter: string | undefined
  body: string
}

/** Ask over a connection of its own. */
async function post(url: string, body: string, type = 'application/json'): Promise<Answer> {
  const outgoing = request(url, { method: 'POST', agent: false, headers: { 'content-type': type } })
  // A connection whose body is not read is closed.
  outgoing.on('error', () => {})
  outgoing.end(body)
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
  const answer = await text(incoming)
  return { status: incoming.statusCode!, retryAfter: incoming.headers['retry-after'], body: answer }
}

/** A request whose body is begun and not ended. */
function begin(url: string, length: number, start: string, type = 'application/json') {
  const outgoing = request(url, {
    method: 'POST',
    agent: false,
    headers: { 'content-type': type, 'content-length': length }
  })
  outgoing.write(start)
  return outgoing
}

const checkRefused = (t: Test, { status, retryAfter, body }: Answer) => {
  t.equal(status, 503)
  t.equal(retryAfter, '1')
  t.match(JSON.parse(body), { code: 'KS_ERR_OVERLOADED', statusCode: 503, requestID: String })
}

test('of many batches at once some are refused, the others answered, and small requests with them', async (t) => {
  const url = await listen(t, { lookTime: PATIENCE, wait: 400 })
  const batches = Array.from({ length: 12 }, () => post(`${url}/predict/batch`, BATCH))
  const small = Array.from({ length: 12 }, () => post(`${url}/predict`, SMALL))
  const answers = await Promise.all(batches)
  const answered = answers.filter(({ status }) => status === 200)
  t.ok(answered.length > 0, `${answered.length} are answered`)
  for (const { body } of answered) t.equal(JSON.parse(body).length, 1000)
  const refused = answers.filter(({ status }) => status !== 200)
  t.ok(refused.length > 0, `${refused.length} are refused`)
  for (const answer of refused) checkRefused(t, answer)
  for (const { status } of await Promise.all(small)) t.equal(status, 200)
  t.equal((await post(`${url}/predict/batch`, BATCH)).status, 200, 'and afterwards one is answered again')
})

test('what is begun waits its turn, in the order it came, and all of it is answered', async (t) => {
  const url = await listen(t, {})
  const answers = await Promise.all(Array.from({ length: 500 }, () => post(`${url}/predict`, SMALL)))
  t.same(
    answers.filter(({ status }) => status !== 200),
    []
  )
})

test('bodies that are held are limited in all', async (t) => {
  const url = await listen(t, { bytes: 1_000 })
  const held = begin(`${url}/predict`, 900, SMALL.slice(0, 10))
  t.ok(await within(PATIENCE, async () => (await post(`${url}/predict`, SMALL)).status === 503, 20))
  checkRefused(t, await post(`${url}/predict`, SMALL))
  held.on('error', () => {}).destroy()
  t.ok(await within(PATIENCE, async () => (await post(`${url}/predict`, SMALL)).status === 200, 20))
})

test('a body that does not arrive in time is given up with 408, and a CSV is not', async (t) => {
  const url = await listen(t, { bodyTime: 200, lookTime: 20 })
  const [header, row, ...rows] = csv('sample').toString().trimEnd().split('\n')
  const file = [header, row, rows[0]].join('\n')
  const upload = begin(`${url}/predict/batch?Model=RF`, file.length, file.slice(0, 20), 'text/csv')
  const outgoing = begin(`${url}/predict`, SMALL.length, SMALL.slice(0, 10))
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
  t.equal(incoming.statusCode, 408)
  t.equal(incoming.headers.connection, 'close')
  t.match(JSON.parse(await text(incoming)), { code: 'KS_ERR_BODY_TIMEOUT' })
  await setTimeout(400)
  upload.end(file.slice(20))
  const [answer] = (await once(upload, 'response')) as [IncomingMessage]
  t.equal(answer.statusCode, 200)
  t.equal((await text(answer)).trimEnd().split('\n').length, 3)
})

test('the body of a GET, which nobody reads, may not arrive while its answer takes long', async (t) => {
  const store = new (class extends SqliteStore {
    override async *users(): AsyncGenerator<StoredUser> {
      await setTimeout(1_000)
      yield* super.users()
    }
  })(IN_MEMORY)
  const url = await listen(t, { bodyTime: 100, lookTime: 20 }, { store })
  const socket = connect(Number(new URL(url).port), '127.0.0.1').on('error', () => {})
  const closed = once(socket.resume(), 'close')
  socket.write('GET /users/export HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{')
  await closed
  t.equal((await fetch(`${url}/health/live`)).status, 200)
})

test('a body that says to be far too large gets 413, and not 503', async (t) => {
  const url = await listen(t, {})
  const outgoing = begin(`${url}/predict`, 10 ** 12, SMALL)
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
  outgoing.on('error', () => {}).destroy()
  t.equal(incoming.statusCode, 413)
})

test('CSVs that are answered at a time are limited', async (t) => {
  const url = `${await listen(t, { uploads: 1 })}/predict/batch?Model=RF`
  const file = csv('sample').toString()
  const upload = begin(url, file.length, file.slice(0, 5_000), 'text/csv')
  const response = once(upload, 'response') as Promise<[IncomingMessage]>
  t.ok(await within(PATIENCE, async () => (await post(url, file, 'text/csv')).status === 503, 20))
  checkRefused(t, await post(url, file, 'text/csv'))
  upload.end(file.slice(5_000))
  const [answer] = await response
  t.equal((await text(answer)).trimEnd().split('\n').length, file.trimEnd().split('\n').length)
  t.ok(await within(PATIENCE, async () => (await post(url, file, 'text/csv')).status === 200, 20))
})

test('a refused client that asks on at once is not heard for a while, and then answered', async (t) => {
  const url = await listen(t, { bytes: 1_000 })
  const held = begin(`${url}/predict`, 900, SMALL.slice(0, 10))
  const socket = connect(Number(new URL(url).port), '127.0.0.1').setEncoding('latin1')
  t.teardown(() => socket.destroy())
  const ask = async () => {
    socket.write(
      `POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${SMALL.length}\r\n\r\n${SMALL}`
    )
    const [answer] = (await once(socket, 'data')) as [string]
    return Number(answer.slice(9, 12))
  }
  while ((await ask()) !== 503);
  for (let i = 0; i < 10; i++) t.equal(await ask(), 503)
  held.on('error', () => {}).destroy()
  t.ok(await within(PATIENCE, async () => (await ask()) === 200, 20))
})

test('connections are limited, and idle ones make room', async (t) => {
  const url = await listen(t, { connections: 2, lookTime: 20 })
  const port = Number(new URL(url).port)
  const open = async () => {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {})
    await once(socket, 'connect')
    return socket
  }
  const idle = [await open(), await open()]
  for (const socket of idle) socket.write('GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n')
  await Promise.all(idle.map((socket) => once(socket, 'data')))
  const third = await open()
  await once(third.resume(), 'close')
  t.ok(
    await within(
      PATIENCE,
      async () =>
        fetch(`${url}/health/live`, { headers: { connection: 'close' } }).then(
          ({ ok }) => ok,
          () => false
        ),
      20
    )
  )
})

test('connections that have sent no whole request make room first, and one address has few of them', async (t) => {
  const url = await listen(t, { connections: 40 })
  const port = Number(new URL(url).port)
  const closed = new Set<number>()
  const attack = async (number: number, bytes: string) => {
    // Ten of each address, which is what one may have.
    const socket = connect({
      port,
      host: '127.0.0.1',
      localAddress: `127.0.0.${2 + Math.floor(number / 10)}`
    })
    socket.on('error', () => {}).once('close', () => closed.add(number))
    t.teardown(() => socket.destroy())
    await once(socket, 'connect')
    socket.write(bytes)
  }
  for (let number = 0; number < 60; number++) {
    await attack(number, number % 2 === 0 ? '' : 'GET /health/live HTTP/1.1\r\nHost:')
    const answer = await fetch(`${url}/health/live`, { headers: { connection: 'close' } })
    t.equal(answer.status, 200, `beside ${number + 1} of them`)
  }
  t.ok(await within(PATIENCE, async () => closed.size >= 20, 20))
  t.ok(closed.has(0) && !closed.has(59), 'the oldest went first')

  const before = closed.size
  for (let number = 60; number < 63; number++) await attack(50, '')
  t.ok(await within(PATIENCE, async () => closed.size > before, 20), 'more of one address close its oldest')
})
