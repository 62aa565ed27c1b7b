import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { startBrowser, withoutBrowser } from '../../../scripts/lib/browser.ts'
import { buildApp } from '../../src/app.ts'
import { loadModels } from '../../src/models/load.ts'
import { features, folder, oracle, readyApp } from '../fixtures.ts'

const KEY = 'a-key-of-some-client'
const ROW = 7

/** Each way to bring the key, as "Authorize" names it. */
for (const scheme of ['x-api-key', 'Bearer']) {
  t.test(
    `in /docs a call is refused, and answered once the key is given as ${scheme}`,
    {
      skip: withoutBrowser
    },
    async (t) => {
      const models = loadModels(folder('sample'))
      const app = await buildApp({
        models,
        keyHashes: { ask: [createHash('sha256').update(KEY).digest('hex')] }
      })
      await models
      const url = await app.listen({ host: '127.0.0.1', port: 0 })
      const browser = await startBrowser()
      t.teardown(async () => {
        await browser.close()
        await app.close()
      })
      const page = await browser.newPage()
      await page.goto(`${url}/docs`)

      const call = page.locator('.opblock-post').filter({ has: page.locator('[data-path="/predict"]') })
      await call.locator('.opblock-summary-control').click()
      await call.getByRole('button', { name: 'Try it out' }).click()
      const said = oracle('sample')
      await call.locator('textarea').fill(JSON.stringify({ Model: 'RF', ...features(said, ROW) }))
      const answer = call.locator('.live-responses-table .response')
      const execute = async () => {
        const [response] = await Promise.all([
          page.waitForResponse(`${url}/predict`),
          call.getByRole('button', { name: 'Execute' }).click()
        ])
        return response.status()
      }
      t.equal(await execute(), 401)
      t.match(await answer.innerText(), /KS_ERR_API_KEY/, 'and says why')

      await page.locator('.auth-wrapper .authorize').first().click()
      const form = page.locator('.auth-container').filter({ hasText: scheme })
      await form.locator('input').fill(KEY)
      await form.getByRole('button', { name: 'Apply credentials' }).click()
      await page.locator('.close-modal').click()
      t.equal(await execute(), 200)
      await answer.getByText('UserID').waitFor()
      t.match((await answer.innerText()).replaceAll(/\s/g, ''), `"UserID":${said.users.RF[ROW]}`)
    }
  )
}

/** A service behind a name that is not localhost, for which browsers take plain HTTP as it is. */
async function openElsewhere(t: Test) {
  const app = await readyApp()
  const port = Number(new URL(await app.listen({ host: '127.0.0.1', port: 0 })).port)
  const browser = await startBrowser(['--host-resolver-rules=MAP keystroke.test 127.0.0.1'])
  t.teardown(async () => {
    await browser.close()
    await app.close()
  })
  return { port, page: await browser.newPage() }
}

const call = (path: string) => `.opblock-post:has([data-path="${path}"])`

for (const path of ['/docs', '/docs/', '/docs?from=mail']) {
  t.test(
    `${path} shows every call over plain HTTP under another name than localhost`,
    {
      skip: withoutBrowser
    },
    async (t) => {
      const { page, port } = await openElsewhere(t)
      const faults: string[] = []
      page.on('pageerror', (error) => faults.push(error.message))
      page.on('requestfailed', (failed) => faults.push(failed.url()))
      await page.goto(`http://keystroke.test:${port}${path}`)
      await page.locator(call('/verify')).waitFor({ timeout: 20_000 })
      t.equal(await page.locator('.opblock').count(), 15)
      t.same(faults, [])
    }
  )
}

/** What a proxy does that gives the service a part of its own addresses: `/recognition/docs` becomes `/docs`. */
const PREFIX = '/recognition'

t.test(
  'behind a path prefix the page leads to the docs, and each of their examples is answered',
  {
    skip: withoutBrowser
  },
  async (t) => {
    const { page, port } = await openElsewhere(t)
    const proxy = createServer((incoming, outgoing) => {
      const { method, headers, url = '' } = incoming
      if (!url.startsWith(`${PREFIX}/`)) return outgoing.writeHead(404).end()
      const path = url.slice(PREFIX.length)
      const forwarded = request({ host: '127.0.0.1', port, path, method, headers }, (answer) => {
        outgoing.writeHead(answer.statusCode!, answer.headers)
        answer.pipe(outgoing)
      })
      incoming.pipe(forwarded)
    })
    await once(proxy.listen(0, '127.0.0.1'), 'listening')
    t.teardown(() => proxy.close())
    const own = `http://keystroke.test:${(proxy.address() as AddressInfo).port}${PREFIX}`

    await page.goto(`${own}/`)
    await page.getByRole('link', { name: 'API' }).click()
    await page.waitForURL(`${own}/docs/`)
    for (const path of ['/features', '/predict', '/identify', '/verify', '/predict/batch']) {
      const block = page.locator(call(path))
      await block.locator('.opblock-summary-control').click()
      await block.getByRole('button', { name: 'Try it out' }).click()
      const types = path === '/predict/batch' ? ['application/json', 'text/csv'] : ['application/json']
      for (const type of types) {
        if (types.length > 1) await block.locator('.body-param-content-type select').selectOption(type)
        const [response] = await Promise.all([
          page.waitForResponse((answer) => answer.request().method() === 'POST'),
          block.getByRole('button', { name: 'Execute' }).click()
        ])
        t.equal(response.status(), 200, `${path} ${type}`)
        t.ok(response.url().startsWith(`${own}${path}`), response.url())
      }
      await block.locator('.opblock-summary-control').click()
    }
  }
)
