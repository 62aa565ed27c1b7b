/** The process that production runs, as a child. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, readFile, truncate } from 'node:fs/promises'
import { type IncomingMessage, request } from 'node:http'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { ROOT } from '../../scripts/lib/processes.ts'
import type { Manifest } from '../src/schemas/manifest.ts'
import { csv, folder } from './fixtures.ts'

interface Run {
  child: ChildProcess
  stdout: () => string
  stderr: () => string
  exit: Promise<number | null>
}

function start(environment: Record<string, string>): Run {
  let out = ''
  let err = ''
  const child = spawn(process.execPath, ['--import', 'tsx', 'server/src/main.ts'], {
    cwd: ROOT,
    env: {
      PATH: process.env.PATH ?? '',
      HOST: '127.0.0.1',
      PORT: '0',
      MODELS_DIR: folder('sample'),
      ...environment
    }
  })
  child.stdout.on('data', (chunk) => {
    out += chunk
  })
  child.stderr.on('data', (chunk) => {
    err += chunk
  })
  return { child, stdout: () => out, stderr: () => err, exit: once(child, 'close').then(([code]) => code) }
}

/** Wait until the child is ready; where it listens. */
async function ready({ child, stdout }: Run): Promise<string> {
  while (!stdout().includes('"msg":"ready"')) {
    if (child.exitCode !== null) throw new Error('ended before it was ready')
    await once(child.stdout!, 'data')
  }
  return /listening at (http:\S+)"/.exec(stdout())![1]!
}

t.test('what is gathered for the log is written at the exit, after a fault as well', async (t) => {
  const fault = "process.on('SIGUSR2', () => { throw new Error('out of paper') })"
  const run = start({ NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(fault)}` })
  const url = await ready(run)
  t.equal((await fetch(`${url}/models`, { headers: { connection: 'close' } })).status, 200)
  run.child.kill('SIGUSR2')
  t.equal(await run.exit, 1)
  t.match(run.stdout(), /"route":"\/models","status":200/)
  t.match(run.stdout(), /"level":60.*out of paper/)
  t.match(run.stdout(), '"msg":"closing"')
})

t.test('where nothing takes the log, requests are answered, and no line is lost', async (t) => {
  const run = start({})
  t.teardown(() => run.child.kill('SIGKILL'))
  const url = await ready(run)
  run.child.stdout!.pause()
  const REQUESTS = 4_000
  let answered = 0
  for (let sent = 0; sent < REQUESTS; sent += 50) {
    const answers = await Promise.all(Array.from({ length: 50 }, () => fetch(`${url}/nowhere`)))
    for (const answer of answers) {
      if (answer.status === 404) answered++
      await answer.arrayBuffer()
    }
  }
  t.equal(answered, REQUESTS)
  // More than a pipe holds.
  t.equal(run.stdout().split('"route":"/nowhere"').length, 1)
  run.child.stdout!.resume()
  run.child.kill('SIGTERM')
  t.equal(await run.exit, 0)
  t.equal(run.stdout().split('"route":"/nowhere"').length - 1, REQUESTS)
})

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  t.test(
    `on ${signal} an upload under way is answered to its end, and the process ends with 0`,
    async (t) => {
      const run = start({})
      const url = await ready(run)
      const [header, ...rows] = csv('sample').toString().trimEnd().split('\n')
      const upload = request(`${url}/predict/batch?Model=RF`, {
        method: 'POST',
        headers: { 'content-type': 'text/csv' }
      })
      // csv-parse looks ahead: a row comes out when the next has begun.
      upload.write(`${header}\n${rows[0]}\n${rows[1]}\n`)
      const [response] = (await once(upload, 'response')) as [IncomingMessage]
      run.child.kill(signal)
      while (!run.stdout().includes(`"signal":"${signal}"`)) await once(run.child.stdout!, 'data')
      const letIn = () =>
        fetch(`${url}/health/live`, { headers: { connection: 'close' } }).then(
          () => true,
          () => false
        )
      while (await letIn()) await sleep(20)

      upload.end(rows.slice(2).join('\n'))
      const answers = (await text(response)).trimEnd().split('\n')
      t.equal(answers.length, 1 + rows.length)
      t.equal(await run.exit, 0)
      t.equal(run.stderr(), '')
    }
  )
}

t.test('a file where nobody can be enrolled is named at the start', async (t) => {
  const folderOf = t.testdir({ file: 'not a folder', folder: { 'users.db': {} } })
  for (const [USERS_DB, why] of [
    [join(folderOf, 'file', 'users.db'), 'is not a folder'],
    [join(folderOf, 'folder', 'users.db'), 'it is not a file']
  ] as const) {
    const run = start({ USERS_DB })
    await ready(run)
    const warning = run
      .stdout()
      .split('\n')
      .find((line) => line.includes('users cannot be enrolled'))
    t.match(warning, `USERS_DB=${USERS_DB}`)
    t.match(warning, why)
    run.child.kill()
    t.equal(await run.exit, 0)
  }
})

t.test('what cannot be served ends the process with 1 and one sentence', async (t) => {
  const dir = t.testdir({ empty: {} })
  const spoilt = join(dir, 'spoilt')
  await cp(folder('sample'), spoilt, { recursive: true })
  const manifest = JSON.parse(await readFile(join(spoilt, 'manifest.json'), 'utf8')) as Manifest
  await truncate(join(spoilt, manifest.models.RF.file), 1000)

  const refusals: [what: string, environment: Record<string, string>, message: RegExp][] = [
    [
      'no models',
      { MODELS_DIR: join(dir, 'empty') },
      /^There is no .*manifest\.json; run npm run train\.\n$/
    ],
    [
      'a truncated model',
      { MODELS_DIR: spoilt },
      /^.*rf-.*\.onnx has 1000 bytes, and the manifest says \d+\.\n$/
    ],
    ['a bad setting', { PORT: 'http' }, /^Invalid environment: PORT must be integer\.\n$/]
  ]
  for (const [what, environment, message] of refusals) {
    const run = start(environment)
    t.equal(await run.exit, 1, what)
    t.match(run.stderr(), message, what)
  }
})

t.test('a port in use is reported in one sentence', async (t) => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  t.teardown(() => other.close())
  const { port } = other.address() as { port: number }
  const run = start({ PORT: String(port) })
  t.equal(await run.exit, 1)
  t.match(run.stderr(), new RegExp(`^Port ${port} is taken; set another\\.\\n$`))
})
