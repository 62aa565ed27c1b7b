/**
 * Requests that come whether or not the last were answered, as those of many people do; the result as JSON:
 * node generate.ts URL MODELS KIND PER_SECOND SECONDS CONNECTIONS. With PER_SECOND 0 each connection asks again
 * once it is answered.
 */
import { connect, type Socket } from 'node:net'
import { goldenRequests } from '../../server/src/models/golden.ts'
import { readManifest } from '../../server/src/models/manifest.ts'
import { quantile } from '../load.ts'
import { Random } from '../random.ts'
import type { Generated, Kind } from './kinds.ts'

/** For an answer, ms. */
const PATIENCE = 10_000
/** From when a request was due to its answer, ms: later ones are worth nothing. */
const GOOD = 1_000
/** Between two looks at what is due, ms. */
const TICK = 2

const [url, models, kind, perSecond, seconds, connections] = process.argv.slice(2) as [
  string,
  string,
  Kind,
  string,
  string,
  string
]
const { hostname, port } = new URL(url)
const requests = await makeRequests()

const WARM = Buffer.from('GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n')
const found = {
  sent: 0,
  unsent: 0,
  good: 0,
  late: 0,
  refused: 0,
  failed: 0,
  faults: {} as Record<string, number>
}
const latencies: number[] = []
const refusals: number[] = []
const idle: Connection[] = []
let open = 0
let next = 0
let isOver = false

class Connection {
  readonly #socket: Socket
  #due = 0
  #isWaiting = false
  #answer = ''

  constructor() {
    open++
    this.#socket = connect(Number(port), hostname)
    this.#socket.setNoDelay().setEncoding('latin1')
    this.#socket.on('data', (chunk: string) => this.#read(chunk))
    this.#socket.on('error', ({ message }) => this.#fail(message))
    this.#socket.on('close', () => {
      open--
      this.#fail('closed without an answer')
      const at = idle.indexOf(this)
      if (at >= 0) idle.splice(at, 1)
    })
  }

  ask(due: number, bytes = requests[next++ % requests.length]!): void {
    this.#due = due
    this.#isWaiting = true
    this.#answer = ''
    found.sent++
    this.#socket.write(bytes)
  }

  /** Give up if it has waited for too long. */
  look(now: number): void {
    if (this.#isWaiting && now - this.#due > PATIENCE) {
      this.#fail(`no answer in ${PATIENCE / 1000} s`)
      this.#socket.destroy()
    }
  }

  close(): void {
    this.#socket.destroy()
  }

  #fail(fault: string): void {
    if (!this.#isWaiting || isOver) return
    this.#isWaiting = false
    found.failed++
    found.faults[fault] = (found.faults[fault] ?? 0) + 1
  }

  #read(chunk: string): void {
    this.#answer += chunk
    const end = this.#answer.indexOf('\r\n\r\n')
    if (end < 0) return
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(this.#answer)?.[1])
    if (this.#answer.length < end + 4 + length) return
    const took = performance.now() - this.#due
    const status = this.#answer.slice(9, 12)
    this.#isWaiting = false
    if (status === '200') {
      latencies.push(took)
      if (took <= GOOD) found.good++
      else found.late++
    } else if (status === '503' && /\r\nretry-after: \d/i.test(this.#answer)) {
      found.refused++
      refusals.push(took)
    } else {
      found.failed++
      found.faults[status] = (found.faults[status] ?? 0) + 1
    }
    if (/\r\nconnection: close\r\n/i.test(this.#answer.slice(0, end + 2))) this.close()
    else if (perSecond === '0' && !isOver) this.ask(performance.now())
    else idle.push(this)
  }
}

const all = new Set<Connection>()
const connectOne = () => {
  const connection = new Connection()
  all.add(connection)
  return connection
}

// A load balancer's connections are open, and were used, already.
for (let i = 0; perSecond !== '0' && i < Number(connections); i++) {
  connectOne().ask(performance.now(), WARM)
  await new Promise((resolve) => setTimeout(resolve, 2))
}
Object.assign(found, { sent: 0, good: 0, late: 0, refused: 0, failed: 0 })
latencies.length = 0
const started = performance.now()
let asked = 0
if (perSecond === '0') for (let i = 0; i < Number(connections); i++) connectOne().ask(started)
while (performance.now() - started < 1000 * Number(seconds)) {
  const now = performance.now()
  const due = Math.floor(((now - started) / 1000) * Number(perSecond))
  for (; asked < due; asked++) {
    const connection = idle.pop() ?? (open < Number(connections) ? connectOne() : undefined)
    if (connection === undefined) found.unsent++
    else connection.ask(started + (1000 * asked) / Number(perSecond))
  }
  for (const connection of all) connection.look(now)
  await new Promise((resolve) => setTimeout(resolve, TICK))
}
isOver = true
const took = (performance.now() - started) / 1000
for (const connection of all) connection.close()
console.log(
  JSON.stringify({
    ...found,
    seconds: took,
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
    refusedP99: quantile(refusals, 0.99)
  } satisfies Generated)
)
process.exit()

async function makeRequests(): Promise<Buffer[]> {
  const manifest = await readManifest(models)
  const rows = goldenRequests(manifest, 'RF').map(({ body }) => body)
  switch (kind) {
    case 'predict':
      return rows.map((body) => toBytes('/predict', body))
    case 'batch':
      return [
        toBytes(
          '/predict/batch',
          Array.from({ length: 1000 }, (_, i) => rows[i % rows.length]!)
        )
      ]
    case 'identify':
      return [toBytes('/identify', { Typings: drawTypings(10, manifest.dataset.keys) })]
  }
}

/** Typings that nobody typed: no two may be copies of each other. */
function drawTypings(count: number, keys: number): object[] {
  const random = new Random(1)
  return Array.from({ length: count }, () => {
    let time = 0
    const Press = Array.from({ length: keys }, (_, key) => {
      time += key === 0 ? 0 : 60 + random.below(200)
      return time
    })
    return { Press, Release: Press.map((press) => press + 50 + random.below(100)) }
  })
}

function toBytes(path: string, value: object): Buffer {
  const body = JSON.stringify(value)
  return Buffer.from(
    `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  )
}
