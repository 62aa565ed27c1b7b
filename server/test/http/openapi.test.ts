import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import openapiTypescript, { astToString } from 'openapi-typescript'
import t from 'tap'
import { nodeTool, ROOT } from '../../../scripts/lib/processes.ts'
import { csv, readyApp } from '../fixtures.ts'

const app = await readyApp()
const address = await app.listen({ host: '127.0.0.1', port: 0 })
t.teardown(() => app.close())
const run = promisify(execFile)
const document = (await app.inject('/openapi.json')).json()

t.test('the document is OpenAPI 3.1 without an error or a warning of Redocly’s', async (t) => {
  t.match(document.openapi, /^3\.1\./)
  const folder = t.testdir({ 'openapi.json': JSON.stringify(document) })
  const lint = await run(nodeTool('redocly'), ['lint', join(folder, 'openapi.json'), '--format=json'], {
    cwd: ROOT,
    env: { ...process.env, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' }
  }).catch((error) => error)
  t.match(JSON.parse(lint.stdout).totals, { errors: 0, warnings: 0 }, lint.stdout)
})

t.test(
  'the version is one: of package.json, the document and the newest release in CHANGELOG.md',
  async (t) => {
    const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'))
    t.equal(document.info.version, version)
    const [, released] = /^## \[(\d[^\]]*)\]/m.exec(await readFile(join(ROOT, 'CHANGELOG.md'), 'utf8'))!
    t.equal(released, version)
  }
)

t.test('every call is in the document', async (t) => {
  t.same(Object.keys(document.paths).sort(), [
    '/features',
    '/health/live',
    '/health/ready',
    '/identify',
    '/models',
    '/predict',
    '/predict/batch',
    '/users',
    '/users/export',
    '/users/{UserID}',
    '/users/{UserID}/pause',
    '/users/{UserID}/typings',
    '/verify'
  ])
})

t.test('every example in the document works as it is, on the models that npm start trains', async (t) => {
  const answers = new Map<string, string>()
  const operations = Object.entries<Record<string, Operation>>(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, ...operation }))
  )
  for (const { path, method, requestBody, parameters = [] } of operations) {
    const examples = (where: string) =>
      parameters.flatMap(({ in: place, name, example }) =>
        place === where && example !== undefined ? [[name, example] as const] : []
      )
    const url = examples('path').reduce((url, [name, example]) => url.replace(`{${name}}`, example), path)
    for (const [type, { schema, example }] of Object.entries(requestBody?.content ?? {})) {
      const body = example ?? schema?.examples?.[0]
      t.ok(body, `${url} has an example of ${type}`)
      const query = examples('query')
      const response = await app.inject({
        method: method.toUpperCase() as 'POST',
        url,
        query: Object.fromEntries(query),
        headers: { 'content-type': type },
        payload: typeof body === 'string' ? body : JSON.stringify(body)
      })
      answers.set(`${url} ${type}`, response.body)
      t.equal(
        response.statusCode,
        method === 'put' ? 201 : 200,
        `${url} answers its example of ${type}: ${response.body.slice(0, 200)}`
      )
    }
  }
  t.same([...answers.keys()].sort(), [
    '/features application/json',
    '/identify application/json',
    '/predict application/json',
    '/predict/batch application/json',
    '/predict/batch text/csv',
    '/users/ada application/json',
    '/users/ada/typings application/json',
    '/verify application/json'
  ])
  t.match(JSON.parse(answers.get('/verify application/json')!), { UserID: 1, Match: true })
  t.match(JSON.parse(answers.get('/identify application/json')!), { UserID: 1, Known: true })
})

t.test('schemas have names, so that the types of generated clients have them too', async (t) => {
  const { schemas } = document.components
  for (const name of [
    'PredictRequest',
    'PredictReply',
    'Typing',
    'VerifyReply',
    'Error',
    'Models',
    'UserID'
  ]) {
    t.ok(schemas[name], name)
  }
  t.same(document.paths['/verify'].post.responses['200'].content['application/json'].schema, {
    $ref: '#/components/schemas/VerifyReply'
  })
  const types = astToString(await openapiTypescript(document))
  t.match(types, /components\["schemas"\]\["VerifyReply"\]/)
})

t.test('errors of the client and of the service have examples of their own', async (t) => {
  const statuses = (status: '4XX' | '5XX') =>
    Object.values<Record<string, Operation>>(document.paths).flatMap(({ post }) =>
      post ? [post.responses[status]!.content['application/json']!.example!.statusCode] : []
    )
  t.same(new Set(statuses('4XX')), new Set([400]))
  t.same(new Set(statuses('5XX')), new Set([503]))
})

interface Operation {
  parameters?: { in: string; name: string; example?: string }[]
  responses: Record<string, { content: Record<string, { example?: { statusCode: number } }> }>
  requestBody?: { content: Record<string, { schema?: { examples?: unknown[] }; example?: unknown }> }
}

t.test('the docs page and its assets are served', async (t) => {
  const page = await fetch(`${address}/docs`)
  t.equal(page.status, 200)
  const html = await page.text()
  t.match(html, /swagger-ui/)
  const assets = [...html.matchAll(/(?:src|href)="([^"]+\.(?:js|css))"/g)].map(([, asset]) => asset!)
  t.ok(assets.length >= 5, `${assets}`)
  for (const asset of assets) {
    t.match(asset, /^\.\//, 'relative to the page')
    t.equal((await fetch(new URL(asset, page.url))).status, 200, asset)
  }
})

t.test('the sample in the repository is answered by the documented CSV call', async (t) => {
  const response = await app.inject({
    method: 'POST',
    url: '/predict/batch?Model=XGB',
    headers: { 'content-type': 'text/csv' },
    payload: csv('sample')
  })
  t.equal(response.body.trimEnd().split('\n').length, 881)
})
