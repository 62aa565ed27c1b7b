/**
 * `npm run bench:attacks`: what programs reach that claim to be somebody, and how far people's typings are from copies
 * and from a robot's. Writes the figures in docs/threat-model.md; takes about ten minutes.
 */

import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { build } from '../../scripts/build.ts'
import { PYTHON, PYTHON_ENV, ROOT } from '../../scripts/lib/processes.ts'
import { FIRST_AND_LAST, prepareEnrolled } from '../../server/test/fixtures.ts'
import { must, startServer } from '../measure.ts'

const PORT = 18_091
const WORK = join(ROOT, 'node_modules', '.cache', 'keystroke', 'attacks')

await rm(WORK, { recursive: true, force: true })
await mkdir(WORK, { recursive: true })
await must(build())
const folder = await prepareEnrolled(FIRST_AND_LAST)
const [key, admin] = [randomBytes(32).toString('hex'), randomBytes(32).toString('hex')]
const hash = (text: string) => createHash('sha256').update(text).digest('hex')
const server = await startServer(
  {
    name: 'the service',
    command: [process.execPath, join(ROOT, 'server', 'dist', 'main.js')],
    env: {
      MODELS_DIR: folder,
      USERS_DB: join(WORK, 'users.db'),
      API_KEY_SHA256: hash(key),
      ADMIN_KEY_SHA256: hash(admin),
      PORT: String(PORT),
      NODE_ENV: 'production'
    }
  },
  PORT
)
try {
  await writeFile(join(WORK, 'attacks.json'), await python('attacks.py', folder, server.url, key, admin))
} finally {
  server.child.kill('SIGKILL')
}
console.log(await readFile(join(WORK, 'attacks.json'), 'utf8'))

/** @returns what a script of this folder prints */
async function python(script: string, ...args: string[]): Promise<string> {
  const child = spawn(PYTHON, [join(import.meta.dirname, script), ...args], {
    cwd: ROOT,
    env: { ...PYTHON_ENV, OMP_NUM_THREADS: '1' },
    stdio: ['ignore', 'pipe', 'inherit']
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    output += chunk
  })
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`${script} failed; see above`)
  return output
}
