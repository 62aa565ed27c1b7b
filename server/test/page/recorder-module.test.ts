import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { transform } from 'esbuild'
import Fastify from 'fastify'
import t from 'tap'
import { withoutBrowser } from '../../../scripts/lib/browser.ts'
import { ROOT } from '../../../scripts/lib/processes.ts'
import { openBrowser, openPage } from './browser.ts'
import { startRecorderPage } from './recorder-page.ts'

const { app } = await startRecorderPage()
t.teardown(() => app.close())

t.test('in a browser', { skip: withoutBrowser }, async (t) => {
  const browser = await openBrowser(t)

  await t.test('the example in docs/recorder.md works in another’s page', async (t) => {
    const [, example] = /```html\n(.*?)```/s.exec(await readFile(join(ROOT, 'docs', 'recorder.md'), 'utf8'))!
    const [, backEnd] = /```js\n(.*?)```/s.exec(await readFile(join(ROOT, 'docs', 'recorder.md'), 'utf8'))!
    t.match(backEnd, '/verify', 'its own back end asks the service')
    const other = Fastify()
    t.teardown(() => other.close())
    const recorder = (await app.inject('/recorder.js')).body
    other.get('/', (_request, reply) => reply.type('text/html').send(example))
    other.get('/recorder.js', (_request, reply) => reply.type('text/javascript').send(recorder))
    const asked: unknown[] = []
    other.post('/log-in', (request) => {
      asked.push(request.body)
      return { Match: true }
    })
    const address = await other.listen({ host: '127.0.0.1', port: 0 })
    const { page, type, faults } = await openPage(browser, address)
    await page.fill('[name=user]', 'ana')
    await page.focus('#string')
    const keys = [...'quiet morning'].map((_, i) => i)
    await type('quiet morning', { Press: keys.map((i) => 150 * i), Release: keys.map((i) => 150 * i + 90) })
    await page.waitForFunction("document.querySelector('output').textContent.includes('Welcome')")
    t.match(asked, [{ UserID: 'ana', Typings: [{ Press: { length: 13 }, Release: { length: 13 } }] }])
    t.same(faults, [])
  })
})

t.test('the recorder is one module without imports, and its types beside it', async (t) => {
  const script = await app.inject('/recorder.js')
  t.match(script.headers['content-type'], /^(?:text|application)\/javascript/)
  t.notMatch(script.body, /\bimport\b.*from/)
  const types = await app.inject('/recorder.d.ts')
  t.match(
    types.body,
    /export declare function record\(input: HTMLInputElement, options: RecorderOptions\): Recorder/
  )
})

t.test('the recorder is smaller than 4 kB, minified and compressed', async (t) => {
  const { code } = await transform((await app.inject('/recorder.js')).body, { minify: true, format: 'esm' })
  const bytes = gzipSync(code, { level: 9 }).length
  t.comment(`${bytes} bytes`)
  t.ok(bytes > 500 && bytes < 4096, `${bytes} bytes`)
})
