/**
 * `npm run bench:growth`: what POST /identify takes with 110 to 100,000 users, who are synthetic, and how often it
 * names them. Writes docs/growth.md and docs/images/growth.svg; takes about ten minutes.
 */
import { readFile, rm, writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { delimiter, join } from 'node:path'
import { build } from '../../scripts/build.ts'
import { PYTHON, PYTHON_ENV, ROOT, run, SERVICE } from '../../scripts/lib/processes.ts'
import { SqliteStore } from '../../server/src/users/sqlite.ts'
import { keyOf } from '../../server/src/users/store.ts'
import { type Loaded, load, must, startServer } from '../measure.ts'

const USERS = [110, 1_000, 10_000, 100_000]
const MOST = USERS.at(-1)!
const ROUNDS = 5
const SECONDS = 2
const CONNECTIONS = 32
const REQUESTS = 200
const PORT = 18_090

/** Of growth.py: users of the training, typings of each person and how many they are enrolled with, keys. */
const TRAINED = 110
const TYPINGS = 6
const ENROLLED = 4
const KEYS = 13

const WORK = join(ROOT, 'node_modules', '.cache', 'keystroke', 'growth')
const MODELS = join(WORK, 'models')
const USERS_DB = join(WORK, 'users.db')

/** Whose users' typings are drawn by data/generate.py. */
const env = {
  ...PYTHON_ENV,
  PYTHONPATH: [PYTHON_ENV.PYTHONPATH, join(ROOT, 'data')].join(delimiter),
  OMP_NUM_THREADS: '1'
}
const python = (...args: string[]) => must(run(PYTHON, args, { env }))

await rm(WORK, { recursive: true, force: true })
await must(build())
console.error(`Drawing ${MOST} people and training on ${TRAINED} of them`)
await python('bench/growth/growth.py', 'prepare', WORK, String(MOST + TRAINED))
await python('server/test/fixture.py', join(WORK, 'trained.csv'), MODELS)
const bytes = await readFile(join(WORK, 'enrolled.bin'))
const times = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)

const measures = []
let enrolled = 0
for (const users of USERS) {
  console.error(`${users} users: enrolling`)
  await enroll(users - TRAINED)
  await writeRequests(users - TRAINED)
  const server = await startServer(
    {
      name: `${users} users`,
      command: [process.execPath, ...SERVICE],
      env: { MODELS_DIR: MODELS, USERS_DB, PORT: String(PORT), NODE_ENV: 'production' }
    },
    PORT
  )
  const lone: Loaded[] = []
  const busy: Loaded[] = []
  try {
    await load(server, WORK, 'typing', CONNECTIONS, 1)
    for (let round = 1; round <= ROUNDS; round++) {
      lone.push(await load(server, WORK, 'typing', 1, SECONDS))
      busy.push(await load(server, WORK, 'typing', CONNECTIONS, SECONDS))
      console.error(`${users} users: round ${round} of ${ROUNDS}`)
    }
  } finally {
    server.child.kill('SIGKILL')
  }
  measures.push({
    users,
    startS: server.startMs / 1000,
    loneMs: median(lone.map(({ perSecond }) => 1000 / perSecond)),
    cpuMs: median(busy.map(({ cpuMsPer1000 }) => cpuMsPer1000 / 1000)),
    rssMb: median(busy.map(({ rssMb }) => rssMb))
  })
  console.error(measures.at(-1))
}
const machine = `${cpus()[0]!.model.trim()}, ${cpus().length} cores`
await writeFile(
  join(WORK, 'results.json'),
  JSON.stringify({ machine, node: process.version, rounds: ROUNDS, connections: CONNECTIONS, measures })
)
await python('bench/growth/growth.py', 'rank', WORK, ...USERS.map(String))
await python('bench/growth/growth.py', 'report', WORK, join(ROOT, 'docs'))

/** A typing of somebody who is enrolled. */
function typing(person: number, row: number): { Press: number[]; Release: number[] } {
  const first = (person * TYPINGS + row) * 2 * KEYS
  const numbers = [...times.subarray(first, first + 2 * KEYS)]
  return {
    Press: numbers.filter((_, i) => i % 2 === 0),
    Release: numbers.filter((_, i) => i % 2 === 1)
  }
}

/** Put people into the store until there are so many. */
async function enroll(count: number): Promise<void> {
  const store = new SqliteStore(USERS_DB)
  const now = new Date().toISOString()
  for (; enrolled < count; enrolled++) {
    const UserID = `person-${enrolled}`
    const typings = Array.from({ length: ENROLLED }, (_, row) => typing(enrolled, row))
    await store.put(keyOf(UserID), 0, { UserID, typings, createdAt: now, updatedAt: now })
  }
  await store.close()
}

/** Typings to ask about: of those who are enrolled, or of the first who will be. */
async function writeRequests(count: number): Promise<void> {
  const people = Array.from({ length: REQUESTS }, (_, i) => Math.floor((i * (count || REQUESTS)) / REQUESTS))
  const rows = people.map((person) => {
    const { Press, Release } = typing(person, ENROLLED)
    return Press.flatMap((time, key) => [time, Release[key]!])
  })
  await writeFile(join(WORK, 'requests.json'), JSON.stringify({ inputs: { times: rows } }))
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!
}
