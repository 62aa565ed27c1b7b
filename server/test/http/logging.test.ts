/** What the log says of a request, and its ID. */
import { request } from 'node:http'
import t, { type Test } from 'tap'
import { within } from '../../../scripts/lib/wait.ts'
import { buildApp } from '../../src/app.ts'
import { loadModels } from '../../src/models/load.ts'
import { folder } from '../fixtures.ts'

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

async function open(t: Test, level = 'info') {
  const lines: Record<string, unknown>[] = []
  const models = loadModels(folder('sample'))
  const app = await buildApp({
    models,
    logger: { level, stream: { write: (line: string) => void lines.push(JSON.parse(line)) } }
  })
  t.teardown(() => app.close())
  await models
  return { app, lines, requests: () => lines.filter(({ msg }) => msg === 'request') }
}

t.test('a request is one line: route, status, time, address and the code of a refusal', async (t) => {
  const { app, lines, requests } = await open(t)
  await app.inject('/models')
  await app.inject({ method: 'DELETE', url: '/users/grace?x-api-key=secret' })
  await app.inject('/users/grace?api_key=secret')
  await app.inject('/nowhere?api_key=secret')
  t.equal(lines.length, 5, 'and one for the audit')
  const expected = { msg: 'request', id: UUID, ms: Number, ip: '127.0.0.1' }
  t.match(requests(), [
    { ...expected, method: 'GET', route: '/models', status: 200 },
    { ...expected, method: 'DELETE', route: '/users/:UserID', status: 404, code: 'KS_ERR_USER_UNKNOWN' },
    { ...expected, method: 'GET', route: '/users/:UserID', status: 404, code: 'KS_ERR_USER_UNKNOWN' },
    { ...expected, method: 'GET', route: '/nowhere', status: 404, code: 'KS_ERR_NOT_FOUND' }
  ])
  t.notMatch(JSON.stringify(lines), /secret|grace/, 'neither queries nor users')
})

t.test('health checks are lines of debugging', async (t) => {
  const { app, lines } = await open(t)
  await app.inject('/health/ready')
  t.same(lines, [])
  const debugging = await open(t, 'debug')
  await debugging.app.inject('/health/ready')
  t.match(debugging.requests(), [{ route: '/health/ready', status: 200 }])
})

t.test(
  'the ID of a request is its own or a new one, in the answer, in an error and in the log',
  async (t) => {
    const { app, requests } = await open(t)
    for (const [given, expected] of [
      ['Root=1-67891233-abcdef012345678912345678', 'Root=1-67891233-abcdef012345678912345678'],
      [undefined, UUID],
      ['', UUID],
      ['x'.repeat(129), UUID],
      ['two words', UUID],
      ['"},{"level":60', UUID]
    ] as const) {
      const headers = given === undefined ? {} : { 'x-request-id': given }
      for (const url of ['/models', '/nowhere']) {
        const response = await app.inject({ url, headers })
        const id = response.headers['x-request-id']
        t.match(id, expected)
        if (url === '/nowhere') t.equal(response.json().requestID, id)
        t.equal(requests().at(-1)!.id, id)
      }
    }
    const ids = requests().map(({ id }) => id)
    t.equal(new Set(ids).size, ids.length - 1, 'new ones are different')
  }
)

t.test('a client that leaves before its answer is 499', async (t) => {
  const { app, requests } = await open(t)
  const { port } = new URL(await app.listen({ host: '127.0.0.1', port: 0 }))
  const upload = request({
    port,
    method: 'POST',
    path: '/predict/batch?Model=RF',
    headers: { 'content-type': 'text/csv' }
  })
  upload.on('error', () => {})
  upload.write('press-0,release-0,press-1,release-1\n')
  await new Promise((next) => setTimeout(next, 200))
  upload.destroy()
  t.ok(await within(5_000, () => requests().length > 0))
  t.match(requests(), [{ route: '/predict/batch', status: 499 }])
})
