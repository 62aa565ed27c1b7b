import { createHash } from 'node:crypto'
import t from 'tap'
import { startBrowser, withoutBrowser } from '../../scripts/browser.ts'
import { buildApp } from '../src/app.ts'
import { loadModels } from '../src/models.ts'
import { features, folder, oracle } from './fixtures.ts'

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
      const app = await buildApp({ models, apiKeyHashes: [createHash('sha256').update(KEY).digest('hex')] })
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
