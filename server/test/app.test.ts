import { request } from 'node:http'
import t from 'tap'
import { buildApp } from '../src/app.ts'
import { loadModels, type Models } from '../src/models/load.ts'
import { CLASSIFIER_NAMES } from '../src/schemas/predict.ts'
import { folder, REQUEST, readyApp } from './fixtures.ts'

t.test('before the models are loaded the service is alive and not ready', async (t) => {
  let release = () => {}
  const gate = new Promise<void>((resolve) => {
    release = resolve
  })
  const models = gate.then(() => loadModels(folder('sample')))
  const app = await buildApp({ models })
  t.teardown(() => app.close())

  t.match(await app.inject('/health/live'), { statusCode: 200, body: '{"status":"alive"}' })
  t.match(await app.inject('/health/ready'), { statusCode: 503, body: '{"status":"starting"}' })
  const early = await app.inject({ method: 'POST', url: '/predict', body: REQUEST })
  t.equal(early.statusCode, 503)
  t.same(early.json(), {
    statusCode: 503,
    code: 'KS_ERR_NOT_READY',
    error: 'Service Unavailable',
    message: 'the service is starting; try again shortly',
    requestID: early.headers['x-request-id']
  })

  release()
  await models
  t.match(await app.inject('/health/ready'), { statusCode: 200, body: '{"status":"ready"}' })
  t.equal((await app.inject({ method: 'POST', url: '/predict', body: REQUEST })).statusCode, 200)
})

t.test('models that cannot be loaded never make the service ready', async (t) => {
  const app = await buildApp({ models: Promise.reject(new Error('spoilt')) })
  t.teardown(() => app.close())
  t.equal((await app.inject('/health/ready')).statusCode, 503)
})

t.test('a service that closes with more requests waiting than a run takes answers them all', async (t) => {
  const app = await readyApp()
  const accepted = new Promise<void>((resolve) => {
    let count = 0
    app.addHook('preValidation', async () => {
      if (++count === 200) resolve()
    })
  })
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  const answers = Array.from({ length: 200 }, async (_, i) => {
    const body = JSON.stringify({ ...REQUEST, Model: CLASSIFIER_NAMES[i % 3] })
    const reply = await fetch(`${url}/predict`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body
    })
    return [reply.status, ((await reply.json()) as { Model: string }).Model]
  })
  await accepted
  await app.close()
  t.same(
    await Promise.all(answers),
    answers.map((_, i) => [200, CLASSIFIER_NAMES[i % 3]])
  )
})

t.test('an unknown path is 404 in the documented form', async (t) => {
  const app = await readyApp()
  t.teardown(() => app.close())
  const nowhere = await app.inject('/nowhere')
  t.same(nowhere.json(), {
    statusCode: 404,
    code: 'KS_ERR_NOT_FOUND',
    error: 'Not Found',
    message: 'there is no GET /nowhere; see /docs',
    requestID: nowhere.headers['x-request-id']
  })
  t.match((await app.inject('/docs/static/nothing.js')).json(), { statusCode: 404, code: 'KS_ERR_NOT_FOUND' })
  const { message } = (await app.inject(`/${'x'.repeat(8000)}?api_key=secret`)).json()
  t.match(message, /^there is no GET \/x{59}…; see \/docs$/, 'neither a long path nor a query is repeated')
})

t.test('a method that a path does not take is 405, and names those that it takes', async (t) => {
  const app = await readyApp()
  t.teardown(() => app.close())
  const response = await app.inject('/predict?top=3')
  t.same(response.json(), {
    statusCode: 405,
    code: 'KS_ERR_METHOD',
    error: 'Method Not Allowed',
    message: 'there is no GET /predict; it takes POST',
    requestID: response.headers['x-request-id']
  })
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  for (const [method, path, allow] of [
    ['GET', '/predict', 'POST'],
    ['DELETE', '/predict/batch', 'POST'],
    ['TRACE', '/verify', 'POST'],
    ['PROPFIND', '/predict', 'POST'],
    ['POST', '/models', 'GET, HEAD'],
    ['PATCH', '/users/ada', 'DELETE, GET, HEAD, PUT'],
    ['GET', '/users/ada/typings', 'POST'],
    ['PUT', '/health/live', 'GET, HEAD'],
    ['POST', '/', 'GET, HEAD'],
    ['POST', '/docs/static/index.css', 'GET, HEAD']
  ] as const) {
    const [status, found] = await new Promise<[number?, string?]>((resolve, reject) => {
      const sent = request(`${url}${path}`, { method }, (response) => {
        response.resume()
        resolve([response.statusCode!, response.headers.allow!])
      })
      sent.on('error', reject)
      sent.end()
    })
    t.equal(status, 405, `${method} ${path}`)
    t.equal(found, allow, `${method} ${path}`)
  }
})

t.test('a fault of ours is 500, says nothing of the inside, and is logged', async (t) => {
  const lines: string[] = []
  const broken = {
    byName: {
      get RF() {
        throw new Error('password hunter2 at /secret/path')
      }
    },
    close: async () => {}
  }
  const app = await buildApp({
    models: Promise.resolve(broken as unknown as Models),
    logger: { level: 'error', stream: { write: (line: string) => void lines.push(line) } }
  })
  t.teardown(() => app.close())
  const response = await app.inject({ method: 'POST', url: '/predict', body: REQUEST })
  t.same(response.json(), {
    statusCode: 500,
    code: 'KS_ERR_INTERNAL',
    error: 'Internal Server Error',
    message: 'the service failed; the request was not at fault',
    requestID: response.headers['x-request-id']
  })
  t.match(lines.join(''), 'hunter2')
})

t.test('the log holds no timings, of good requests or of bad ones', async (t) => {
  const lines: string[] = []
  const models = loadModels(folder('sample'))
  const app = await buildApp({
    models,
    logger: { level: 'trace', stream: { write: (line: string) => void lines.push(line) } }
  })
  t.teardown(() => app.close())
  await models
  const telling = { Mean: 4815162.342, STD: 23 }
  const bodies = [
    JSON.stringify({ ...REQUEST, HT: telling }),
    JSON.stringify({ ...REQUEST, HT: { ...telling, STD: -1 } }),
    '{"HT":{"Mean":4815162.342,"STD":NaN}}'
  ]
  for (const body of bodies) {
    await app.inject({
      method: 'POST',
      url: '/predict',
      body,
      headers: { 'content-type': 'application/json' }
    })
  }
  await app.inject({ method: 'POST', url: '/features', body: { Press: [4815162, 1], Release: [4815163, 2] } })
  t.ok(lines.length >= 4)
  t.match(lines.join(''), 'KS_ERR_TYPING_INVALID')
  t.notMatch(lines.join(''), '4815162')
})
