/** `npm run dev`: build and serve; again after each change of the service or the page. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { watch } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { build } from './build.ts'
import { ROOT, SERVICE } from './lib/processes.ts'

/** An editor writes several files, or one several times, ms. */
const TOGETHER = 200

let server: ChildProcess | undefined
let changes = 0
let wake = () => {}

for (const folder of ['server/src', 'server/page', 'models']) {
  watch(join(ROOT, folder), { recursive: true }, () => {
    changes++
    wake()
  })
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, async () => {
    await stop()
    process.exit(0)
  })
}

for (;;) {
  const built = changes
  console.error('Building ...')
  // A fault is shown by the compiler; what was built before goes on.
  if ((await build()) === 0) {
    await stop()
    server = spawn(process.execPath, ['--enable-source-maps', ...SERVICE], {
      cwd: ROOT,
      stdio: 'inherit',
      // Out of the terminal's reach: a second signal ends the server at once.
      detached: true
    })
  }
  if (changes === built) {
    await new Promise<void>((resolve) => {
      wake = resolve
    })
  }
  await setTimeout(TOGETHER)
}

async function stop(): Promise<void> {
  if (server === undefined || server.exitCode !== null) return
  server.kill('SIGTERM')
  await once(server, 'exit')
}
