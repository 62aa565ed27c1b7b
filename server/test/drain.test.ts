import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout } from 'node:timers/promises'
import { type Test, test } from 'tap'
import { ROOT } from '../../scripts/lib/processes.ts'
import { within } from '../../scripts/lib/wait.ts'
import { goldenRequests } from '../src/models/golden.ts'
import { readManifest } from '../src/models/manifest.ts'
import { folder } from './fixtures.ts'

interface Service {
  child: ChildProcess
  port: number
  /** Exit code. */
  over: Promise<number | null>
}

/** The process as production runs it, on a port of its own. */
async function startService(
  t: Test,
  models: string,
  drainSeconds: number,
  home = '/nonexistent'
): Promise<Service> {
  const child = spawn(process.execPath, ['--import', 'tsx', 'server/src/main.ts'], {
    cwd: ROOT,
    env: {
      PATH: process.env.PATH,
      HOME: home,
      MODELS_DIR: models,
      PORT: '0',
      DRAIN_SECONDS: String(drainSeconds)
    },
    stdio: ['ignore', 'pipe', 'inherit']
  })
  t.teardown(() => child.kill('SIGKILL'))
  const over = once(child, 'exit').then(([code]) => code as number | null)
  const port = await new Promise<number>((resolve, reject) => {
    let port = 0
    over.then((code) => reject(new Error(`the service ended with ${code}`)))
    child.stdout!.setEncoding('utf8').on('data', (lines: string) => {
      port ||= Number(/127\.0\.0\.1:(\d+)/.exec(lines)?.[1] ?? 0)
      if (lines.includes('"msg":"ready"')) resolve(port)
    })
  })
  return { child, port, over }
}

interface Answer {
  status: number
  lastOfConnection: boolean
}

function post(port: number, body: string, agent: Agent): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        port,
        host: '127.0.0.1',
        path: '/predict',
        method: 'POST',
        agent,
        headers: { 'content-type': 'application/json' }
      },
      (incoming) => {
        incoming.resume().on('end', () => {
          resolve({ status: incoming.statusCode!, lastOfConnection: incoming.headers.connection === 'close' })
        })
        incoming.on('error', reject)
      }
    )
    outgoing.on('error', reject).end(body)
  })
}

async function readiness(port: number): Promise<number> {
  return (await fetch(`http://127.0.0.1:${port}/health/ready`)).status
}

/** ms; longer than anything here takes on a slow machine. */
const PATIENCE = 120_000

const DRAIN_SECONDS = 8

test('a service that receives SIGTERM', async (t) => {
  const models = folder('sample')
  const body = JSON.stringify(goldenRequests(await readManifest(models), 'RF')[0]!.body)

  await t.test(
    'is not ready at once, serves on while the load balancer notices, and ends: no request fails',
    async (t) => {
      // Long enough to be looked at on a slow machine.
      const { child, port, over } = await startService(t, models, DRAIN_SECONDS)
      // As a balancer: two failed checks in a row, and no request goes there any more.
      let inRotation = true
      const failed: unknown[] = []
      let answered = 0
      let asked = 0
      const load = Array.from({ length: 50 }, async () => {
        const agent = new Agent({ keepAlive: true, maxSockets: 1 })
        while (inRotation) {
          const answer = await post(port, body, agent).catch((error) => error)
          if (answer.status === 200) answered++
          else failed.push(answer)
          if (answer.lastOfConnection) asked++
        }
        agent.destroy()
      })
      t.ok(await within(PATIENCE, () => answered > 100, 20))
      t.equal(await readiness(port), 200)
      const sent = performance.now()
      child.kill('SIGTERM')
      t.ok(await within(PATIENCE, async () => (await readiness(port)) === 503, 20))
      const beforeNotice = answered
      t.ok(await within(PATIENCE, () => answered > beforeNotice + 100 && asked > 0, 20))
      t.equal(await readiness(port), 503)
      t.ok(performance.now() - sent < 1_000 * DRAIN_SECONDS, 'while it drains')
      inRotation = false
      await Promise.all(load)
      t.equal(await over, 0, 'ends of its own accord')
      const took = performance.now() - sent
      t.ok(took > 1_000 * DRAIN_SECONDS, `took ${Math.round(took)} ms`)
      t.ok(beforeNotice > 100, `${beforeNotice} answers before the notice`)
      t.ok(answered > beforeNotice, `${answered - beforeNotice} answers while draining`)
      t.ok(asked > 0, `${asked} answers asked the client to connect anew`)
      t.strictSame(failed, [])
    }
  )

  await t.test('finishes a request that is still arriving when it stops listening', async (t) => {
    const { child, port, over } = await startService(t, models, 0)
    const socket = connect(port, '127.0.0.1')
    const answer = text(socket)
    socket.write(
      `POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n` +
        body.slice(0, 20)
    )
    // Answered after what came before them is read.
    for (let i = 0; i < 3; i++) await readiness(port)
    child.kill('SIGTERM')
    for (let refused = false; !refused; await setTimeout(20))
      refused = await readiness(port).then(
        () => false,
        () => true
      )
    socket.write(body.slice(20))
    const reply = await answer
    t.match(reply, /^HTTP\/1.1 200 /)
    t.match(reply, /^connection: close\r$/im)
    t.equal(await over, 0)
  })

  await t.test('leaves nothing in its home: the telemetry of onnxruntime is off', async (t) => {
    const home = t.testdir()
    const { child, over } = await startService(t, models, 0, home)
    child.kill('SIGTERM')
    t.equal(await over, 0)
    t.strictSame(await readdir(home), [])
  })

  await t.test('ends at once on a second signal', async (t) => {
    const { child, port, over } = await startService(t, models, 60)
    child.kill('SIGTERM')
    while ((await readiness(port)) !== 503) await setTimeout(20)
    const sentAgain = performance.now()
    child.kill('SIGTERM')
    t.equal(await over, 1)
    t.ok(performance.now() - sentAgain < 30_000, 'and not after a minute')
  })
})
