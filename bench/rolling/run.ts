/**
 * `npm run bench:rolling [-- IMAGE] [--deregister]`: replace the tasks behind a load balancer again and again under
 * load, and count requests that fail. As on ECS at 100/200 %: new tasks are started and become
 * healthy, then the old ones get SIGTERM. The balancer learns of it from /health/ready alone; with `--deregister` it
 * learns it first, as the ALB does from ECS, and the tasks have the drain of `infra/config.ts`.
 *
 * Needs haproxy, and podman where an image is named; without one the tasks are processes of
 * server/dist. MODELS_DIR holds the models that are served, if not models/. Everything is on loopback, and
 * ends after LONGEST at the latest.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { checkConfig } from '../../infra/config.ts'
import { freePorts } from '../../scripts/lib/ports.ts'
import { ROOT, SERVICE } from '../../scripts/lib/processes.ts'
import { quantile, readQuestions, startLoad } from '../load.ts'

const CONNECTIONS = 50
const REQUESTS = 20_000
const TASKS = 2
const ROUNDS = 3
const [FRONT, ...PORTS] = (await freePorts(1 + 2 * TASKS)) as [number, ...number[]]
/** Half of the slots are taken at a time; a round moves from one half to the other. */
const SLOTS = PORTS.map((port, i) => ({ name: `task${i}`, port }))
/** As the ALB's: a check so often, s; a task is out after two failed ones. */
const INTERVAL = 1
const FAILS = 2
/** Of the whole run, ms. */
const LONGEST = 240_000

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { deregister: { type: 'boolean', default: false } }
})
const [image] = positionals
/** Where the balancer has to notice: longer than that takes, twice over. */
const DRAIN_SECONDS = values.deregister ? checkConfig({}).drainSeconds : 2 * INTERVAL * FAILS
for (const tool of ['haproxy', ...(image ? ['podman'] : [])]) {
  if (spawnSync(tool, ['--version']).error === undefined) continue
  console.error(`Skipped: ${tool} is not installed (apt-get install ${tool}).`)
  process.exit(0)
}

const folder = await mkdtemp(join(tmpdir(), 'keystroke-rolling-'))
const children = new Set<ChildProcess>()
try {
  process.exitCode = await Promise.race([
    measure(),
    setTimeout(LONGEST, 'too long', { ref: false }).then(tooLong)
  ])
} finally {
  for (const child of children) child.kill('SIGTERM')
  await Promise.all([...children].map((child) => once(child, 'exit')))
  await rm(folder, { recursive: true })
}
process.exit()

async function measure(): Promise<number> {
  const questions = await readQuestions(process.env.MODELS_DIR ?? join(ROOT, 'models'), 'RF')
  await startBalancer()
  let tasks = SLOTS.slice(0, TASKS).map(startTask)
  // haproxy takes servers for healthy until a check says otherwise.
  await setTimeout(1000 * INTERVAL * FAILS)
  await are('DOWN', SLOTS.slice(TASKS))
  await are('UP', SLOTS.slice(0, TASKS))

  const load = startLoad(FRONT, CONNECTIONS, questions)
  const started = performance.now()
  for (let round = 1; round <= ROUNDS || load.answered + load.failed.length < REQUESTS; round++) {
    await setTimeout(1_000)
    const slots = SLOTS.slice(round % 2 ? TASKS : 0, round % 2 ? 2 * TASKS : TASKS)
    // Or the balancer could take the new tasks for the old ones, and for ready.
    await are('DOWN', slots)
    const replacements = slots.map(startTask)
    if (values.deregister) await tell(slots, 'ready')
    await are('UP', slots)
    if (values.deregister) await deregister(SLOTS.filter((slot) => !slots.includes(slot)))
    const signalled = performance.now()
    for (const task of tasks) task.kill('SIGTERM')
    const codes = await Promise.all(tasks.map(async (task) => (await once(task, 'exit'))[0] as number))
    const took = (performance.now() - signalled) / 1000
    console.log(
      `round ${round}: ${TASKS} tasks replaced, the old ones ended with ${codes.join(' and ')} ` +
        `${took.toFixed(1)} s after SIGTERM; ` +
        `${load.answered} requests answered, ${load.failed.length} failed`
    )
    if (codes.some((code) => code !== 0)) load.failed.push('a task did not end of its own accord')
    tasks = replacements
  }
  await setTimeout(1_000)
  load.stop()
  await load.over
  const seconds = (performance.now() - started) / 1000
  for (const line of [...new Set(load.failed)].slice(0, 10)) console.log(`  ${line}`)
  console.log(
    `${load.answered + load.failed.length} requests over ${CONNECTIONS} connections in ${seconds.toFixed(1)} s: ` +
      `${load.failed.length} failed; p50 ${quantile(load.latencies, 0.5).toFixed(1)} ms, ` +
      `p99 ${quantile(load.latencies, 0.99).toFixed(1)} ms, longest ${quantile(load.latencies, 1).toFixed(1)} ms`
  )
  return load.failed.length === 0 ? 0 : 1
}

function tooLong(): number {
  console.error(`Not done within ${LONGEST / 1000} s.`)
  return 1
}

/** No retries: a failure must be seen, not hidden by the balancer. */
async function startBalancer(): Promise<void> {
  const config = join(folder, 'haproxy.cfg')
  const servers = SLOTS.map(({ name, port }) => `  server ${name} 127.0.0.1:${port} check\n`)
  await writeFile(
    config,
    `global
  stats socket ${join(folder, 'socket')} level admin
defaults
  mode http
  retries 0
  timeout connect 2s
  timeout client 60s
  timeout server 60s
frontend front
  bind 127.0.0.1:${FRONT}
  default_backend tasks
backend tasks
  balance roundrobin
  http-reuse always
  option httpchk GET /health/ready
  default-server inter ${INTERVAL}s fall ${FAILS} rise 1
${servers.join('')}`
  )
  start('haproxy', ['-q', '-db', '-f', config])
}

function startTask({ name, port }: { name: string; port: number }): ChildProcess {
  const env = {
    HOST: '127.0.0.1',
    PORT: String(port),
    DRAIN_SECONDS: String(DRAIN_SECONDS),
    LOG_LEVEL: 'warn'
  }
  if (image === undefined) return start(process.execPath, [...SERVICE], { ...process.env, ...env })
  // biome-ignore format: an option and its value belong on a line
  return start('podman', [
    'run', '--rm', '--replace', '--name', `keystroke-${process.pid}-${name}`, '--network', 'host',
    '--read-only', '--read-only-tmpfs=false', '--tmpfs', '/tmp:size=64m',
    '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges', '--memory', '512m', '--pids-limit', '200',
    ...Object.entries(env).flatMap(([key, value]) => ['--env', `${key}=${value}`]),
    image
  ])
}

function start(command: string, args: string[], env = process.env): ChildProcess {
  const child = spawn(command, args, { cwd: ROOT, env, stdio: ['ignore', 'ignore', 'inherit'] })
  children.add(child)
  child.on('exit', () => children.delete(child))
  return child
}

/** Have the balancer send no new requests to tasks, and let those that are open go on. */
async function deregister(slots: typeof SLOTS): Promise<void> {
  await tell(slots, 'drain')
  await setTimeout(1_000)
}

async function tell(slots: typeof SLOTS, state: 'drain' | 'ready'): Promise<void> {
  await ask(slots.map(({ name }) => `set server tasks/${name} state ${state}`).join(';'))
}

/** Wait until the balancer has every one of the slots in a state. */
async function are(state: 'UP' | 'DOWN', slots: typeof SLOTS): Promise<void> {
  for (;;) {
    const states = await readStates()
    if (slots.every(({ name }) => states.get(name) === state)) return
    await setTimeout(100)
  }
}

/** haproxy's own word on each server: UP, DOWN, or on its way. */
async function readStates(): Promise<Map<string, string>> {
  const lines = (await ask('show stat')).split('\n').map((line) => line.split(','))
  const column = lines[0]!.indexOf('status')
  return new Map(lines.filter(([backend]) => backend === 'tasks').map((line) => [line[1]!, line[column]!]))
}

/** @returns what haproxy answers on its socket; nothing while it starts */
async function ask(command: string): Promise<string> {
  const socket = connect(join(folder, 'socket'))
  socket.on('error', () => {})
  socket.end(`${command}\n`)
  return text(socket).catch(() => '')
}
