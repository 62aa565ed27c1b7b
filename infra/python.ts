/** The Python programs that check the templates, in `infra/.venv/`; `infra/requirements.txt` pins them. */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PYTHON, run } from '../scripts/processes.ts'

const INFRA = import.meta.dirname
const ENVIRONMENT = join(INFRA, '.venv')
const BIN = join(ENVIRONMENT, process.platform === 'win32' ? 'Scripts' : 'bin')

export const CFN_LINT = join(BIN, 'cfn-lint')
export const CHECKOV = join(BIN, 'checkov')
export const MOTO = join(BIN, 'moto_server')

/** Install them where they are not, or other versions are; about a minute, once. */
export async function installTools(): Promise<void> {
  const requirements = join(INFRA, 'requirements.txt')
  const wanted = createHash('sha256')
    .update(await readFile(requirements))
    .digest('hex')
  const stamp = join(ENVIRONMENT, '.keystroke-installed')
  if (existsSync(stamp) && (await readFile(stamp, 'utf8')) === wanted) return
  console.error('Installing cfn-lint, checkov and moto into infra/.venv, which takes a minute ...')
  await rm(ENVIRONMENT, { recursive: true, force: true })
  const options = ['--require-hashes', '--quiet', '--disable-pip-version-check']
  const code =
    (await run(PYTHON, ['-m', 'venv', ENVIRONMENT])) ||
    (await run(join(BIN, 'python'), ['-m', 'pip', 'install', ...options, '-r', requirements]))
  if (code !== 0) throw new Error('They could not be installed; the lines above say why.')
  await writeFile(stamp, wanted)
}

if (process.argv[1] === import.meta.filename) await installTools()
