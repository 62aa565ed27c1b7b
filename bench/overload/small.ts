/**
 * `npm run bench:small -- IMAGE`: the image with the CPU and the memory of the deployment's size small, from its start on
 * and under ten times what it can do. Writes the figures in docs/reliability.md; takes about two minutes. Needs podman,
 * and cgroups that let it limit CPU and memory. MODELS_DIR holds the models that are asked about, if not models/.
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { checkConfig, youngGeneration } from '../../infra/config.ts'
import { freePorts } from '../../scripts/lib/ports.ts'
import { ROOT } from '../../scripts/lib/processes.ts'
import { isAnswered, within } from '../../scripts/lib/wait.ts'
import { rss } from '../measure.ts'
import { writeFigures } from '../report.ts'
import { KINDS, type Kind } from './kinds.ts'
import { overload, saturate, TITLES } from './loads.ts'

const REPORT = join(ROOT, 'docs', 'reliability.md')
const NAME = `keystroke-small-${process.pid}`
const TIMES = 10
const SMALL = checkConfig({ size: 'small' })

const [image] = process.argv.slice(2)
if (image === undefined) throw new Error('Which image? npm run bench:small -- IMAGE')
const [PORT, HEALTH_PORT] = (await freePorts(2)) as [number, number]
const url = `http://127.0.0.1:${PORT}`
const checks = `http://127.0.0.1:${HEALTH_PORT}/health`
const numbers = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })

const rows: string[] = []
for (const kind of KINDS) {
  try {
    rows.push(await measure(kind))
    console.error(rows.at(-1))
  } finally {
    spawnSync('podman', ['rm', '--force', '--time', '1', NAME], { stdio: 'ignore' })
  }
}
await writeFigures(
  REPORT,
  'small',
  'bench:small',
  [
    '| asked | ready after, s | can do, a second | p50 / p99, ms | under 10 times that, answered within a second, a second | refused, a second | late or failed | health checks on `HEALTH_PORT`: p50 / p99, ms; failed | memory, MB | after it |',
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |',
    ...rows
  ].join('\n')
)

async function measure(kind: Kind): Promise<string> {
  const readyAfter = await start()
  const pid = Number(inspect('{{.State.Pid}}'))
  const before = rss(pid)
  const target = { url, pid }
  await saturate(target, kind)
  const most = await saturate(target, kind)
  const capacity = most.good / most.seconds
  const {
    load,
    health: [health],
    mb
  } = await overload(target, kind, TIMES * capacity, [`${checks}/live`])
  const isAlive =
    (await fetch(`${url}/health/ready`)).status === 200 && Number(inspect('{{.State.Pid}}')) === pid
  return `| ${[
    TITLES[kind],
    (readyAfter / 1000).toFixed(1),
    numbers.format(capacity),
    `${Math.round(most.p50)} / ${Math.round(most.p99)}`,
    `${numbers.format(load.good / load.seconds)} (${Math.round((100 * load.good) / load.seconds / capacity)} %)`,
    numbers.format(load.refused / load.seconds),
    load.late + load.failed,
    `${Math.round(health!.p50)} / ${Math.round(health!.p99)}; ${health!.failed}`,
    `${Math.round(before)} to ${Math.round(mb)}`,
    isAlive ? 'ready' : 'ended'
  ].join(' | ')} |`
}

/** @returns ms from the start of the container to the line that says ready */
async function start(): Promise<number> {
  // biome-ignore format: an option and its value belong on a line
  const options = [
    'run', '--detach', '--name', NAME, '--network', 'host', '--read-only', '--read-only-tmpfs=false',
    '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges',
    '--cpus', `${SMALL.cpu / 1024}`, '--memory', `${SMALL.memory}m`, '--memory-swap', `${SMALL.memory}m`,
    '--env', 'HOST=127.0.0.1', '--env', `PORT=${PORT}`, '--env', `HEALTH_PORT=${HEALTH_PORT}`,
    '--env', `NODE_OPTIONS=--max-semi-space-size=${youngGeneration(SMALL)}`
  ]
  podman(...options, image!)
  if (!(await within(60_000, () => isAnswered(`${checks}/ready`), 50)))
    throw new Error('not ready within a minute')
  // The log is written a second later.
  await setTimeout(2_000)
  const lines = podman('logs', NAME).trim().split('\n')
  const ready = lines
    .map((line) => JSON.parse(line) as { time: number; msg: string })
    .find(({ msg }) => msg === 'ready')
  return ready!.time - Number(inspect('{{.State.StartedAt.UnixMilli}}'))
}

function inspect(format: string): string {
  return podman('inspect', NAME, '--format', format).trim()
}

function podman(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync('podman', args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`podman ${args[0]}: ${stderr}`)
  return stdout
}
