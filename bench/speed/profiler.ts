/**
 * Preloaded into a server, node --import profiler.js: from SIGWINCH on, profiles what its requests take of the
 * processor and then of the heap, and writes profile.json beside itself.
 */
import { subscribe } from 'node:diagnostics_channel'
import { writeFile } from 'node:fs/promises'
import { Session } from 'node:inspector/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'

const SECONDS = 2

let requests = 0
subscribe('http.server.request.start', () => {
  requests++
})

// No signal that the service ends on.
process.once('SIGWINCH', async () => {
  const session = new Session()
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.start')
  const timed = await requestsMeanwhile()
  const { profile: time } = await session.post('Profiler.stop')
  // By itself it would give what is still in use.
  await session.post('HeapProfiler.startSampling', {
    includeObjectsCollectedByMajorGC: true,
    includeObjectsCollectedByMinorGC: true
  })
  const sampled = await requestsMeanwhile()
  const { profile: heap } = await session.post('HeapProfiler.stopSampling')
  session.disconnect()
  const profile = JSON.stringify({ timed, time, sampled, heap })
  await writeFile(join(import.meta.dirname, 'profile.json'), profile)
})

async function requestsMeanwhile(): Promise<number> {
  const before = requests
  await setTimeout(1000 * SECONDS)
  return requests - before
}
