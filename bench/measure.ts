/** A server as a process of its own, a load on it, and what it takes, for all benchmarks here. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePorts } from '../scripts/lib/ports.ts'
import { ROOT, SERVICE } from '../scripts/lib/processes.ts'

/** The server's core and the load generator's; without taskset they share what there is. */
export const CORES = ['0', '1'] as const
export const PINNED = spawnSync('taskset', ['-c', CORES[1], 'true']).status === 0

/** The models that a bench serves that makes none of its own. */
export const MODELS = process.env.MODELS_DIR ?? join(ROOT, 'models')

/** Of the process times in /proc. */
const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))

export interface Server {
  name: string
  command: string[]
  env?: Record<string, string>
  /** File for what it writes to standard output; nowhere if left out. */
  log?: string
}

export interface Running {
  url: string
  child: ChildProcess
  /** From process start to ready, ms. */
  startMs: number
}

/** What came of a load. */
export interface Loaded {
  perSecond: number
  perCpuSecond: number
  cpuMsPer1000: number
  p50: number
  p99: number
  mean: number
  rssMb: number
}

/** The command that runs a script below this folder as it is. */
export const tsx = (script: string) => [process.execPath, '--import', 'tsx', join(ROOT, 'bench', script)]

export async function must(code: Promise<number>): Promise<void> {
  if ((await code) !== 0) throw new Error('the preparation failed; see above')
}

export function pin(core: string, command: string[]): [string, string[]] {
  const [first, ...rest] = PINNED ? ['taskset', '-c', core, ...command] : command
  return [first!, rest]
}

/** Start a server on its core, and wait until it is ready. */
export async function startServer({ name, command, env, log }: Server, port: number): Promise<Running> {
  const started = performance.now()
  const child = spawn(...pin(CORES[0], command), {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ['ignore', log === undefined ? 'ignore' : openSync(log, 'w'), 'inherit']
  })
  const url = `http://127.0.0.1:${port}`
  while (!(await fetch(`${url}/health/ready`).catch(() => undefined))?.ok) {
    if (child.exitCode !== null) throw new Error(`${name} ended`)
    await new Promise((next) => setTimeout(next, 5))
  }
  return { url, child, startMs: performance.now() - started }
}

export interface Shipped extends Running {
  port: number
  /** Where it answers health checks alone. */
  healthPort: number
}

/**
 * Start the service with its default settings, on free ports.
 *
 * @param folder - of its log and its users
 * @param wrapper - command that the service is run with
 */
export async function startShipped(folder: string, wrapper: string[] = []): Promise<Shipped> {
  const [port, healthPort] = (await freePorts(2)) as [number, number]
  const server = {
    name: 'the service',
    command: [...wrapper, process.execPath, ...SERVICE],
    env: {
      PORT: `${port}`,
      HEALTH_PORT: `${healthPort}`,
      MODELS_DIR: MODELS,
      USERS_DB: join(folder, `users-${port}.db`)
    },
    log: join(folder, 'log')
  }
  return { ...(await startServer(server, port)), port, healthPort }
}

/** What a script prints as JSON that loads a server, from the other core. */
export async function printed<T>(words: string[]): Promise<T> {
  const [command, args] = pin(CORES[1], words)
  const generator = spawn(command, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  generator.stdout.on('data', (chunk) => {
    output += chunk
  })
  await once(generator, 'close')
  return JSON.parse(output)
}

/**
 * Load a server with real requests from the other core.
 *
 * @param folder - of requests.json
 * @param model - which one autocannon.ts asks
 */
export async function load(
  { url, child }: Running,
  folder: string,
  model: string,
  connections: number,
  seconds: number
): Promise<Loaded> {
  const before = cpuSeconds(child.pid!)
  const result = await printed<{
    requests: number
    seconds: number
    failed: number
    p50: number
    p99: number
    mean: number
  }>([...tsx('speed/autocannon.ts'), url, folder, model, String(connections), String(seconds)])
  const cpu = cpuSeconds(child.pid!) - before
  if (result.failed > 0) throw new Error(`${result.failed} requests failed`)
  return {
    perSecond: result.requests / result.seconds,
    perCpuSecond: result.requests / cpu,
    cpuMsPer1000: (cpu / result.requests) * 1e6,
    p50: result.p50,
    p99: result.p99,
    mean: result.mean,
    rssMb: rss(child.pid!)
  }
}

/** User and system time of a process, from /proc (proc_pid_stat(5), fields 14 and 15). */
export function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

export function rss(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024
}
