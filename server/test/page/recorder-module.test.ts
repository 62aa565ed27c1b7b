import { gzipSync } from 'node:zlib'
import { transform } from 'esbuild'
import t from 'tap'
import { startRecorderPage } from './recorder-page.ts'

const { app } = await startRecorderPage()
t.teardown(() => app.close())

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
