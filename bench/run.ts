/**
 * `npm run bench [-- path/to.csv]`: this service against what people would use instead, in one run and
 * interleaved. Writes docs/benchmark.md and docs/benchmark.svg.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { build } from '../scripts/build.ts'
import { CALLED_FROM, PYTHON, PYTHON_ENV, ROOT, run } from '../scripts/processes.ts'
import { train } from '../scripts/train.ts'
import { MODEL_NAMES, type ModelName } from '../server/src/schemas.ts'
import { type LargeCsv, measureLargeCsv } from './large-csv.ts'

const ROUNDS = 5
const SECONDS = 2
const WARM_UP_SECONDS = 1
const CONNECTIONS = 32
const LARGE_CSV_ROWS = 100_000
/** The server's core and the load generator's; without taskset they share what there is. */
const CORES = ['0', '1'] as const
const PINNED = spawnSync('taskset', ['-c', CORES[1], 'true']).status === 0

/** Of the process times in /proc. */
const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))

const WORK = join(ROOT, 'node_modules', '.cache', 'keystroke', 'bench')
const ENVIRONMENT = join(ROOT, 'node_modules', '.cache', 'keystroke', 'bench-python')
const CSV = resolve(CALLED_FROM, process.argv[2] ?? join(ROOT, 'data', 'sample.csv'))

interface Contestant {
  name: string
  command: string[]
  env?: Record<string, string>
}

interface Running extends Contestant {
  url: string
  child: ChildProcess
  startMs: number
}

interface Measure {
  contestant: string
  model: ModelName
  connections: number
  perSecond: number
  perCpuSecond: number
  cpuMsPer1000: number
  p50: number
  p99: number
  mean: number
  rssMb: number
}

const python = join(ENVIRONMENT, 'bin', 'python')
const tsx = (script: string) => [process.execPath, '--import', 'tsx', join(ROOT, 'bench', script)]

const contestants = (port: number): Contestant[] => [
  {
    name: 'this service',
    command: [process.execPath, join(ROOT, 'server', 'dist', 'main.js')],
    // A log line a request is the operator's choice, and the others write none.
    env: { MODELS_DIR: join(WORK, 'models'), PORT: String(port), LOG_LEVEL: 'warn', NODE_ENV: 'production' }
  },
  { name: 'bare Fastify', command: [...tsx('floor.ts'), String(port + 1)] },
  { name: 'one run a request, plain export', command: [...tsx('one-run.ts'), WORK, String(port + 2)] },
  {
    name: 'FastAPI + scikit-learn',
    command: [python, join(ROOT, 'bench', 'fastapi_server.py'), 'sklearn', WORK, String(port + 3)]
  },
  {
    name: 'FastAPI + ONNX Runtime',
    command: [python, join(ROOT, 'bench', 'fastapi_server.py'), 'onnx', WORK, String(port + 4)]
  }
]

await prepare()
const running: Running[] = []
const measures: Measure[] = []
const largeCsv: LargeCsv[] = []
try {
  for (const [i, contestant] of contestants(18_080).entries())
    running.push(await start(contestant, 18_080 + i))
  await checkAnswers()
  for (let round = 0; round <= ROUNDS; round++) {
    for (const model of MODEL_NAMES) {
      // Another one begins each round, so that none always meets the machine in the same state.
      for (let i = 0; i < running.length; i++) {
        const contestant = running[(i + round) % running.length]!
        const seconds = round === 0 ? WARM_UP_SECONDS : SECONDS
        for (const connections of [CONNECTIONS, 1]) {
          const measure = await load(contestant, model, connections, connections === 1 ? 1 : seconds)
          if (round > 0) measures.push(measure)
        }
      }
      console.error(`${round === 0 ? 'warm-up' : `round ${round} of ${ROUNDS}`}: ${model}`)
    }
  }
  for (const model of MODEL_NAMES) {
    largeCsv.push(await underLargeCsv(model))
    console.error(`a CSV of ${LARGE_CSV_ROWS} rows: ${model}`)
  }
} finally {
  for (const { child } of running) child.kill('SIGKILL')
}
await report()

async function prepare(): Promise<void> {
  console.error('Preparing: models, pickles, plain exports')
  await mkdir(WORK, { recursive: true })
  const requirements = join(ROOT, 'bench', 'requirements.txt')
  const stamp = join(ENVIRONMENT, '.installed')
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== readFileSync(requirements, 'utf8')) {
    rmSync(ENVIRONMENT, { recursive: true, force: true })
    await must(run(PYTHON, ['-m', 'venv', ENVIRONMENT]))
    await must(run(python, ['-m', 'pip', 'install', '--quiet', '--require-hashes', '-r', requirements]))
    await writeFile(stamp, readFileSync(requirements, 'utf8'))
  }
  await must(train([CSV, '--models', join(WORK, 'models')]))
  await must(run(PYTHON, ['bench/prepare.py', CSV, WORK], { env: PYTHON_ENV }))
  await must(build())
}

async function must(code: Promise<number>): Promise<void> {
  if ((await code) !== 0) throw new Error('the preparation failed; see above')
}

function pin(core: string, command: string[]): [string, string[]] {
  const [first, ...rest] = PINNED ? ['taskset', '-c', core, ...command] : command
  return [first!, rest]
}

async function start(contestant: Contestant, port: number): Promise<Running> {
  const started = performance.now()
  const child = spawn(...pin(CORES[0], contestant.command), {
    cwd: ROOT,
    env: { ...process.env, ...contestant.env },
    stdio: ['ignore', 'ignore', 'inherit']
  })
  const url = `http://127.0.0.1:${port}`
  while (!(await fetch(`${url}/health/ready`).catch(() => undefined))?.ok) {
    if (child.exitCode !== null) throw new Error(`${contestant.name} ended`)
    await new Promise((next) => setTimeout(next, 5))
  }
  return { ...contestant, url, child, startMs: performance.now() - started }
}

/** Everybody but the floor, which computes nothing, must name the same users on every row. */
async function checkAnswers(): Promise<void> {
  const { features, users } = JSON.parse(await readFile(join(WORK, 'requests.json'), 'utf8'))
  for (const { name, url } of running.filter(({ name }) => name !== 'bare Fastify')) {
    for (const Model of MODEL_NAMES) {
      for (const [row, [a, b, c, d, e, f, g, h]] of features.entries()) {
        const response = await fetch(`${url}/predict`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({
            Model,
            HT: { Mean: a, STD: b },
            PPT: { Mean: c, STD: d },
            RRT: { Mean: e, STD: f },
            RPT: { Mean: g, STD: h }
          })
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

async function load(
  { name, url, child }: Running,
  model: ModelName,
  connections: number,
  seconds: number
): Promise<Measure> {
  const before = cpuSeconds(child.pid!)
  const [command, args] = pin(CORES[1], [
    ...tsx('autocannon.ts'),
    url,
    WORK,
    model,
    String(connections),
    String(seconds)
  ])
  const generator = spawn(command, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  generator.stdout.on('data', (chunk) => {
    output += chunk
  })
  await once(generator, 'close')
  const cpu = cpuSeconds(child.pid!) - before
  const result = JSON.parse(output)
  if (result.failed > 0) throw new Error(`${name}: ${result.failed} requests failed`)
  return {
    contestant: name,
    model,
    connections,
    perSecond: result.requests / result.seconds,
    perCpuSecond: result.requests / cpu,
    cpuMsPer1000: (cpu / result.requests) * 1e6,
    p50: result.p50,
    p99: result.p99,
    mean: result.mean,
    rssMb: rss(child.pid!)
  }
}

async function underLargeCsv(model: ModelName): Promise<LargeCsv> {
  const lines = (await readFile(CSV, 'utf8')).trimEnd().split(/\r?\n/)
  const statistics = { Mean: 100, STD: 30 }
  const body = JSON.stringify({
    Model: model,
    HT: statistics,
    PPT: statistics,
    RRT: statistics,
    RPT: statistics
  })
  return measureLargeCsv(running[0]!.url, model, lines, LARGE_CSV_ROWS, body)
}

/** User and system time of a process, from /proc (proc_pid_stat(5), fields 14 and 15). */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

function rss(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024
}

async function report(): Promise<void> {
  const results = {
    data: basename(CSV),
    machine: `${cpus()[0]!.model.trim()}, ${cpus().length} cores`,
    node: process.version,
    rounds: ROUNDS,
    seconds: SECONDS,
    connections: CONNECTIONS,
    pinned: PINNED,
    starts: Object.fromEntries(running.map(({ name, startMs }) => [name, startMs])),
    measures,
    largeCsv
  }
  const path = join(WORK, 'results.json')
  await writeFile(path, JSON.stringify(results, null, 1))
  await must(run(PYTHON, ['bench/report.py', path, join(ROOT, 'docs')]))
}
