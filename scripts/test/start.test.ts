/** `npm start` as people run it, with models that are there. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { folder } from '../../server/test/fixtures.ts'
import { ROOT } from '../lib/processes.ts'
import { isAnswered, within } from '../lib/wait.ts'

const skip = process.platform === 'win32' && 'signals are of POSIX'

/** Run it; `said` is all that it has written so far. */
function npmStart(t: Test, environment: Record<string, string> = {}, args: string[] = []) {
  const run = { child: spawn('npm', ['-s', 'start', '--', ...args], options(environment)), said: '' }
  for (const stream of [run.child.stdout, run.child.stderr]) {
    stream.on('data', (chunk) => {
      run.said += chunk
    })
  }
  const exit = once(run.child, 'close').then(([code]) => code as number | null)
  t.teardown(() => run.child.kill())
  return { ...run, said: () => run.said, exit }
}

const options = (environment: Record<string, string>) => ({
  cwd: ROOT,
  env: { ...process.env, HOST: '127.0.0.1', PORT: '0', MODELS_DIR: folder('sample'), ...environment }
})

/** Wait for the welcome; the page's address in it. */
async function welcomed(run: ReturnType<typeof npmStart>): Promise<string> {
  const page = () => /Page {2}(\S+)/.exec(run.said())?.[1]
  await Promise.race([within(60_000, () => page() !== undefined), run.exit])
  return page() ?? `none: ${run.said()}`
}

t.test('it welcomes with the address that it has, and ends when npm is killed', { skip }, async (t) => {
  const run = npmStart(t)
  const url = await welcomed(run)
  t.match(url, /^http:\/\/127\.0\.0\.1:[1-9]\d*$/)
  t.ok(await isAnswered(`${url}/models`))
  run.child.kill()
  t.ok(await within(10_000, async () => !(await isAnswered(`${url}/models`))), 'nothing is left')
})

t.test('it welcomes with an address of IPv6', { skip }, async (t) => {
  const url = await welcomed(npmStart(t, { HOST: '::1' }))
  t.match(url, /^http:\/\/\[::1\]:[1-9]\d*$/)
  t.ok(await isAnswered(`${url}/health/ready`))
})

t.test('a port that is taken is named before anything else, with another', async (t) => {
  // As another instance of the service would, it answers.
  const other = createServer((socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'))
  await once(other.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => other.close())
  const { port } = other.address() as AddressInfo
  const run = npmStart(t, { PORT: `${port}`, MODELS_DIR: t.testdir() })
  t.equal(await run.exit, 1)
  t.equal(run.said(), `Port ${port} is taken: PORT=${port + 1} npm start\n`)
})

t.test('a CSV that is called .txt is not taken for its own string', { skip }, async (t) => {
  const here = t.testdir({ models: {} })
  const [path, models] = [join(here, 'sample.txt'), join(here, 'models')]
  cpSync(join(ROOT, 'data', 'sample.csv'), path)
  // Models that a training on that file would leave.
  cpSync(folder('sample'), models, { recursive: true })
  const manifest = join(models, 'manifest.json')
  const { dataset, ...rest } = JSON.parse(readFileSync(manifest, 'utf8'))
  writeFileSync(manifest, JSON.stringify({ ...rest, dataset: { ...dataset, string: null } }))
  const run = npmStart(t, { MODELS_DIR: models }, [path])
  t.match(await welcomed(run), /^http:/)
  t.notMatch(run.said(), 'Training')
})

for (const [args, says] of [
  [['a.csv', 'b.csv'], 'One CSV is served at a time, and not b.csv as well.'],
  [['--models', 'x'], "Unknown option '--models'"]
] as const) {
  t.test(`refused with the usage: ${args.join(' ')}`, async (t) => {
    const run = npmStart(t, {}, [...args])
    t.equal(await run.exit, 1)
    t.match(run.said(), says)
    t.match(run.said(), 'Usage: npm start [-- path/to.csv]')
  })
}

t.test('--help says how it is used', async (t) => {
  const run = npmStart(t, {}, ['--help'])
  t.equal(await run.exit, 0)
  t.match(run.said(), /^Usage: npm start/)
})
