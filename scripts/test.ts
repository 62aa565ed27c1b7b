/** `npm test`: every test there is but npm run test:deploy, of both languages, and at the end one line that counts them. */
import { spawn } from 'node:child_process'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { prepareFixtures } from '../server/test/fixtures.ts'
import { build } from './build.ts'
import { ended, nodeTool, PYTHON, PYTHON_ENV, ROOT } from './processes.ts'

interface Count {
  passed: number
  failed: number
  skipped: number
}

/** What builds and runs the image, alone, for it is measured under load. */
const CONTAINERS = ['scripts/image.test.ts']

const python = await count('pytest', PYTHON, ['-m', 'pytest'], 'notebook', async (output) => {
  const closing = output.trimEnd().split('\n').at(-1) ?? ''
  const number = (word: string) => Number(new RegExp(`(\\d+) ${word}`).exec(closing)?.[1] ?? 0)
  return {
    passed: number('passed'),
    failed: number('failed') + number('errors?'),
    skipped: number('skipped')
  }
})

// What the browser's tests are served.
if ((await build()) !== 0) throw new Error('the page cannot be built; see above')
await prepareFixtures()
await mkdir(join(ROOT, '.tap'), { recursive: true })
const node = await tap('tap', [])
// Other reporters than raw TAP leave what a test writes to stderr unread at some 200 kB, and then wait for its end.
const containers = await tap('tap: containers', [
  '--reporter=tap',
  '--jobs=1',
  '--timeout=1800',
  ...CONTAINERS
])

const all = [python, node, containers]
const [passed, failed, skipped] = (['passed', 'failed', 'skipped'] as const).map((outcome) =>
  all.reduce((sum, each) => sum + each[outcome], 0)
) as [number, number, number]
console.log(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
process.exitCode = failed > 0 || passed === 0 ? 1 : 0

function tap(name: string, args: string[]): Promise<Count> {
  const results = join(ROOT, '.tap', `${name.replace(': ', '-')}.tap`)
  return count(name, nodeTool('tap'), [`--output-file=${results}`, ...args], '.', async () => {
    // A file's tests are one level down in its TAP; the files themselves are not counted.
    const lines = (await readFile(results, 'utf8')).split('\n')
    const tests = lines.filter((line) => /^ {4}(?:not )?ok /.test(line))
    const skipped = tests.filter((line) => /# SKIP/i.test(line))
    const failed = tests.filter((line) => line.startsWith('    not ok')).length
    for (const line of skipped) console.log(line.replace(/^ *ok \d+ - (.*) # SKIP (.*)$/, 'Skipped: $1 ($2)'))
    return { passed: tests.length - failed - skipped.length, failed, skipped: skipped.length }
  })
}

/** Run a test runner in the terminal and count; one that fails without a failed test counts as one. */
async function count(
  name: string,
  command: string,
  args: string[],
  folder: string,
  read: (output: string) => Promise<Count>
): Promise<Count> {
  console.log(`\n${name}\n`)
  const child = spawn(command, args, {
    cwd: join(ROOT, folder),
    env: PYTHON_ENV,
    stdio: ['ignore', 'pipe', 'inherit']
  })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk
    process.stdout.write(chunk)
  })
  const code = await ended(child)
  const counted = await read(output)
  if (code !== 0 && counted.failed === 0) counted.failed = 1
  return counted
}
