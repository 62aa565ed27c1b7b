/**
 * `npm run bench:abuse`: clients that send what costs much, send slowly, leave, or come in numbers; each against a
 * server of its own. Writes the figures in docs/reliability.md; takes about two minutes. MODELS_DIR holds the models
 * that are served, if not models/.
 */
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { build } from '../../scripts/build.ts'
import { ROOT } from '../../scripts/lib/processes.ts'
import { goldenRequests } from '../../server/src/models/golden.ts'
import { readManifest } from '../../server/src/models/manifest.ts'
import { type Answer, quantile, send } from '../load.ts'
import { cpuSeconds, MODELS, must, rss, type Shipped, startShipped } from '../measure.ts'
import { writeFigures } from '../report.ts'

const REPORT = join(ROOT, 'docs', 'reliability.md')
/** For an answer, ms. */
const PATIENCE = 10_000

interface Timed {
  /** 0 where the connection failed. */
  status: number
  bytes: number
  ms: number
}

/** A fault, what was measured of it before there was anything against it, and what comes of it now. */
interface Case {
  what: string
  before: string
  run(service: Shipped): Promise<string>
  /** File descriptors that the service may have open. */
  files?: number
}

await must(build())
const folder = await mkdtemp(join(tmpdir(), 'keystroke-abuse-'))
const { body: example } = goldenRequests(await readManifest(MODELS), 'RF')[0]!
const SMALL = JSON.stringify(example)
const BATCH = JSON.stringify(Array(1000).fill(example))
const CSV = await readFile(join(ROOT, 'data', 'sample.csv'), 'utf8')
const MEGABYTE = 1_000_000

const CASES: Case[] = [
  {
    what: '20 bodies of 1 MB at once to `/identify`, each a typing with a padded array',
    before: '17 ms of the event loop each, held for up to 1.7 s',
    run: (service) =>
      whileOthersAsk(service, () => {
        const body = `{"Typings":[{"Press":[${'1,'.repeat(MEGABYTE / 2 - 30)}1],"Release":[1]}]}`
        return Promise.all(Array.from({ length: 20 }, () => post(service, '/identify', body)))
      })
  },
  {
    what: '20 bodies of 1 MB of `[` at once to `/predict/batch`',
    before: '186 ms each',
    run: (service) =>
      whileOthersAsk(service, () =>
        Promise.all(Array.from({ length: 20 }, () => post(service, '/predict/batch', '['.repeat(MEGABYTE))))
      )
  },
  {
    what: '`/predict/batch?top=1000` with 1,000 requests',
    before: '5 MB, 268 ms',
    run: async (service) => {
      const { status, bytes, ms } = await post(service, '/predict/batch?top=1000', BATCH)
      return `${status}, ${bytes} bytes, ${Math.round(ms)} ms`
    }
  },
  {
    what: '50 batches of 1,000 whose clients leave once they have sent them',
    before: '5 to 9 s of computing for nobody',
    run: async ({ child, port }) => {
      const before = cpuSeconds(child.pid!)
      const leave = async () => {
        const headers = { 'content-type': 'application/json' }
        const options = {
          port,
          path: '/predict/batch',
          host: '127.0.0.1',
          method: 'POST',
          agent: false,
          headers
        }
        const outgoing = request(options)
        outgoing.on('error', () => {})
        await new Promise<void>((sent) => outgoing.end(BATCH, sent))
        outgoing.destroy()
      }
      await Promise.all(Array.from({ length: 50 }, leave))
      await setTimeout(10_000)
      return `${(cpuSeconds(child.pid!) - before).toFixed(1)} s in all, with what it takes to read them`
    }
  },
  {
    what: '1,000 connections that send 990 kB of a body, and then a byte a second',
    before: '194 MB became 1,161 MB, none closed within 40 s',
    run: async ({ child, port }) => {
      const before = rss(child.pid!)
      let most = before
      const statuses: Record<string, number> = {}
      const sockets = Array.from({ length: 1_000 }, () => trickle(port, statuses))
      for (let second = 0; second < 20; second++) {
        for (const socket of sockets) if (socket.writable && !socket.connecting) socket.write(' ')
        await setTimeout(1_000)
        most = Math.max(most, rss(child.pid!))
      }
      const open = sockets.filter(({ destroyed }) => !destroyed).length
      for (const socket of sockets) socket.destroy()
      const counts = Object.entries(statuses).map(([status, count]) => `${status} ${count} times`)
      return `${Math.round(before)} MB become ${Math.round(most)} MB; answered with ${counts.join(' and ')}; ${open} open after 20 s`
    }
  },
  {
    what: '100 CSVs at a time for 5 s, and `/predict` beside them',
    before: '`/predict` p50 757 ms, health checks 0 of 70',
    run: async (service) => {
      let isOver = false
      const statuses: Record<number, number> = {}
      const uploads = Array.from({ length: 100 }, async () => {
        while (!isOver) {
          const { status } = await post(service, '/predict/batch?Model=RF', CSV, 'text/csv')
          statuses[status] = (statuses[status] ?? 0) + 1
          if (status !== 200) await setTimeout(1_000)
        }
      })
      const asked = await askMeanwhile(service, setTimeout(5_000))
      isOver = true
      await Promise.all(uploads)
      const counts = Object.entries(statuses).map(([status, count]) => `${status} ${count} times`)
      return `${asked}; CSVs: ${counts.join(' and ')}`
    }
  },
  {
    what: '300 connections to a service that may open 128 files',
    before: 'not measured',
    files: 128,
    run: async (service) => {
      const sockets = Array.from({ length: 300 }, () =>
        connect(service.port, '127.0.0.1').on('error', () => {})
      )
      await setTimeout(3_000)
      const during = await post(service, '/predict', SMALL)
      for (const socket of sockets) socket.destroy()
      await setTimeout(1_000)
      const after = await post(service, '/predict', SMALL)
      return `meanwhile ${during.status || 'no answer'}, and ${after.status} once they are gone`
    }
  }
]

const rows: string[] = []
try {
  for (const { what, before, run, files } of CASES) {
    const service = await startShipped(folder, files === undefined ? [] : ['prlimit', `--nofile=${files}`])
    try {
      rows.push(`| ${what} | ${before} | ${await run(service)} |`)
      console.error(rows.at(-1))
      if (service.child.exitCode !== null) throw new Error('the service ended')
    } finally {
      service.child.kill('SIGKILL')
      await once(service.child, 'exit')
    }
  }
} finally {
  await rm(folder, { recursive: true })
}
await writeFigures(
  REPORT,
  'abuse',
  'bench:abuse',
  ['| what | before | now |', '| --- | --- | --- |', ...rows].join('\n')
)
process.exit()

/** What others see, who ask for small predictions and health meanwhile, and what is answered. */
async function whileOthersAsk(service: Shipped, run: () => Promise<Timed[]>): Promise<string> {
  const answers = run()
  const asked = await askMeanwhile(service, answers)
  const statuses = [...new Set((await answers).map(({ status }) => status))].join(', ')
  return `${statuses}; ${asked}`
}

/** Ask for predictions one after another, and for health over connections of their own, until something is over. */
async function askMeanwhile(service: Shipped, until: Promise<unknown>): Promise<string> {
  let isOver = false
  void until.then(() => {
    isOver = true
  })
  const own: Timed[] = []
  const others: Timed[] = []
  const predictions: Timed[] = []
  const repeat = async (into: Timed[], ask: () => Promise<Timed>, pause: number) => {
    do {
      into.push(await ask())
      await setTimeout(pause)
    } while (!isOver)
  }
  await Promise.all([
    repeat(predictions, () => post(service, '/predict', SMALL), 5),
    repeat(own, () => get(service.port), 50),
    repeat(others, () => get(service.healthPort), 50)
  ])
  const good = (answers: Timed[]) => answers.filter(({ status }) => status === 200)
  const times = good(predictions).map(({ ms }) => ms)
  const count = (answers: Timed[]) => `${good(answers).length} of ${answers.length}`
  return (
    `\`/predict\` p50 ${Math.round(quantile(times, 0.5))} ms, longest ${Math.round(quantile(times, 1))} ms; ` +
    `health checks ${count(own)}, on \`HEALTH_PORT\` ${count(others)}`
  )
}

function post({ port }: Shipped, path: string, body: string, type = 'application/json'): Promise<Timed> {
  const headers = { 'content-type': type }
  return timed(send({ port, path, method: 'POST', agent: false, timeout: PATIENCE, headers }, body))
}

function get(port: number): Promise<Timed> {
  return timed(send({ port, path: '/health/live', agent: false, timeout: 3_000 }))
}

async function timed(answer: Promise<Answer>): Promise<Timed> {
  const started = performance.now()
  const { status, text } = await answer.catch(() => ({ status: 0, text: '' }))
  return { status, bytes: Buffer.byteLength(text), ms: performance.now() - started }
}

/** A connection that sends most of a body. */
function trickle(port: number, statuses: Record<string, number>): Socket {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  socket.on('connect', () => {
    socket.write(
      `POST /predict/batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${MEGABYTE}\r\n\r\n${' '.repeat(990_000)}`
    )
  })
  socket.once('data', (chunk) => {
    const status = chunk.toString('latin1').slice(9, 12)
    statuses[status] = (statuses[status] ?? 0) + 1
  })
  return socket
}
