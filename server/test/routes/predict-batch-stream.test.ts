import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { csv, readyApp } from '../fixtures.ts'

const app = await readyApp()
const address = await app.listen({ host: '127.0.0.1', port: 0 })
t.teardown(() => app.close())

const lines = csv('sample').toString().trimEnd().split('\n')
const header = lines[0]!
const rows = lines.slice(1)

const NEWLINE = 10

/** Sample rows over and over, without holding them all. */
function* manyRows(count: number) {
  yield `${header}\n`
  for (let sent = 0; sent < count; sent += rows.length) {
    yield `${rows.slice(0, Math.min(rows.length, count - sent)).join('\n')}\n`
  }
}

t.test('100,000 rows are answered in constant memory', async (t) => {
  const count = 100_000
  setFlagsFromString('--expose-gc')
  const collectGarbage: () => void = runInNewContext('gc')
  const live: number[] = []
  let answered = 0
  let tail = ''
  const upload = request(`${address}/predict/batch?Model=RF`, {
    method: 'POST',
    headers: { 'content-type': 'text/csv' }
  })
  Readable.from(manyRows(count)).pipe(upload)
  const [response] = (await once(upload, 'response')) as [IncomingMessage]
  for await (const chunk of response as AsyncIterable<Buffer>) {
    for (const byte of chunk) if (byte === NEWLINE) answered++
    tail = chunk.toString()
    if (answered >= 10_000 * (live.length + 1)) {
      collectGarbage()
      const { heapUsed, arrayBuffers } = process.memoryUsage()
      live.push((heapUsed + arrayBuffers) / 2 ** 20)
    }
  }
  t.equal(answered, count + 1)
  t.match(tail, new RegExp(`\\n${count + 1},`))
  // The file is 11 MB; its rows, kept as strings, would be some 20 MiB with each 10,000.
  const grown = Math.max(...live) - live[0]!
  t.ok(grown < 8, `what is alive grew by ${grown.toFixed(1)} MiB between 10,000 and 100,000 rows`)
})

t.test('a client that does not read stops the reading of its upload', async (t) => {
  const count = 400_000
  let taken = 0
  const source = Readable.from(
    (function* () {
      for (const chunk of manyRows(count)) {
        taken += chunk.length
        yield chunk
      }
    })()
  )
  const upload = request(`${address}/predict/batch?Model=RF`, {
    method: 'POST',
    headers: { 'content-type': 'text/csv' }
  })
  source.pipe(upload)
  upload.on('error', () => {})
  const response = await new Promise<NodeJS.ReadableStream>((resolve) => upload.once('response', resolve))
  response.pause()
  let last = -1
  for (let waited = 0; waited < 100 && taken !== last; waited++) {
    last = taken
    await sleep(300)
  }
  const whole = count * (rows[0]!.length + 1)
  t.ok(
    taken < whole / 2,
    `${(taken / 2 ** 20).toFixed(1)} of about ${(whole / 2 ** 20).toFixed(0)} MiB were taken`
  )
  t.equal((await fetch(`${address}/health/ready`)).status, 200, 'others are served meanwhile')
  upload.destroy()
  await sleep(100)
  t.equal((await fetch(`${address}/health/ready`)).status, 200, 'and after it went away')
})

t.test('an upload that is broken off leaves the service up', async (t) => {
  await new Promise<void>((resolve) => {
    const upload = request(`${address}/predict/batch?Model=RF`, {
      method: 'POST',
      headers: { 'content-type': 'text/csv' }
    })
    upload.on('error', () => resolve())
    upload.on('response', (response) => {
      response.on('error', () => {})
      response.resume()
      upload.destroy()
      resolve()
    })
    // csv-parse looks ahead: a row comes out when the next has begun.
    upload.write(`${header}\n${rows[0]}\n${rows[1]}\n`)
  })
  const response = await fetch(`${address}/predict/batch?Model=RF`, {
    method: 'POST',
    headers: { 'content-type': 'text/csv' },
    body: `${header}\n${rows[0]}`
  })
  t.equal(response.status, 200)
})

t.test('an upload that is answered before its end is read on, and its connection used again', async (t) => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  const ask = async (first: string, rest: number): Promise<[status: number, body: string]> => {
    const upload = request(`${address}/predict/batch?Model=RF`, {
      agent,
      method: 'POST',
      headers: { 'content-type': 'text/csv', 'content-length': first.length + rest }
    })
    upload.write(first)
    upload.end(Buffer.alloc(rest, 'a'))
    const [response] = (await once(upload, 'response')) as [IncomingMessage]
    return [response.statusCode!, await text(response)]
  }
  for (let i = 0; i < 3; i++) {
    const [status, body] = await ask('subject,sessionIndex\n', 4_600_000)
    t.equal(status, 400)
    t.match(JSON.parse(body), { code: 'KS_ERR_CSV_INVALID' })
  }
  const [status, body] = await ask(`${header}\n${rows[0]}\n"`, 4_600_000)
  t.equal(status, 200)
  t.match(body, 'a quote is opened and never closed, as a row is longer than 65536 bytes')
})

t.test('the rest of an upload that is too large or too slow closes the connection', async (t) => {
  const { port } = new URL(address)
  const socket = connect(Number(port), '127.0.0.1')
  t.teardown(() => socket.destroy())
  const closed = new Promise<void>((resolve) => {
    socket.on('error', () => {}).once('close', () => resolve())
  })
  const answer = new Promise<string>((resolve) => {
    socket.once('data', (chunk) => resolve(chunk.toString()))
  })
  socket.write('POST /predict/batch?Model=RF HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\n')
  socket.write('Content-Length: 1000000000\r\n\r\nsubject,sessionIndex\na,b\n')
  t.match(await answer, /^HTTP\/1\.1 400 /)
  const piece = Buffer.alloc(65_536, 'a')
  let sent = 0
  while (!socket.destroyed && sent < 1_000_000_000) {
    sent += piece.length
    const drained = new Promise((resolve) => {
      socket.once('drain', resolve)
    })
    if (!socket.write(piece)) await Promise.race([drained, closed])
  }
  await closed
  t.ok(sent < 100_000_000, `${sent} bytes were sent`)
})
