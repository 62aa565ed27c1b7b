/**
 * `npm run bench [-- path/to.csv]`: this service against what people would use instead, in one run and
 * interleaved. Writes docs/benchmark.md and docs/images/benchmark.svg.
 */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { build as bundle } from 'esbuild'
import { build } from '../../scripts/build.ts'
import { CALLED_FROM, PYTHON, PYTHON_ENV, ROOT, run, SERVICE } from '../../scripts/lib/processes.ts'
import { train } from '../../scripts/train.ts'
import { MODEL_NAMES, type ModelName } from '../../server/src/schemas/manifest.ts'
import { CLASSIFIER_NAMES, type ClassifierName } from '../../server/src/schemas/predict.ts'
import { toFeatures } from '../../server/src/typings/rows.ts'
import {
  CORES,
  type Loaded,
  load,
  must,
  PINNED,
  pin,
  type Running,
  type Server,
  startServer,
  tsx
} from '../measure.ts'
import { type LargeCsv, measureLargeCsv } from './large-csv.ts'
import { type Profiled, profile } from './profile.ts'

const ROUNDS = 5
const SECONDS = 2
const WARM_UP_SECONDS = 1
const CONNECTIONS = 32
/** Of the first contestant; the others' follow. */
const PORT = 18_080
const LARGE_CSV_ROWS = 100_000
const WORK = join(ROOT, 'node_modules', '.cache', 'keystroke', 'bench')
const CSV = resolve(CALLED_FROM, process.argv[2] ?? join(ROOT, 'data', 'sample.csv'))

interface Measure extends Loaded {
  contestant: string
  model: ModelName
  round: number
  connections: number
}

/** Compiled as the service is: with a compiler in its process, its memory and start would be the compiler's. */
const FLOOR = join(WORK, 'floor.js')

/** As it ships, the log to a file as a container runtime keeps it. The others write none. */
const own = (port: number): Server => ({
  name: 'this service',
  command: [process.execPath, ...SERVICE],
  env: { MODELS_DIR: join(WORK, 'models'), PORT: String(port), NODE_ENV: 'production' },
  log: join(WORK, 'service.log')
})

const contestants = (port: number): Server[] => [
  own(port),
  { name: 'bare Fastify', command: [process.execPath, FLOOR, String(port + 1)] },
  {
    ...own(port + 2),
    name: 'this service, logs off',
    env: { ...own(port + 2).env, LOG_LEVEL: 'silent' }
  },
  { name: 'one run a request, plain export', command: [...tsx('speed/one-run.ts'), WORK, String(port + 3)] },
  {
    name: 'FastAPI + scikit-learn',
    command: [PYTHON, join(ROOT, 'bench', 'speed', 'fastapi_server.py'), 'sklearn', WORK, String(port + 4)]
  },
  {
    name: 'FastAPI + ONNX Runtime',
    command: [PYTHON, join(ROOT, 'bench', 'speed', 'fastapi_server.py'), 'onnx', WORK, String(port + 5)]
  }
]

await prepare()
const running: (Server & Running)[] = []
const starts: Record<string, number[]> = {}
const measures: Measure[] = []
const largeCsv: LargeCsv[] = []
try {
  await startAll()
  await checkAnswers()
  for (let round = 0; round <= ROUNDS; round++) {
    for (const model of MODEL_NAMES) {
      // The typing model's POST /identify is known to the service and the floor.
      const asked = model === 'typing' ? running.slice(0, 3) : running
      // Another one begins each round, so that none always meets the machine in the same state.
      for (let i = 0; i < asked.length; i++) {
        const contestant = asked[(i + round) % asked.length]!
        const seconds = round === 0 ? WARM_UP_SECONDS : SECONDS
        for (const connections of [CONNECTIONS, 1]) {
          const loaded = await load(contestant, WORK, model, connections, connections === 1 ? 1 : seconds)
          if (round > 0) measures.push({ ...loaded, contestant: contestant.name, model, round, connections })
        }
      }
      console.error(`${round === 0 ? 'warm-up' : `round ${round} of ${ROUNDS}`}: ${model}`)
    }
  }
  for (const model of CLASSIFIER_NAMES) {
    largeCsv.push(await underLargeCsv(model))
    console.error(`a CSV of ${LARGE_CSV_ROWS} rows: ${model}`)
  }
} finally {
  for (const { child } of running) child.kill('SIGKILL')
}
const profiles: Record<string, Profiled> = {}
const [service, floor] = contestants(PORT) as [Server, Server]
profiles[floor.name] = await profile(floor, WORK, 'RF', CONNECTIONS, PORT + 1)
for (const model of CLASSIFIER_NAMES) {
  profiles[model] = await profile(service, WORK, model, CONNECTIONS, PORT)
  console.error(`profile: ${model}`)
}
const graphs = measureAlone([...tsx('speed/graphs.ts'), WORK])
const start = [join(WORK, 'start.js'), join(ROOT, 'server', 'dist'), join(WORK, 'models')]
const parts = Array.from({ length: ROUNDS }, () => measureAlone([process.execPath, ...start]))
await report(graphs, parts, profiles)

async function prepare(): Promise<void> {
  console.error('Preparing: models, pickles, plain exports')
  await mkdir(WORK, { recursive: true })
  await must(train([CSV, '--models', join(WORK, 'models')]))
  await must(run(PYTHON, ['bench/speed/prepare.py', CSV, WORK], { env: PYTHON_ENV }))
  await must(build())
  await bundle({
    absWorkingDir: ROOT,
    entryPoints: ['bench/speed/floor.ts', 'bench/speed/profiler.ts', 'bench/speed/start.ts'],
    outdir: WORK,
    bundle: true,
    packages: 'external',
    // The floor has TypeBox in one file too.
    alias: { typebox: join(ROOT, 'server', 'dist', 'node_modules', 'typebox', 'index.js') },
    platform: 'node',
    format: 'esm',
    target: 'node20'
  })
  await writeFile(join(WORK, 'package.json'), '{"type": "module"}')
}

/** Start every contestant once a round, alone, and once more to stay: the first start of all reads its files from the disk. */
async function startAll(): Promise<void> {
  for (let round = 1; round <= ROUNDS; round++) {
    for (const [i, contestant] of contestants(PORT).entries()) {
      const { child, startMs } = await startServer(contestant, PORT + i)
      starts[contestant.name] = [...(starts[contestant.name] ?? []), startMs]
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    console.error(`starts: round ${round} of ${ROUNDS}`)
  }
  for (const [i, contestant] of contestants(PORT).entries()) {
    running.push({ ...contestant, ...(await startServer(contestant, PORT + i)) })
  }
}

/** Everybody but the floor, which computes nothing, must name the same users on every row. */
async function checkAnswers(): Promise<void> {
  const { inputs, users } = JSON.parse(await readFile(join(WORK, 'requests.json'), 'utf8'))
  const features: number[][] = inputs.features
  for (const { name, url } of running.filter(({ name }) => name !== 'bare Fastify')) {
    for (const Model of CLASSIFIER_NAMES) {
      for (const [row, values] of features.entries()) {
        const response = await fetch(`${url}/predict`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ Model, ...toFeatures(values) })
        })
        const { UserID } = (await response.json()) as { UserID: unknown }
        if (UserID !== users[Model][row]) {
          throw new Error(`${name}, ${Model}, row ${row}: ${UserID} and not ${users[Model][row]}`)
        }
      }
    }
    console.error(`${name} answers all ${features.length} rows as Python does`)
  }
}

async function underLargeCsv(model: ClassifierName): Promise<LargeCsv> {
  const lines = (await readFile(CSV, 'utf8')).trimEnd().split(/\r?\n/)
  const body = JSON.stringify({ Model: model, ...toFeatures([100, 30, 100, 30, 100, 30, 100, 30]) })
  return measureLargeCsv(running[0]!.url, model, lines, LARGE_CSV_ROWS, body)
}

/** What a command prints as JSON, alone on its core. */
function measureAlone(command: string[]): unknown {
  const [first, args] = pin(CORES[0], command)
  return JSON.parse(execFileSync(first, args, { cwd: ROOT, encoding: 'utf8' }))
}

async function report(runtime: unknown, parts: unknown[], profiles: object): Promise<void> {
  const results = {
    data: basename(CSV),
    machine: `${cpus()[0]!.model.trim()}, ${cpus().length} cores`,
    node: process.version,
    rounds: ROUNDS,
    seconds: SECONDS,
    connections: CONNECTIONS,
    pinned: PINNED,
    starts,
    measures,
    largeCsv,
    runtime,
    parts,
    profiles
  }
  const path = join(WORK, 'results.json')
  await writeFile(path, JSON.stringify(results, null, 1))
  await must(run(PYTHON, ['bench/speed/report.py', path, join(ROOT, 'docs')]))
}
