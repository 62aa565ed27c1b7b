/** Clients that the usual generators make of the document, each with a call to the service. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import openapiTypescript, { astToString } from 'openapi-typescript'
import t, { type Test } from 'tap'
import { nodeTool, PYTHON, pythonTool, ROOT } from '../../../scripts/lib/processes.ts'
import { readyApp } from '../fixtures.ts'

const run = promisify(execFile)
const skip =
  !existsSync(pythonTool('openapi-python-client')) &&
  'the generators are not installed: node scripts/setup.mjs clients'

const app = await readyApp()
const address = await app.listen({ host: '127.0.0.1', port: 0 })
t.teardown(() => app.close())
const document = (await app.inject('/openapi.json')).json()

/** A folder with the document. */
async function documented(t: Test): Promise<string> {
  const folder = t.testdir({})
  await writeFile(join(folder, 'openapi.json'), JSON.stringify(document))
  return folder
}

/** Run a Python program that calls the service; what it prints, as JSON. */
async function call(folder: string, program: string): Promise<unknown> {
  const { stdout } = await run(PYTHON, ['-c', program, address], { cwd: folder })
  return JSON.parse(stdout)
}

t.test('the document names no host: it is the one that it came from', async (t) => {
  t.notOk('servers' in document)
})

t.test(
  'openapi-typescript: UserID is a type of its own, a typed client makes a prediction, and a wrong field does not compile',
  async (t) => {
    const client = (field: string) => `
import createClient from 'openapi-fetch'
import type { components, paths } from './api.ts'
const client = createClient<paths>({ baseUrl: process.argv[2]! })
const statistics = { Mean: 100, STD: 20 }
const { data, error } = await client.POST('/predict', {
  params: { query: { top: 2 } },
  body: { Model: 'SVM', ${field}: statistics, PPT: statistics, RRT: statistics, RPT: statistics }
})
if (error) throw new Error(error.message)
const user: components['schemas']['UserID'] = data.UserID
console.log(JSON.stringify({ user, candidates: data.Candidates?.length }))
`
    const folder = t.testdir({
      'api.ts': astToString(await openapiTypescript(document)),
      'client.ts': client('HT'),
      'wrong.ts': client('ht')
    })
    await writeFile(
      join(folder, 'tsconfig.json'),
      JSON.stringify({
        extends: join(ROOT, 'tsconfig.json'),
        include: ['*.ts'],
        compilerOptions: { rootDir: ROOT }
      })
    )
    t.match(await readFile(join(folder, 'api.ts'), 'utf8'), /UserID: number \| string/)
    const types = await run(nodeTool('tsc'), ['--noEmit', '-p', folder]).catch((error) => error)
    t.match(types.stdout, /wrong\.ts.*'ht' does not exist/)
    t.notMatch(types.stdout, /client\.ts/)

    const { stdout } = await run(nodeTool('tsx'), [join(folder, 'client.ts'), address])
    t.match(JSON.parse(stdout), { user: Number, candidates: 2 })
  }
)

t.test('openapi-python-client: a call is answered with its class', { skip }, async (t) => {
  const folder = await documented(t)
  const { stdout, stderr } = await run(
    pythonTool('openapi-python-client'),
    ['generate', '--path', 'openapi.json', '--meta', 'none', '--output-path', 'keystroke_client'],
    { cwd: folder }
  )
  const skipped = [...`${stdout}${stderr}`.matchAll(/parsing (\S+ \S+) within/g)].map(([, call]) => call)
  t.same(skipped, ['POST /predict/batch'], 'a CSV as a body is nothing it can send')
  const said = await call(
    folder,
    `import json, sys
from keystroke_client import Client
from keystroke_client.api.predict import predict
from keystroke_client.models import PredictRequest
statistics = {'Mean': 100, 'STD': 20}
body = {'Model': 'SVM', **{name: statistics for name in ('HT', 'PPT', 'RRT', 'RPT')}}
with Client(base_url=sys.argv[1]) as client:
    reply = predict.sync(client=client, body=PredictRequest.from_dict(body))
print(json.dumps({'user': reply.user_id, 'class': type(reply).__name__}))`
  )
  t.match(said, { user: Number, class: 'PredictReply' })
})

t.test('openapi-generator: UserID is a class of its own, and a call is answered', { skip }, async (t) => {
  const folder = await documented(t)
  await run(
    pythonTool('openapi-generator-cli'),
    ['generate', '-i', 'openapi.json', '-g', 'python', '-o', '.', '--package-name', 'keystroke_generated'],
    { cwd: folder }
  )
  const said = await call(
    folder,
    `import json, sys
import keystroke_generated as api
client = api.ApiClient(api.Configuration(host=sys.argv[1]))
statistics = {'Mean': 100, 'STD': 20}
body = {'Model': 'SVM', **{name: statistics for name in ('HT', 'PPT', 'RRT', 'RPT')}}
reply = api.PredictApi(client).predict(api.PredictRequest.from_dict(body))
assert isinstance(reply.user_id, api.UserID)
print(json.dumps({'user': reply.user_id.actual_instance}))`
  )
  t.match(said, { user: Number })
})
