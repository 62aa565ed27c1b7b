/**
 * `npm run fuzz [-- SECONDS [SEED]]`: requests that are nearly right, for a minute unless SECONDS are given, to a
 * service of its own. Ends with 1 if one is answered with 5xx, in another form than the documented ones, otherwise than the
 * judges in judges.ts say, or not at all; it then prints the request and the seed, with which it comes again.
 * MODELS_DIR holds the models that are served, if not models/.
 */
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { Agent } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from '../../scripts/build.ts'
import { ROOT } from '../../scripts/lib/processes.ts'
import { goldenRequests } from '../../server/src/models/golden.ts'
import { readManifest } from '../../server/src/models/manifest.ts'
import { CLASSIFIER_NAMES } from '../../server/src/schemas/predict.ts'
import { send } from '../load.ts'
import { MODELS, must, rss, startShipped } from '../measure.ts'
import { Random } from '../random.ts'
import { judge } from './judges.ts'
import { mutateBytes, mutateJson, mutateLines } from './mutations.ts'

/** Asked at a time; each connection asks once more when it is answered. */
const CONNECTIONS = 32
/** For an answer, ms. */
const PATIENCE = 30_000
/** Between two lines of progress, ms. */
const INTERVAL = 10_000

const JSON_TYPE = 'application/json'

export interface Asked {
  method: string
  path: string
  type: string
  body: Buffer
  /** Whom the answer must name, of a request that is as it should be. */
  userID?: number | string
}

const [seconds = '60', seed = String(Date.now() % 1e9)] = process.argv.slice(2)
await must(build())
const manifest = await readManifest(MODELS)
const CSV = await readFile(join(ROOT, 'data', 'sample.csv'), 'utf8')
const GOLDEN = [...CLASSIFIER_NAMES, 'typing' as const].flatMap((name) =>
  goldenRequests(manifest, name).map((request) => ({ name, ...request }))
)
const folder = await mkdtemp(join(tmpdir(), 'keystroke-fuzz-'))
const { port, child } = await startShipped(folder)
console.log(`Seed ${seed}, ${seconds} s, ${CONNECTIONS} connections.`)
const statuses: Record<number, number> = {}
let asked = 0
const faults: string[] = []
const started = performance.now()
const isOver = () => performance.now() - started > 1000 * Number(seconds) || faults.length > 0
const progress = setInterval(() => {
  const counts = Object.entries(statuses).map(([status, count]) => `${status}: ${count}`)
  console.log(`${asked} requests; ${counts.join(', ')}; ${Math.round(rss(child.pid!))} MB`)
}, INTERVAL)
try {
  await Promise.all(
    Array.from({ length: CONNECTIONS }, (_, i) => ask(new Random(Number(seed) * CONNECTIONS + i)))
  )
  // As before, after all of it.
  for (const { path, body, UserID } of GOLDEN) {
    await check({
      method: 'POST',
      path,
      type: JSON_TYPE,
      body: Buffer.from(JSON.stringify(body)),
      userID: UserID
    })
  }
} finally {
  clearInterval(progress)
  child.kill('SIGTERM')
  const [code] = await once(child, 'exit')
  if (code !== 0) faults.push(`the service ended with ${code}`)
  await rm(folder, { recursive: true })
}
const took = Math.round((performance.now() - started) / 1000)
for (const fault of faults) console.error(fault)
console.log(
  `${asked} requests in ${took} s, ${faults.length} of them answered otherwise than they should be.`
)
process.exit(faults.length === 0 ? 0 : 1)

async function ask(random: Random): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  while (!isOver()) await check(make(random), agent)
  agent.destroy()
}

async function check(question: Asked, agent?: Agent): Promise<void> {
  asked++
  const { method, path, type, body } = question
  const headers = { ...(type && { 'content-type': type }), 'content-length': body.length }
  const options = { port, method, path, headers, timeout: PATIENCE, ...(agent && { agent }) }
  const answer = await send(options, body).catch((error: Error) => error)
  const fault = answer instanceof Error ? `no answer: ${answer.message}` : judge(question, answer, manifest)
  if (!(answer instanceof Error)) statuses[answer.status] = (statuses[answer.status] ?? 0) + 1
  if (fault === undefined) return
  const shown = answer instanceof Error ? '' : `\nanswer: ${answer.status} ${answer.text.slice(0, 500)}`
  faults.push(
    `${fault}\nseed ${seed}\n${method} ${path}\n${type}\n${JSON.stringify(body.toString().slice(0, 2_000))}${shown}`
  )
}

function make(random: Random): Asked {
  return random.pick([makeJson, makeJson, makeJson, makeCsv])(random)
}

function makeJson(random: Random): Asked {
  const golden = random.pick(GOLDEN)
  const kinds: [path: string, body: unknown, userID?: number | string][] = [
    [golden.path, golden.body, golden.UserID]
  ]
  if (golden.path === '/predict') kinds.push(['/predict/batch', [golden.body, golden.body]])
  else {
    const { Typings } = golden.body as { Typings: object[] }
    kinds.push(['/features', Typings[0]], ['/verify', { UserID: golden.UserID, Typings }])
    kinds.push([
      `/users/${encodeURIComponent(random.pick(['grace', '1', 'a b', '\u00e9', '-1']))}`,
      { Typings: [...Typings, ...Typings, ...Typings] }
    ])
  }
  const [path, body, userID] = random.pick(kinds)
  const times = random.pick([0, 1, 1, 2, 4])
  const text = mutateJson(random, body, times)
  const bytes = Buffer.from(text)
  const isSpoilt = random.next() < 0.2
  const query = random.pick([
    '',
    '',
    '?top=3',
    '?top=0',
    '?top=1e9',
    '?Model=RF',
    '?x=1',
    '?top=1&top=2',
    '?%'
  ])
  const method = path.startsWith('/users/') ? 'PUT' : 'POST'
  const type =
    random.next() < 0.97
      ? JSON_TYPE
      : random.pick(['text/plain', 'text/csv', '', 'application/json; charset=utf-16', 'application/xml'])
  const isGood = times === 0 && !isSpoilt && query === '' && type === JSON_TYPE
  return {
    method,
    path: path + query,
    type,
    body: isSpoilt ? mutateBytes(random, bytes) : bytes,
    ...(isGood && userID !== undefined && { userID })
  }
}

function makeCsv(random: Random): Asked {
  const lines = mutateLines(random, CSV, random.pick([0, 1, 2, 8]))
  const bytes = Buffer.from(lines)
  return {
    method: 'POST',
    path: `/predict/batch?Model=${random.pick(['RF', 'SVM', 'XGB', 'typing', 'rf'])}`,
    type: 'text/csv',
    body: random.next() < 0.2 ? mutateBytes(random, bytes) : bytes
  }
}
