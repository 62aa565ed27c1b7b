/**
 * The tests, by what they cover, and at the end one line that counts them:
 * tsx scripts/test.ts SUITE... [FILE or OPTION...]. A file limits the suites to itself; options are the runner's.
 */
import { spawn } from 'node:child_process'
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import { build } from './build.ts'
import { CALLED_FROM, ended, nodeTool, PYTHON, PYTHON_ENV, ROOT } from './lib/processes.ts'

interface Count {
  passed: number
  /** Names. */
  failed: string[]
  skipped: number
}

// To import it makes them.
const prepareFixtures = async () => (await import('../server/test/fixtures.ts')).prepareFixtures()

/** What tap runs, two files at a time. */
const TOGETHER: Record<string, { find: () => Promise<string[]>; prepare: () => Promise<void> }> = {
  server: {
    find: async () => (await testsBelow('server/test')).filter((file) => !isOfPage(file)),
    prepare: prepareFixtures
  },
  page: {
    find: async () => [...(await testsBelow('server/test')).filter(isOfPage), 'examples/login/login.test.ts'],
    prepare: async () => {
      if ((await build()) !== 0) throw new Error('the page cannot be built; see above')
      await prepareFixtures()
    }
  },
  infra: {
    find: async () => [
      ...(await testsBelow('infra/test')),
      'scripts/test/diagrams.test.ts',
      'scripts/test/setup.test.ts'
    ],
    prepare: async () => {}
  }
}

/** What runs alone: containers, which are measured under load, and what builds the service that other tests run. */
const ALONE: Record<string, string> = {
  start: 'scripts/test/start.test.ts',
  image: 'scripts/test/image.test.ts',
  deploy: 'infra/test/deploy/deploy.e2e.ts'
}

const isOfPage = (file: string) => file.startsWith('server/test/page/') || file.endsWith('.browser.test.ts')

const args = process.argv.slice(2)
const suites = args.filter((arg) => arg === 'notebook' || arg in TOGETHER || arg in ALONE)
const options = args.filter((arg) => !suites.includes(arg))
await mkdir(join(ROOT, '.tap'), { recursive: true })

const together = suites.filter((suite) => suite in TOGETHER)
const runs = new Map<string, () => Promise<Count>>()
if (suites.includes('notebook')) runs.set('notebook', () => pytest())
if (together.length > 0) runs.set(together.join(', '), () => tapTogether(together))
for (const suite of suites.filter((suite) => suite in ALONE)) runs.set(suite, () => tapAlone(suite))

const counts: Count[] = []
const notRun: string[] = []
// pytest uses one core, and tap's page tests wait much: side by side they take two thirds of the time.
const beside = suites.includes('notebook') && together.length > 0 ? pytest(true) : undefined
if (beside) runs.delete('notebook')
for (const [name, run] of runs) {
  // A person wants to know all; in CI the first failure decides.
  if (process.env.CI && counts.some(({ failed }) => failed.length > 0)) notRun.push(name)
  else counts.push(await run())
  // What runs alone is measured under load.
  if (beside && counts.length === 1) counts.push(await beside)
}
const sum = (of: (count: Count) => number) => counts.reduce((all, count) => all + of(count), 0)
const passed = sum((count) => count.passed)
const skipped = sum((count) => count.skipped)
const failed = counts.flatMap((count) => count.failed)
console.log()
for (const name of failed) console.log(`Failed: ${name}`)
for (const name of notRun) console.log(`Not run after that: ${name}`)
console.log(`${passed} passed, ${failed.length} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
process.exitCode = failed.length > 0 || passed === 0 ? 1 : 0

/** Test files below a folder, by their paths from the project's root. */
async function testsBelow(folder: string): Promise<string[]> {
  const entries = await readdir(join(ROOT, folder), { recursive: true })
  return entries
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => join(folder, name).replaceAll('\\', '/'))
}

/** @param isBeside - whether something else writes to the terminal; what pytest says comes at its end, then */
function pytest(isBeside = false): Promise<Count> {
  const read = async (output: string): Promise<Count> => {
    const closing = output.trimEnd().split('\n').at(-1) ?? ''
    const number = (word: string) => Number(new RegExp(`(\\d+) ${word}`).exec(closing)?.[1] ?? 0)
    const failed = [...output.matchAll(/^(?:FAILED|ERROR) (.+)$/gm)].map(([, name]) => name!)
    return { passed: number('passed'), failed, skipped: number('skipped') }
  }
  return count('pytest', PYTHON, ['-m', 'pytest', ...options], 'notebook', read, isBeside)
}

async function tapTogether(suites: string[]): Promise<Count> {
  const found = (await Promise.all(suites.map((suite) => TOGETHER[suite]!.find()))).flat()
  for (const suite of suites) await TOGETHER[suite]!.prepare()
  const wanted = options.map((path) => relative(ROOT, resolve(CALLED_FROM, path)).replaceAll('\\', '/'))
  const files = found.filter((file) => wanted.length === 0 || wanted.includes(file))
  if (files.length === 0) throw new Error(`no test of ${suites.join(', ')} is ${options.join(' or ')}`)
  return tap(suites.join(', '), files)
}

function tapAlone(suite: string): Promise<Count> {
  // Other reporters than raw TAP leave what a test writes to stderr unread at some 200 kB, and then wait for its end.
  return tap(suite, ['--reporter=tap', '--jobs=1', '--timeout=1800', ALONE[suite]!])
}

function tap(name: string, args: string[]): Promise<Count> {
  const results = join(ROOT, '.tap', `${name.replaceAll(', ', '-')}.tap`)
  return count(`tap: ${name}`, nodeTool('tap'), [`--output-file=${results}`, ...args], '.', async () => {
    // A file's tests are one level down in its TAP; the files themselves are not counted.
    const lines = (await readFile(results, 'utf8')).split('\n')
    const tests = lines.filter((line) => /^ {4}(?:not )?ok /.test(line))
    const skipped = tests.filter((line) => /# SKIP/i.test(line))
    const failed = tests.filter((line) => line.startsWith('    not ok'))
    for (const line of skipped) console.log(line.replace(/^ *ok \d+ - (.*) # SKIP (.*)$/, 'Skipped: $1 ($2)'))
    return {
      passed: tests.length - failed.length - skipped.length,
      failed: failed.map((line) => line.replace(/^ *not ok \d+ - /, '')),
      skipped: skipped.length
    }
  })
}

/** Run a test runner in the terminal and count; one that fails without a failed test counts as one. */
async function count(
  name: string,
  command: string,
  args: string[],
  folder: string,
  read: (output: string) => Promise<Count>,
  isBeside = false
): Promise<Count> {
  if (!isBeside) console.log(`\n${name}\n`)
  const started = Date.now()
  const child = spawn(command, args, {
    cwd: join(ROOT, folder),
    env: PYTHON_ENV,
    stdio: ['ignore', 'pipe', 'inherit']
  })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk
    if (!isBeside) process.stdout.write(chunk)
  })
  const code = await ended(child)
  if (isBeside) console.log(`\n${name}\n\n${output}`)
  const counted = await read(output)
  if (code !== 0 && counted.failed.length === 0) counted.failed.push(`${name}, with exit code ${code}`)
  console.log(`\n${name}: ${Math.round((Date.now() - started) / 1000)} s`)
  return counted
}
