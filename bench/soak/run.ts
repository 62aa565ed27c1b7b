/**
 * `npm run bench:soak [-- MINUTES]`: 60 % of what the service can do, of every kind of call, for 20 minutes. Writes the
 * figures in docs/reliability.md and docs/images/soak.svg; ends with 1 if an answer was wrong. MODELS_DIR holds the
 * models that are served, if not models/.
 */
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { Agent } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { build } from '../../scripts/build.ts'
import { PYTHON, PYTHON_ENV, ROOT, run } from '../../scripts/lib/processes.ts'
import { goldenRequests } from '../../server/src/models/golden.ts'
import { readManifest } from '../../server/src/models/manifest.ts'
import { quantile, send } from '../load.ts'
import { cpuSeconds, MODELS, must, rss, startShipped } from '../measure.ts'
import { writeFigures } from '../report.ts'

const SHARE = 0.6
const CONNECTIONS = 64
/** To find out what it can do, s; after as long a warm-up. */
const SATURATED = 10
/** Between two looks at memory, s. */
const LOOK = 5
/** Between two moments at which requests are sent, ms. */
const TICK = 2
/** Until memory is what it stays at, as a share of the run; left out of the slope. */
const SETTLING = 0.25

interface Call {
  method: string
  path: string
  type?: string
  body?: string
  /** Whom the answer must name. */
  userID?: number | string
}

/** What a look found: s from the start, MB, answers a second, ms, and the share of a core. */
interface Look {
  seconds: number
  mb: number
  perSecond: number
  p50: number
  p99: number
  cpu: number
}

const minutes = Number(process.argv[2] ?? 20)
await must(build())
const manifest = await readManifest(MODELS)
const CSV = await readFile(join(ROOT, 'data', 'sample.csv'), 'utf8')
const [rf, xgb, svm, typing] = (['RF', 'XGB', 'SVM', 'typing'] as const).map((name) =>
  goldenRequests(manifest, name)
)
const folder = await mkdtemp(join(tmpdir(), 'keystroke-soak-'))
const { port, child } = await startShipped(folder)
const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS })
const faults: Record<string, number> = {}
let latencies: number[] = []
let next = 0
let answered = 0
try {
  await saturate()
  const capacity = await saturate()
  console.log(
    `${Math.round(capacity)} requests a second at most; ${minutes} minutes at ${100 * SHARE} % of it.`
  )
  const looks = await soak(SHARE * capacity)
  const file = join(folder, 'looks.json')
  await writeFile(file, JSON.stringify({ looks, settling: SETTLING }))
  await must(
    run(PYTHON, [join('bench', 'soak', 'plot.py'), file, join('docs', 'images', 'soak.svg')], {
      env: PYTHON_ENV
    })
  )
  await report(capacity, looks)
} finally {
  agent.destroy()
  child.kill('SIGTERM')
  const [code] = await once(child, 'exit')
  if (code !== 0) faults[`ended with ${code}`] = 1
  await rm(folder, { recursive: true })
}
for (const [fault, times] of Object.entries(faults)) console.error(`${times} times: ${fault}`)
process.exit(Object.keys(faults).length === 0 ? 0 : 1)

/** All kinds of calls: mostly predictions, sometimes a batch, a CSV, or a user who is enrolled and deleted. */
function make(i: number): Call {
  const post = (path: string, body: unknown, userID?: number | string): Call => ({
    method: 'POST',
    path,
    type: 'application/json',
    body: JSON.stringify(body),
    ...(userID !== undefined && { userID })
  })
  const ask = (requests: typeof rf) => {
    const { path, body, UserID } = requests![i % requests!.length]!
    return post(path, body, UserID)
  }
  const { Typings } = typing![i % typing!.length]!.body as { Typings: object[] }
  if (i % 20_000 === 0)
    return { method: 'POST', path: '/predict/batch?Model=RF', type: 'text/csv', body: CSV }
  if (i % 1_000 === 1) {
    return {
      ...post(`/users/soak-${i}`, {
        Typings: typing!.map(({ body }) => (body as { Typings: object[] }).Typings[0])
      }),
      method: 'PUT'
    }
  }
  if (i % 1_000 === 501) return { method: 'DELETE', path: `/users/soak-${i - 500}` }
  if (i % 200 === 2)
    return post(
      '/predict/batch',
      Array.from({ length: 100 }, (_, j) => rf![(i + j) % rf!.length]!.body)
    )
  const kind = i % 20
  if (kind < 9) return ask(rf)
  if (kind < 12) return ask(xgb)
  if (kind < 14) return ask(svm)
  if (kind < 18) return ask(typing)
  if (kind === 18) return post('/verify', { UserID: typing![i % typing!.length]!.UserID, Typings })
  return post('/features', Typings[0])
}

async function ask({ method, path, type, body, userID }: Call, due: number): Promise<void> {
  const headers = type === undefined ? {} : { 'content-type': type }
  const answer = await send({ port, method, path, agent, headers }, body).catch((error: Error) => error)
  latencies.push(performance.now() - due)
  answered++
  let fault: string | undefined
  if (answer instanceof Error) fault = `${path}: ${answer.message}`
  else if (answer.status >= 300) fault = `${path}: ${answer.status} ${answer.text.slice(0, 200)}`
  else if (userID !== undefined && JSON.parse(answer.text).UserID !== userID)
    fault = `${path} names another user`
  if (fault === undefined) return
  fault = fault.replace(/soak-\d+/, 'soak').replace(/"requestID":"[^"]*"/, '')
  faults[fault] = (faults[fault] ?? 0) + 1
}

/** @returns answers a second where each of some connections asks again once it is answered */
async function saturate(): Promise<number> {
  const started = performance.now()
  const before = answered
  const isOver = () => performance.now() - started > 1000 * SATURATED
  await Promise.all(
    Array.from({ length: CONNECTIONS / 2 }, async () => {
      while (!isOver()) await ask(make(next++), performance.now())
    })
  )
  return ((answered - before) / (performance.now() - started)) * 1000
}

async function soak(perSecond: number): Promise<Look[]> {
  const looks: Look[] = []
  const pending = new Set<Promise<void>>()
  const started = performance.now()
  const { pid } = child
  let asked = 0
  let cpu = cpuSeconds(pid!)
  let looked = started
  answered = 0
  latencies = []
  for (let now = started; now - started < 60_000 * minutes; now = performance.now()) {
    for (; asked < ((now - started) / 1000) * perSecond; asked++) {
      const asking = ask(make(next++), started + (1000 * asked) / perSecond).finally(() =>
        pending.delete(asking)
      )
      pending.add(asking)
    }
    if (now - looked >= 1000 * LOOK) {
      const seconds = (now - looked) / 1000
      const cpuNow = cpuSeconds(pid!)
      looks.push({
        seconds: (now - started) / 1000,
        mb: rss(pid!),
        perSecond: latencies.length / seconds,
        p50: quantile(latencies, 0.5),
        p99: quantile(latencies, 0.99),
        cpu: (cpuNow - cpu) / seconds
      })
      cpu = cpuNow
      looked = now
      latencies = []
      if (looks.length % 12 === 0) console.log(JSON.stringify(looks.at(-1)), faults)
    }
    await setTimeout(TICK)
  }
  await Promise.all(pending)
  return looks
}

async function report(capacity: number, looks: readonly Look[]): Promise<void> {
  const settled = looks.slice(Math.floor(SETTLING * looks.length))
  const mean = (of: (look: Look) => number) =>
    settled.reduce((sum, look) => sum + of(look), 0) / settled.length
  const [seconds, mb] = [mean((look) => look.seconds), mean((look) => look.mb)]
  const slope =
    settled.reduce((sum, look) => sum + (look.seconds - seconds) * (look.mb - mb), 0) /
    settled.reduce((sum, look) => sum + (look.seconds - seconds) ** 2, 0)
  const wrong = Object.values(faults).reduce((sum, times) => sum + times, 0)
  const numbers = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
  const lines = [
    '| minutes | requests | a second, of at most | not answered as they should be | p50 / p99, ms | memory, MB: mean, most | slope, MB an hour |',
    '| --- | --- | --- | --- | --- | --- | --- |',
    `| ${minutes} | ${numbers.format(answered)} | ${numbers.format(SHARE * capacity)} of ${numbers.format(capacity)} | ${wrong} | ${mean(
      ({ p50 }) => p50
    ).toFixed(
      1
    )} / ${mean(({ p99 }) => p99).toFixed(0)} | ${mb.toFixed(0)}, ${Math.max(...looks.map((look) => look.mb)).toFixed(0)} | ${(3600 * slope).toFixed(1)} |`
  ].join('\n')
  console.log(lines)
  await writeFigures(join(ROOT, 'docs', 'reliability.md'), 'soak', 'bench:soak', lines)
}
