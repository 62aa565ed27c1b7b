import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout } from 'node:timers/promises'
import { type Test, test } from 'tap'
import { buildApp } from '../../src/app.ts'
import { LIMITS, type Limits } from '../../src/http/limits.ts'

/** Idle timeout of an AWS Application Load Balancer by default, s. */
const ALB_IDLE = 60

const BODY = JSON.stringify({ Press: [0, 150], Release: [90, 240] })
const POST = `POST /features HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n`

/** The real app on a real socket, with times that a test can wait for. */
async function listen(t: Test, limits: Partial<Limits> = {}): Promise<number> {
  const app = await buildApp({
    models: new Promise(() => {}),
    limits: { ...LIMITS, lookTime: 20, ...limits }
  })
  t.teardown(() => app.close())
  await app.listen({ host: '127.0.0.1', port: 0 })
  return (app.server.address() as AddressInfo).port
}

/** Send pieces with a pause before each, and read until the service closes. */
async function talk(port: number, pieces: (string | Buffer)[], pause = 0): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  const answer = text(socket)
  for (const piece of pieces) {
    await setTimeout(pause)
    if (socket.writable) socket.write(piece)
  }
  return answer
}

function check(t: Test, answer: string, statusCode: number, code: string): void {
  t.match(answer, new RegExp(`^HTTP/1.1 ${statusCode} `))
  t.match(answer, /^connection: close\r$/im, 'the connection is done with')
  const body = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4))
  // What never became a request has no ID.
  const id = /^x-request-id: (.+)\r$/im.exec(answer)?.[1]
  t.strictSame(Object.keys(body).sort(), [
    'code',
    'error',
    'message',
    ...(id ? ['requestID'] : []),
    'statusCode'
  ])
  t.match(body, { statusCode, code, ...(id && { requestID: id }) })
}

test('a body that trickles in is given up with 408', async (t) => {
  const port = await listen(t, { requestTime: 200, headersTime: 200 })
  const begun = `${POST}Content-Length: ${BODY.length}\r\n\r\n`
  check(t, await talk(port, [begun, ...BODY], 40), 408, 'KS_ERR_REQUEST_TIMEOUT')
})

test('headers that trickle in are given up with 408', async (t) => {
  const port = await listen(t, { headersTime: 200 })
  check(t, await talk(port, [...POST], 40), 408, 'KS_ERR_REQUEST_TIMEOUT')
})

test('a connection on which nothing happens is closed', async (t) => {
  const port = await listen(t, { idleTime: 200 })
  const started = performance.now()
  t.equal(await talk(port, [`${POST}Content-Length: 10\r\n\r\n`]), '')
  t.ok(performance.now() - started < LIMITS.idleTime / 2)
})

test('larger headers than allowed get 431', async (t) => {
  const port = await listen(t)
  const answer = await talk(port, [`${POST}X-Long: ${'x'.repeat(LIMITS.header)}\r\n\r\n`])
  check(t, answer, 431, 'KS_ERR_HEADERS_TOO_LARGE')
})

test('a larger body than allowed gets 413 before it is read', async (t) => {
  const port = await listen(t)
  const answer = await talk(port, [`${POST}Connection: close\r\nContent-Length: ${LIMITS.body + 1}\r\n\r\n`])
  check(t, answer, 413, 'FST_ERR_CTP_BODY_TOO_LARGE')
})

test('a request that is not HTTP gets 400', async (t) => {
  const port = await listen(t)
  for (const [what, bytes] of [
    ['TLS', Buffer.from('16030100a5010000a1', 'hex')],
    [
      'a request in two minds about its length',
      `${POST}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n`
    ],
    ['a bare line feed in a header', `${POST}X-A: b\nX-C: d\r\n\r\n`]
  ] as const) {
    t.comment(what)
    check(t, await talk(port, [bytes]), 400, 'KS_ERR_HTTP_INVALID')
  }
})

test('the service keeps a connection longer than a load balancer does', async (t) => {
  const port = await listen(t)
  const response = await fetch(`http://127.0.0.1:${port}/health/live`)
  const seconds = Number(/timeout=(\d+)/.exec(response.headers.get('keep-alive') ?? '')?.[1])
  t.ok(seconds > ALB_IDLE, `${seconds} s`)
})

test('a client that goes away in the middle leaves the service as it was', async (t) => {
  const port = await listen(t)
  const socket = connect(port, '127.0.0.1')
  socket.write(`${POST}Content-Length: ${BODY.length}\r\n\r\n{`)
  await once(socket, 'connect')
  socket.resetAndDestroy()
  t.equal((await fetch(`http://127.0.0.1:${port}/health/live`)).status, 200)
})
