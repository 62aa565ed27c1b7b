import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { Readable } from 'node:stream'
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
