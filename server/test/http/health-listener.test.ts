import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import t from 'tap'
import { within } from '../../../scripts/lib/wait.ts'
import { Health } from '../../src/http/health.ts'
import { HealthListener } from '../../src/http/health-listener.ts'

/** ms; longer than anything here takes on a slow machine. */
const PATIENCE = 60_000

async function check(port: number, path: string) {
  const response = await fetch(`http://127.0.0.1:${port}${path}`)
  return { status: response.status, text: await response.text() }
}

t.test('health checks say what state the process is in', async (t) => {
  const health = new Health()
  const listener = await HealthListener.start(health, '127.0.0.1', 0)
  t.teardown(() => listener.close())
  t.same(await check(listener.port, '/health/live'), { status: 200, text: '{"status":"alive"}' })
  t.same(await check(listener.port, '/health/ready'), { status: 503, text: '{"status":"starting"}' })
  health.start()
  t.same(await check(listener.port, '/health/ready'), { status: 200, text: '{"status":"ready"}' })
  health.state = 'draining'
  t.same(await check(listener.port, '/health/ready'), { status: 503, text: '{"status":"draining"}' })
  t.same(await check(listener.port, '/health/live'), { status: 200, text: '{"status":"alive"}' })
  t.equal((await check(listener.port, '/models')).status, 404)
})

t.test('they are answered while the main thread computes, and say so once it hangs', async (t) => {
  const health = new Health()
  health.start()
  const listener = await HealthListener.start(health, '127.0.0.1', 0)
  t.teardown(() => listener.close())
  // In a thread of its own, as this one is to hang.
  const { Worker } = await import('node:worker_threads')
  const asker = new Worker(
    `const { workerData: port, parentPort } = require('node:worker_threads')
     const statuses = []
     const ask = async () => {
       const { status } = await fetch('http://127.0.0.1:' + port + '/health/ready')
       if (status !== statuses.at(-1)) statuses.push(status)
       if (status === 200) setTimeout(ask, 100)
       else parentPort.postMessage(statuses)
     }
     ask()`,
    { eval: true, workerData: listener.port }
  )
  const said = once(asker, 'message')
  await once(asker, 'online')
  const started = performance.now()
  while (performance.now() - started < 13_000);
  t.same((await said)[0], [200, 503])
  t.ok(
    await within(PATIENCE, async () => (await check(listener.port, '/health/ready')).status === 200, 50),
    'and it is ready again once it goes on'
  )
})

t.test('a port that is taken is reported', async (t) => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  t.teardown(() => other.close())
  const { port } = other.address() as AddressInfo
  await t.rejects(HealthListener.start(new Health(), '127.0.0.1', port), { code: 'EADDRINUSE' })
})

t.test('connections that ask nothing do not keep checks out', async (t) => {
  const health = new Health()
  const listener = await HealthListener.start(health, '127.0.0.1', 0)
  t.teardown(() => listener.close())
  const silent = Array.from({ length: 150 }, () => connect(listener.port, '127.0.0.1').on('error', () => {}))
  t.teardown(() => silent.forEach((socket) => void socket.destroy()))
  t.ok(
    await within(
      PATIENCE,
      () =>
        check(listener.port, '/health/live').then(
          ({ status }) => status === 200,
          () => false
        ),
      50
    )
  )
})
