/**
 * `npm run lock [-- --upgrade]`: compile what notebook/pyproject.toml asks for to exact versions and hashes, without
 * addresses: requirements.txt is the project and the checks, and each other group has a file on top of it.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ROOT, run, UV } from './lib/processes.ts'

const PROJECT = 'notebook/pyproject.toml'
const GROUPS = ['uv', 'infra', 'clients', 'bench', 'jupyter']
const group = (name: string) => ['--group', `${PROJECT}:${name}`]

const folder = await mkdtemp(join(tmpdir(), 'keystroke-lock-'))
try {
  const all = join(folder, 'all.txt')
  // All at once first: they share an environment, and must agree on versions. Those that are locked are kept if they fit.
  if (!process.argv.includes('--upgrade')) {
    const locks = ['requirements', ...GROUPS].map((name) => join(ROOT, 'notebook', `${name}.txt`))
    await writeFile(all, (await Promise.all(locks.map((path) => readFile(path, 'utf8')))).join(''))
  }
  await compile([PROJECT, ...group('check'), ...GROUPS.flatMap(group)], all)
  await compile([PROJECT, ...group('check'), '--constraint', all], 'notebook/requirements.txt')
  for (const name of GROUPS) await compile([...group(name), '--constraint', all], `notebook/${name}.txt`)
} finally {
  await rm(folder, { recursive: true })
}

async function compile(what: string[], file: string): Promise<void> {
  const options = [
    '--universal',
    '--python-version',
    '3.11',
    '--generate-hashes',
    '--no-header',
    '--no-annotate'
  ]
  const code = await run(UV, ['pip', 'compile', '--quiet', ...options, ...what, '--output-file', file], {
    cwd: ROOT
  })
  if (code !== 0) throw new Error(`${file} could not be compiled; see above`)
}
