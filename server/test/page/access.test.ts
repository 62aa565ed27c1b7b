import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { AxeResults } from 'axe-core'
import t from 'tap'
import { withoutBrowser } from '../../../scripts/lib/browser.ts'
import { ROOT } from '../../../scripts/lib/processes.ts'
import { oracle, readyApp, typing } from '../fixtures.ts'
import { openBrowser, openPage, type Typist } from './browser.ts'

const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const VIEWS = ['recognize', 'enroll', 'record', 'batch', 'model'] as const
const STRING = 'quiet morning'

t.test('the page is for everybody', { skip: withoutBrowser }, async (t) => {
  const app = await readyApp()
  t.teardown(() => app.close())
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  const browser = await openBrowser(t)
  const said = oracle('sample')

  const show = async (page: Typist['page'], view: string) => {
    await page.click(`nav a[href="#${view}"]`)
    await page.locator(`#${view}`).waitFor()
  }

  /** Bring every view to where it has something to show, and a fault with it. */
  const fill = async ({ page, type, send, pause }: Typist) => {
    await show(page, 'recognize')
    await page.fill('#verify input', '1')
    await page.focus('#recognize-field-input')
    await type(STRING, typing(said, 0))
    await page.locator('#verify [data-answer]').waitFor()
    pause()
    await send('down', 'x', 0)
    for (const details of await page.locator('#recognize-field details').all()) {
      await details.evaluate('(element) => { element.open = true }')
    }
    await show(page, 'record')
    await page.fill('#person', 'ana')
    await page.focus('#record-field-input')
    await type(STRING, typing(said, 0))
    await page.fill('#person', ' ana')
    await page.fill('#settings [name=repetitions]', '1')
    await show(page, 'batch')
    await page.setInputFiles('#batch [name=file]', join(ROOT, 'data', 'sample.csv'))
    await page.locator('#batch-result').waitFor()
  }

  for (const colorScheme of ['light', 'dark'] as const) {
    await t.test(`axe finds no serious violation in any view, ${colorScheme}`, async (t) => {
      const typist = await openPage(browser, url, { colorScheme })
      const { page, faults } = typist
      await page.locator('#recognize-field-input').waitFor()
      // Over the debugger's line: the page's policy lets no script in.
      const look = async (what: string) => {
        await page.evaluate(AXE)
        const { violations, passes } = await page.evaluate<AxeResults>('axe.run()')
        const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
        t.same(
          serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html)}`),
          [],
          what
        )
        t.ok(
          passes.some(({ id }) => id === 'color-contrast'),
          'colors were looked at'
        )
      }
      for (const state of ['empty', 'filled']) {
        if (state === 'filled') await fill(typist)
        for (const view of VIEWS) {
          await show(page, view)
          await look(`${view}, ${state}`)
        }
      }
      t.same(faults, [], 'no error, nothing that the policy stops, no request to others')
    })
  }

  await t.test('the dialog for a key has no serious violation', async (t) => {
    const { page } = await openPage(browser, url)
    await page.locator('#recognize-field-input').waitFor()
    await page.evaluate("document.querySelector('#key-dialog').showModal()")
    await page.evaluate(AXE)
    const { violations } = await page.evaluate<AxeResults>('axe.run()')
    t.same(
      violations.filter(({ impact }) => impact === 'serious' || impact === 'critical'),
      []
    )
  })

  await t.test('nothing is wider than a phone of 320 px', async (t) => {
    const typist = await openPage(browser, url, { viewport: { width: 320, height: 640 } })
    const { page } = typist
    await page.locator('#recognize-field-input').waitFor()
    const widest = () => page.evaluate<number>('document.documentElement.scrollWidth')
    for (const state of ['empty', 'filled']) {
      if (state === 'filled') await fill(typist)
      for (const view of VIEWS) {
        await show(page, view)
        t.equal(await widest(), 320, `${view}, ${state}`)
      }
    }
  })

  await t.test(
    'at 390 px the navigation is one row, no table is cut, and the verdict comes into view',
    async (t) => {
      const typist = await openPage(browser, url, { viewport: { width: 390, height: 780 } })
      const { page, type } = typist
      await page.locator('#recognize-field-input').waitFor()
      const rows = await page
        .locator('nav a')
        .evaluateAll((links) => links.map((link) => link.getBoundingClientRect()))
      t.equal(new Set(rows.map(({ top }) => top)).size, 1)
      t.ok(Math.max(...rows.map(({ right }) => right)) <= 390)
      await type(STRING, typing(said, 0))
      await page.getByText('Clean, and answered.').waitFor()
      await page.waitForFunction(`{
      const { top, bottom } = document.querySelector('#result [data-sure]').getBoundingClientRect()
      top > 0 && bottom <= innerHeight
    }`)
      await fill(typist)
      for (const view of VIEWS) {
        await show(page, view)
        const cut = await page
          .locator(`#${view} .scroll`)
          .evaluateAll((boxes) =>
            boxes
              .filter(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth)
              .map(({ textContent }) => textContent)
          )
        t.same(cut, [], view)
      }
    }
  )

  await t.test('the keyboard alone goes through it: type, verify, another view', async (t) => {
    const { page, type } = await openPage(browser, url)
    await page.locator('#recognize-field-input').waitFor()
    const inFocus = () =>
      page.evaluate<{ what: string; tag: string; ring: boolean }>(`{
        const element = document.activeElement
        const { outlineStyle, outlineWidth, strokeWidth, stroke } = getComputedStyle(element)
        const ring = (outlineStyle !== 'none' && outlineWidth !== '0px') || (stroke !== 'none' && strokeWidth !== '1px')
        ;({ what: element.id || element.name || element.textContent.trim(), tag: element.localName, ring })
      }`)
    const tabTo = async (wanted: string) => {
      for (let presses = 0; presses < 40; presses++) {
        await page.keyboard.press('Tab')
        const { what, tag, ring } = await inFocus()
        // Past the last there is the document, and then the first again.
        if (tag === 'body') continue
        t.ok(ring, `${tag} ${what} shows that it has the focus`)
        t.match(tag, /^(?:a|button|input|rect|summary)$/, 'one stops only where there is something to do')
        if (what === wanted) return
      }
      t.fail(`Tab never comes to ${wanted}`)
    }
    t.equal((await inFocus()).what, 'recognize-field-input', 'one can type at once')
    await tabTo('Skip to the content')
    await page.keyboard.press('Enter')
    await tabTo('recognize-field-input')
    await type(STRING, typing(said, 0))
    await page.getByText('Clean, and answered.').waitFor()
    await tabTo('surer')
    await page.keyboard.press('Enter')
    t.equal((await inFocus()).what, 'recognize-field-input')
    await tabTo('user')
    await page.keyboard.type('1')
    await page.keyboard.press('Enter')
    await page.locator('#verify [data-answer]').waitFor()

    await page.goto(`${url}/?again`)
    await tabTo('Record')
    await page.keyboard.press('Enter')
    await page.locator('#record').waitFor()
    t.equal((await inFocus()).what, 'record-title', 'the view that opens has the focus')
    t.equal(await page.title(), 'Record a data set – Keystroke recognition')
    await page.goBack()
    t.ok(await page.isVisible('#recognize'))
  })

  await t.test('every field and button has a name, and what happens is announced', async (t) => {
    const typist = await openPage(browser, url)
    const { page } = typist
    await page.locator('#recognize-field-input').waitFor()
    t.ok(await page.getByRole('textbox', { name: 'Type this string “quiet morning”' }).isVisible())
    await fill(typist)
    t.match(await page.locator('#announcement').textContent(), /looks? like/)
    t.equal(await page.locator('#announcement').getAttribute('role'), 'status')
    await show(page, 'model')
    for (const name of ['DET', 'CMC', 'reliability']) {
      t.equal(await page.getByRole('img', { name }).count(), 1, `${name} has a description`)
    }
    t.equal(await page.locator('#card figure table').count(), 3, 'the numbers of each chart are in a table')
  })

  await t.test('without motion, bars do not grow between key events', async (t) => {
    const { page, send, pause } = await openPage(browser, url, { reducedMotion: 'reduce' })
    await page.focus('#recognize-field-input')
    await page.evaluate(`{
      window.frames_ = 0
      const { requestAnimationFrame } = window
      window.requestAnimationFrame = (callback) => { window.frames_++; return requestAnimationFrame(callback) }
    }`)
    pause()
    await send('down', 'q', 0)
    await send('down', 'u', 100)
    t.equal(await page.locator('.press.down').count(), 2)
    t.equal(await page.evaluate('window.frames_'), 0)
  })
})
