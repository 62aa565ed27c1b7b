/** `npm run screenshots`: the page on the sample's models, trained into models/, into docs/screenshots/. */
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { buildApp } from '../server/src/app.ts'
import { loadModels } from '../server/src/models/load.ts'
import { oracle, typing } from '../server/test/fixtures.ts'
import { openPage, type Typist } from '../server/test/page/browser.ts'
import { build } from './build.ts'
import { startBrowser } from './lib/browser.ts'
import { ROOT } from './lib/processes.ts'

const STRING = 'quiet morning'

const shots: [
  name: string,
  width: number,
  height: number,
  scheme: 'light' | 'dark',
  show: typeof recognize
][] = [
  ['page-light', 1040, 900, 'light', recognize],
  ['page-dark', 1040, 680, 'dark', model],
  ['page-record', 1040, 620, 'light', record],
  ['page-phone', 360, 780, 'dark', recognize]
]

const browser = await startBrowser()
if ((await build()) !== 0) throw new Error('the page cannot be built; see above')
const said = oracle('sample')
// Not the tests' models: their rates are of training rows.
const models = await loadModels(join(ROOT, 'models'))
if (models.manifest.dataset.name !== 'sample.csv')
  throw new Error('models/ has other data: npm run train first')
const app = await buildApp({ models: Promise.resolve(models) })
const url = await app.listen({ host: '127.0.0.1', port: 0 })
try {
  for (const [name, width, height, colorScheme, show] of shots) {
    const typist = await openPage(browser, url, { viewport: { width, height }, colorScheme })
    await typist.page.locator('#recognize-field-input').waitFor()
    await show(typist)
    await typist.page.evaluate('scrollTo(0, 0)')
    await typist.page.screenshot({ path: join(ROOT, 'docs', 'screenshots', `${name}.png`) })
  }
} finally {
  await browser.close()
  await app.close()
}

async function recognize({ page, type }: Typist): Promise<void> {
  await page.fill('#verify input', '62')
  await page.focus('#recognize-field-input')
  await type(STRING, typing(said, 489))
  await page.locator('#verify [data-answer]').waitFor()
}

async function record({ page, type }: Typist): Promise<void> {
  await go(page, 'record')
  for (const [name, typings, first] of [
    ['ana', 8, 0],
    ['bob', 8, 80],
    ['zoë', 3, 240]
  ] as const) {
    await page.fill('#person', name)
    for (let repetition = 0; repetition < typings; repetition++) {
      await page.focus('#record-field-input')
      await type(STRING, typing(said, first + repetition))
    }
  }
}

async function model({ page }: Typist): Promise<void> {
  await go(page, 'model')
}

function go(page: Page, view: string): Promise<void> {
  return page.click(`nav a[href="#${view}"]`)
}
