/**
 * `npm run bench:growth`: what POST /identify takes with 110, 1,000 and 10,000 users, who are synthetic.
 * Writes docs/growth.md and docs/images/growth.svg.
 */
import { statSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { delimiter, join } from 'node:path'
import { PYTHON, PYTHON_ENV, ROOT, run } from '../../scripts/lib/processes.ts'
import { type Loaded, load, must, startServer, tsx } from '../measure.ts'

const USERS = [110, 1_000, 10_000]
const ROUNDS = 5
const SECONDS = 2
const CONNECTIONS = 32
const PORT = 18_090
const WORK = join(ROOT, 'node_modules', '.cache', 'keystroke', 'growth')

/** Whose users' typings are drawn by data/generate.py. */
const env = { ...PYTHON_ENV, PYTHONPATH: [PYTHON_ENV.PYTHONPATH, join(ROOT, 'data')].join(delimiter) }

const measures = []
for (const users of USERS) {
  const folder = join(WORK, String(users))
  console.error(`${users} users: fitting`)
  await must(run(PYTHON, ['bench/growth/growth.py', 'prepare', String(users), folder], { env }))
  const command = [...tsx('growth/server.ts'), folder, String(PORT)]
  const server = await startServer({ name: `${users} users`, command }, PORT)
  const lone: Loaded[] = []
  const busy: Loaded[] = []
  try {
    await load(server, folder, 'typing', CONNECTIONS, 1)
    for (let round = 1; round <= ROUNDS; round++) {
      lone.push(await load(server, folder, 'typing', 1, SECONDS))
      busy.push(await load(server, folder, 'typing', CONNECTIONS, SECONDS))
      console.error(`${users} users: round ${round} of ${ROUNDS}`)
    }
  } finally {
    server.child.kill('SIGKILL')
  }
  measures.push({
    users,
    fileMb: statSync(join(folder, 'typing.onnx')).size / 1e6,
    loneMs: median(lone.map(({ perSecond }) => 1000 / perSecond)),
    cpuMs: median(busy.map(({ cpuMsPer1000 }) => cpuMsPer1000 / 1000)),
    rssMb: median(busy.map(({ rssMb }) => rssMb))
  })
}
const path = join(WORK, 'results.json')
const machine = `${cpus()[0]!.model.trim()}, ${cpus().length} cores`
await writeFile(
  path,
  JSON.stringify({ machine, node: process.version, rounds: ROUNDS, connections: CONNECTIONS, measures })
)
await must(run(PYTHON, ['bench/growth/growth.py', 'report', path, join(ROOT, 'docs')], { env }))

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!
}
