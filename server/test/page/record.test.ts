import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { BrowserContext } from 'playwright-core'
import t from 'tap'
import { withoutBrowser } from '../../../scripts/lib/browser.ts'
import { train } from '../../../scripts/train.ts'
import { buildApp } from '../../src/app.ts'
import { loadModels } from '../../src/models/load.ts'
import type { Typing } from '../../src/schemas/typing.ts'
import { csv, oracle, readyApp } from '../fixtures.ts'
import { openBrowser, openPage } from './browser.ts'

const STRING = 'Keystroke day'
/**
 * Their names are the hardest that training takes; the numbers are the first rows of their typings in the sample. Five
 * typings a person make a rough threshold; these people's sixth stays above it if all times are up to 2 ms off.
 */
const PEOPLE = { 'Zoë "Z" Müller': 0, 'bob, jr': 280, '007': 808 }

t.test('a data set', { skip: withoutBrowser }, async (t) => {
  const app = await readyApp()
  t.teardown(() => app.close())
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  const browser = await openBrowser(t)
  const said = oracle('sample')

  /** A row of the sample, cut to the string's keys. */
  const typing = (row: number, keys = STRING.length): Typing => ({
    Press: said.press[row]!.slice(0, keys),
    Release: said.release[row]!.slice(0, keys)
  })
  const open = async (context?: BrowserContext) => {
    const typist = await openPage(browser, `${url}/#record`, {}, context)
    const { page } = typist
    await page.waitForSelector('#record-field-input')
    const download = async (id: string) => {
      const [file] = await Promise.all([page.waitForEvent('download'), page.click(id)])
      return { name: file.suggestedFilename(), path: await file.path() }
    }
    const record = async (name: string, row: number, string = STRING) => {
      await page.fill('#person', name)
      await page.focus('#record-field-input')
      await typist.type(string, typing(row, string.length))
    }
    return { ...typist, download, record }
  }

  await t.test('of three people is recorded, downloaded, trained on, and they are recognized', async (t) => {
    const { page, download, record, faults } = await open()
    await page.fill('#settings [name=string]', STRING)
    await page.fill('#settings [name=repetitions]', '5')
    for (const [name, first] of Object.entries(PEOPLE)) {
      for (let repetition = 0; repetition < 5; repetition++) {
        await record(name, first + repetition)
      }
      await page.getByText(`${name} is done, with 5 typings.`).waitFor()
      t.equal(await page.evaluate('document.activeElement.id'), 'person', 'the next name is asked for')
    }
    t.same(await page.locator('#people .value').allTextContents(), ['5 of 5', '5 of 5', '5 of 5'])
    t.equal(await page.locator('#untrainable li').count(), 0)

    const [file, txt] = [await download('#download-csv'), await download('#download-txt')]
    t.same([file.name, txt.name], ['typings.csv', 'typings.txt'])
    const folder = t.testdir({
      'typings.csv': await readFile(file.path, 'utf8'),
      'typings.txt': await readFile(txt.path, 'utf8')
    })
    t.equal(await readFile(txt.path, 'utf8'), `${STRING}\n`)
    const models = join(folder, 'models')
    t.equal(await train([join(folder, 'typings.csv'), '--models', models]), 0, 'trained on as it is')

    const loaded = await loadModels(models)
    t.match(loaded.manifest, {
      dataset: { string: STRING, keys: 13, users: 3, typings: 15 },
      classes: ['007', 'Zoë "Z" Müller', 'bob, jr']
    })
    const trained = await buildApp({ models: Promise.resolve(loaded) })
    t.teardown(() => trained.close())
    const typist = await openPage(browser, await trained.listen({ host: '127.0.0.1', port: 0 }))
    t.match(
      await typist.page.locator('#recognize [data-served]').textContent(),
      `typings of “${STRING}” by 3 users, in typings.csv`
    )
    await typist.page.focus('#recognize-field-input')
    for (const [name, first] of Object.entries(PEOPLE)) {
      await typist.type(STRING, typing(first + 5))
      await typist.page
        .locator('#result [data-verdict]')
        .getByText(`Looks like ${name}`, { exact: true })
        .waitFor()
      await typist.page.fill('#verify input', name)
      await typist.page.click('#verify button')
      await typist.page.locator('#verify').getByText(`like ${name}`).waitFor()
      await typist.page.fill('#verify input', '')
      await typist.page.focus('#recognize-field-input')
    }
    await typist.page.click('nav a[href="#model"]')
    t.equal(await typist.page.locator('.chart').count(), 3)
    t.same([...faults, ...typist.faults], [])
  })

  await t.test('has a row for each typing, in the order in which they were typed', async (t) => {
    const { download, record } = await open()
    const order = [
      ['ana', 0],
      ['bob', 8],
      ['ana', 1]
    ] as const
    for (const [name, row] of order) await record(name, row, 'quiet morning')
    const text = await readFile((await download('#download-csv')).path, 'utf8')
    const [header, ...rows] = text.trimEnd().split('\n')
    t.equal(header, csv('sample').toString().split('\n')[0], 'the columns of the sample')
    t.equal(rows.length, order.length)
    for (const [i, [name, row]] of order.entries()) {
      const [user, ...times] = rows[i]!.split(',')
      t.equal(user, name)
      const typed = said.press[row]!.flatMap((press, key) => [press, said.release[row]![key]!])
      t.ok(
        times.every((time, column) => Math.abs(Number(time) - typed[column]!) <= 1),
        rows[i]!
      )
    }
  })

  await t.test('that could not be trained on says so at once', async (t) => {
    const { page, record } = await open()
    const faults = () => page.locator('#untrainable li').allTextContents()
    await record('ana', 0, 'quiet morning')
    t.same(await faults(), [
      'Training tells people apart: it needs two or more.',
      'ana has 1 typing; training needs 2 or more of each.'
    ])
    await record('ana', 1, 'quiet morning')
    await record('bob', 8, 'quiet morning')
    t.same(await faults(), ['bob has 1 typing; training needs 2 or more of each.'])
    await record('bob', 9, 'quiet morning')
    t.same(await faults(), [])
  })

  await t.test('has no typings of people without a name that training takes', async (t) => {
    const { page, record } = await open()
    for (const [name, why] of [
      ['', 'Say who types.'],
      [' ana', 'The name has blanks around it.'],
      ['ana ', 'The name has blanks around it.'],
      ['a\u200bna', 'The name holds characters that cannot be seen.']
    ] as const) {
      await record(name, 0, 'quiet morning')
      t.equal(await page.textContent('#person-fault'), why)
      t.equal(await page.textContent('#record-field-status'), `Not recorded. ${why}`)
    }
    t.equal(await page.locator('#people li').count(), 0)
  })

  await t.test('has settings that training takes', async (t) => {
    const { page, record } = await open()
    const fault = page.locator('#settings [data-fault]')
    await page.fill('#settings [name=string]', 'a')
    t.match(await fault.textContent(), 'The string needs two characters or more.')
    t.equal(await page.locator('#record-field-input').count(), 0, 'nothing to type')
    await page.fill('#settings [name=string]', 'ab')
    for (const count of ['1', '', '2.5']) {
      await page.fill('#settings [name=repetitions]', count)
      t.match(await fault.textContent(), 'a whole number from 2')
    }
    await page.fill('#settings [name=repetitions]', '2')
    t.equal(await fault.textContent(), '')
    await record('ana', 0, 'ab')
    t.ok(await page.isDisabled('#settings [name=string]'), 'one string a data set')
  })

  await t.test('is there again after a reload, until it is forgotten', async (t) => {
    const { page, record } = await open()
    await record('ana', 0, 'quiet morning')
    await record('ana', 1, 'quiet morning')
    await page.reload()
    t.same(await page.locator('#people .value').allTextContents(), ['2 of 8'])
    await page.click('#undo')
    t.same(await page.locator('#people .value').allTextContents(), ['1 of 8'])
    page.on('dialog', (dialog) => dialog.accept())
    await page.click('#forget')
    t.equal(await page.locator('#people li').count(), 0)
    t.equal(await page.evaluate('JSON.stringify(localStorage)'), '{}')
    await page.reload()
    t.equal(await page.locator('#people li').count(), 0)
  })

  await t.test('is one in two tabs: each adds to what the other has recorded', async (t) => {
    const one = await open()
    const other = await open(one.page.context())
    for (let row = 0; row < 3; row++) await one.record('ana', row, 'quiet morning')
    for (let row = 8; row < 10; row++) await other.record('ben', row, 'quiet morning')
    await one.record('ana', 3, 'quiet morning')
    for (const { page } of [one, other]) {
      await page.getByText('4 of 8', { exact: true }).waitFor()
      t.same(await page.locator('#people .user').allTextContents(), ['ana', 'ben'], 'at once')
      await page.reload()
      t.same(await page.locator('#people .value').allTextContents(), ['4 of 8', '2 of 8'], 'after a reload')
    }
    other.page.on('dialog', (dialog) => dialog.accept())
    await other.page.click('#forget')
    await one.page.locator('#nobody').waitFor()
    t.equal(await one.page.locator('#people li').count(), 0, 'what one forgets is forgotten')
    await other.page.fill('#settings [name=string]', 'ab')
    await other.record('ana', 0, 'ab')
    await one.page.getByText('1 of 8', { exact: true }).waitFor()
    t.equal(await one.page.inputValue('#settings [name=string]'), 'ab', 'one string a data set')
  })

  await t.test('of another version or program is taken as far as it has the form', async (t) => {
    const good = { user: 'ana', Press: [0, 100], Release: [50, 150] }
    const kept: [kept: object, people: string[]][] = [
      [{ string: 'ab', typings: [null, good, { ...good, Press: [0] }, { ...good, user: 5 }, 7] }, ['ana']],
      [{ string: 5, typings: [good] }, []],
      [{ string: 'ab', typings: 'abc' }, []],
      [{ typings: [null] }, []],
      [{ text: 'ab', rows: [[0, 1]], typings: [{ name: 'ana' }] }, []]
    ]
    const { page, record, faults } = await open()
    for (const [stored, people] of kept) {
      await page.evaluate(
        `localStorage.setItem('keystroke.recording', ${JSON.stringify(JSON.stringify(stored))})`
      )
      await page.reload()
      await page.waitForSelector('#record-field-input')
      t.same(await page.locator('#people .user').allTextContents(), people)
    }
    await record('ben', 0, 'quiet morning')
    t.same(await page.locator('#people .user').allTextContents(), ['ben'], 'and goes on')
    t.same(faults, [])
  })

  await t.test('that was not downloaded asks before leaving; once it was, it does not', async (t) => {
    const { page, record, download } = await open()
    await record('ana', 0, 'quiet morning')
    const held: string[] = []
    page.on('dialog', async (dialog) => {
      held.push(dialog.type())
      await dialog.accept()
    })
    await page.reload()
    t.same(held, ['beforeunload'])
    await download('#download-csv')
    await page.reload()
    t.same(held, ['beforeunload'])
    await record('ana', 1, 'quiet morning')
    await page.reload()
    t.same(held, ['beforeunload', 'beforeunload'])
  })

  await t.test('can lose a person or the last typing again', async (t) => {
    const { page, record } = await open()
    page.on('dialog', (dialog) => dialog.accept())
    await record('ana', 0, 'quiet morning')
    await record('bob', 8, 'quiet morning')
    await page.getByRole('button', { name: 'Remove ana' }).click()
    t.same(await page.locator('#people .user').allTextContents(), ['bob'])
    await page.click('#undo')
    t.equal(await page.locator('#people li').count(), 0)
    t.ok(await page.isDisabled('#download-csv'), 'nothing to download')
    t.notOk(await page.isDisabled('#settings [name=string]'))
  })

  await t.test('is not sent anywhere', async (t) => {
    const { page, record } = await open()
    const sent: string[] = []
    page.on('request', (request) => sent.push(request.url()))
    await record('ana', 0, 'quiet morning')
    t.same(await page.locator('#people .value').allTextContents(), ['1 of 8'])
    t.same(sent, [])
  })
})
