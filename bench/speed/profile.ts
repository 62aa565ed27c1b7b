/** Where a request's time and memory go: a server profiled under load. */
import { readFile, rm } from 'node:fs/promises'
import type { HeapProfiler, Profiler } from 'node:inspector/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { load, type Server, startServer } from '../measure.ts'

/** Longer than the generator takes to start, and than profiler.ts takes after that. */
const GENERATOR_STARTS = 2_000
const LOAD_SECONDS = 8

/** Functions that the profiler makes up (https://chromedevtools.github.io/devtools-protocol, Profiler). */
const MADE_UP: Record<string, string | undefined> = {
  '(garbage collector)': 'garbage collection',
  '(program)': 'the system, outside JavaScript',
  '(idle)': undefined
}

/** What a request takes of the main thread, by whose code it is, and what it allocates. */
export interface Profiled {
  /** µs a request. */
  microseconds: Record<string, number>
  /** kB a request. */
  allocated: number
}

/**
 * Profile a Node.js server.
 *
 * @param folder - of requests.json and the compiled profiler.js
 * @param model - which one autocannon.ts asks
 */
export async function profile(
  server: Server,
  folder: string,
  model: string,
  connections: number,
  port: number
): Promise<Profiled> {
  const written = join(folder, 'profile.json')
  await rm(written, { force: true })
  const [node, ...rest] = server.command
  const command = [node!, '--import', join(folder, 'profiler.js'), ...rest]
  const running = await startServer({ ...server, command }, port)
  try {
    await load(running, folder, model, connections, 2)
    const loaded = load(running, folder, model, connections, LOAD_SECONDS)
    await setTimeout(GENERATOR_STARTS)
    running.child.kill('SIGWINCH')
    await loaded
  } finally {
    running.child.kill('SIGKILL')
  }
  const { timed, time, sampled, heap } = JSON.parse(await readFile(written, 'utf8')) as {
    timed: number
    time: Profiler.Profile
    sampled: number
    heap: HeapProfiler.SamplingHeapProfile
  }
  return { microseconds: byPart(time, timed), allocated: size(heap.head) / sampled / 1000 }
}

function byPart({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile, requests: number) {
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id])))
  const parts: Record<string, number> = {}
  for (const [i, sample] of samples.entries()) {
    const part = partOf(sample)
    if (part !== undefined) parts[part] = (parts[part] ?? 0) + timeDeltas[i]! / requests
  }
  return parts

  /** Node's own functions and generated ones count as whose code called them. */
  function partOf(sample: number): string | undefined {
    for (let id: number | undefined = sample; id !== undefined; id = parents.get(id)) {
      const { functionName, url } = byId.get(id)!.callFrame
      if (Object.hasOwn(MADE_UP, functionName)) return MADE_UP[functionName]
      if (url.includes('/node_modules/onnxruntime-')) return 'ONNX Runtime'
      if (url.includes('/server/dist/')) return 'this service’s own code'
      if (/\/node_modules\/[^.]/.test(url)) break
    }
    return 'Fastify and Node’s HTTP'
  }
}

function size({ selfSize, children }: HeapProfiler.SamplingHeapProfileNode): number {
  return children.reduce((sum, child) => sum + size(child), selfSize)
}
