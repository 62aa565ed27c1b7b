/**
 * `npm run bench:overload`: loads of several times what the service can do, and health checks meanwhile. Writes the
 * figures in docs/reliability.md; takes about eight minutes. MODELS_DIR holds the models that are served, if not models/.
 */
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from '../../scripts/build.ts'
import { ROOT } from '../../scripts/lib/processes.ts'
import { cpuSeconds, must, rss, startShipped } from '../measure.ts'
import { writeFigures } from '../report.ts'
import { type Generated, KINDS, type Kind, type Probed } from './kinds.ts'
import { overload, saturate, TITLES } from './loads.ts'

const REPORT = join(ROOT, 'docs', 'reliability.md')
const TIMES = [5, 10]
/** Of each load the run is shown that has the median share of what the service could do. */
const ROUNDS = 3

interface Overloaded {
  kind: Kind
  /** Answers a second at most. */
  capacity: number
  times: number
  load: Generated
  /** Health checks on the service's port, and on a port of their own. */
  own: Probed
  other: Probed
  /** Before, and the most meanwhile. */
  mb: [number, number]
  /** Share of its core that the service had. */
  core: number
}

await must(build())
const folder = await mkdtemp(join(tmpdir(), 'keystroke-overload-'))
const found: Overloaded[] = []
try {
  for (let round = 1; round <= ROUNDS; round++) {
    console.error(`round ${round} of ${ROUNDS}`)
    for (const kind of KINDS) await measure(kind)
  }
} finally {
  await rm(folder, { recursive: true })
}
await writeFigures(
  REPORT,
  'overload',
  'bench:overload',
  [
    '| asked | load | answered within a second, a second | p50 / p99, ms | refused, a second | late or failed | health checks: p50 / p99, ms; failed | on `HEALTH_PORT` | memory, MB | of a core |',
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |',
    ...KINDS.flatMap((kind) => TIMES.map((times) => describe(middle(kind, times))))
  ].join('\n')
)

async function measure(kind: Kind): Promise<void> {
  const server = await startShipped(folder)
  try {
    const pid = server.child.pid!
    const target = { url: server.url, pid }
    const probed = [server.url, `http://127.0.0.1:${server.healthPort}`].map((url) => `${url}/health/live`)
    const findCapacity = async () => {
      const most = await saturate(target, kind)
      return most.good / most.seconds
    }
    await findCapacity()
    let capacityBefore = await findCapacity()
    for (const times of TIMES) {
      const before = rss(pid)
      const cpu = cpuSeconds(pid)
      const { load, health, mb } = await overload(target, kind, times * capacityBefore, probed)
      const [own, other] = health as [Probed, Probed]
      const core = (cpuSeconds(pid) - cpu) / load.seconds
      // Of before and after: what else the machine does changes meanwhile.
      const capacityAfter = await findCapacity()
      const capacity = (capacityBefore + capacityAfter) / 2
      capacityBefore = capacityAfter
      found.push({ kind, capacity, times, load, own, other, mb: [before, mb], core })
      console.error(describe(found.at(-1)!), load.faults)
    }
  } finally {
    server.child.kill('SIGTERM')
    await once(server.child, 'exit')
  }
}

/** The run in the middle of those with one load. */
function middle(kind: Kind, times: number): Overloaded {
  const runs = found.filter((run) => run.kind === kind && run.times === times)
  return runs.sort((a, b) => share(a) - share(b))[runs.length >> 1]!
}

/** What was answered in time, of what the service could do. */
function share({ load, capacity }: Overloaded): number {
  return load.good / load.seconds / capacity
}

function describe(overloaded: Overloaded): string {
  const { kind, capacity, times, load, own, other, mb, core } = overloaded
  const goodput = load.good / load.seconds
  const numbers = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
  return `| ${[
    TITLES[kind],
    `${times} times`,
    `${numbers.format(goodput)} of ${numbers.format(capacity)} (${Math.round(100 * share(overloaded))} %)`,
    [load.p50, load.p99].map(Math.round).join(' / '),
    `${numbers.format(load.refused / load.seconds)}${load.refused > 0 ? `, within ${Math.round(load.refusedP99)} ms` : ''}`,
    load.late + load.failed,
    ...[own, other].map(({ p50, p99, failed }) => `${Math.round(p50)} / ${Math.round(p99)}; ${failed}`),
    mb.map(Math.round).join(' to '),
    `${Math.round(100 * core)} %`
  ].join(' | ')} |`
}
