import { createHash } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { withoutBrowser } from '../../../scripts/lib/browser.ts'
import { buildApp } from '../../src/app.ts'
import { loadModels } from '../../src/models/load.ts'
import type { Typing } from '../../src/schemas/typing.ts'
import { folder, oracle, readyApp, typing } from '../fixtures.ts'
import { openBrowser, openPage, type Typist } from './browser.ts'

const STRING = 'quiet morning'

t.test('people add themselves', { skip: withoutBrowser }, async (t) => {
  const app = await readyApp()
  t.teardown(() => app.close())
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  const browser = await openBrowser(t)
  const said = oracle('sample')
  /** Somebody who is not in the sample: slower than user 2, and with longer holds. */
  const mine = (row: number): Typing => {
    const { Press, Release } = typing(said, 8 + row)
    return {
      Press: Press.map((time) => Math.round(time * 1.4)),
      Release: Release.map((time) => Math.round(time * 1.4) + 20)
    }
  }
  const says = (typist: Typist, text: string | RegExp) =>
    typist.page.locator('#enroll-field .status').getByText(text).waitFor()
  const open = async (at = url) => {
    const typist = await openPage(browser, `${at}/#enroll`)
    await typist.page.locator('#enroll-field-input').waitFor()
    return typist
  }
  const typeFour = async (typist: Typist, rows = [0, 1, 2, 3]) => {
    await typist.page.focus('#enroll-field-input')
    for (const [i, row] of rows.entries()) {
      await typist.type(STRING, mine(row))
      if (i < rows.length - 1) await says(typist, `${i + 1} of 4. Type it again.`)
    }
  }

  await t.test('with a name and four typings, and are recognized by the fifth', async (t) => {
    const typist = await open()
    const { page, type, faults } = typist
    t.match(await page.textContent('#enroll'), 'The 110 users who are there already are synthetic')
    await page.fill('#enroll-name', 'Ada Lovelace')
    await page.keyboard.press('Enter')
    t.equal(await page.evaluate(() => document.activeElement?.id), 'enroll-field-input')
    await typeFour(typist)
    await says(typist, 'Added. Now type it once more')
    t.match(await page.textContent('#enrolled'), /Ada Lovelace4 typings/)
    t.match((await app.inject('/users/Ada%20Lovelace')).json(), { UserID: 'Ada Lovelace', Typings: 4 })

    await type(STRING, mine(5))
    const verdict = page.locator('#enroll-result [data-verdict]')
    await verdict.waitFor()
    t.match(await verdict.textContent(), /^That’s you, (9\d|>\s?99|100)/)
    t.match(await verdict.getAttribute('class'), 'good')

    // Somebody else at the same keyboard.
    await type(STRING, typing(said, 100))
    await page.locator('#enroll-result').getByText('I don’t recognize you').waitFor()
    t.match(await verdict.getAttribute('class'), 'unsure', 'and nothing is green')
    t.same(faults, [])
  })

  await t.test('whose name is taken know before they type', async (t) => {
    const { page } = await open()
    for (const [name, fault] of [
      [
        '7',
        'There is somebody called 7 already, from the data that the models learned from. Choose another name.'
      ],
      ['Ada Lovelace', 'There is somebody called Ada Lovelace already. Choose another name.'],
      ['"Ada"', 'The name begins with a quotation mark, which training refuses.']
    ] as const) {
      await page.fill('#enroll-name', name)
      await page.keyboard.press('Tab')
      await page.locator('#enroll-fault').getByText(fault, { exact: true }).waitFor()
    }
    await page.fill('#enroll-name', 'Somebody new')
    await page.keyboard.press('Tab')
    t.equal(await page.textContent('#enroll-fault'), '')
  })

  await t.test('who are not recognized are offered to be added, and what they typed counts', async (t) => {
    const typist = await openPage(browser, url)
    const { page, type } = typist
    await page.locator('#recognize-field-input').waitFor()
    const join = page.locator('#join')
    let other = 0
    const newcomer = (row: number): Typing => {
      const [rhythm, held] = [typing(said, 8 * 31 + row), typing(said, 8 * other + row)]
      const Press = rhythm.Press.map((time) => Math.round(time * 1.3))
      const hold = (key: number) => Math.round(1.5 * (held.Release[key]! - held.Press[key]!))
      return { Press, Release: Press.map((time, key) => time + hold(key)) }
    }
    const isKnown = async (row: number) => {
      const payload = { Typings: [newcomer(row)] }
      return (await app.inject({ method: 'POST', url: '/identify', payload })).json().Known
    }
    while ((await isKnown(0)) || (await isKnown(1))) other++
    await type(STRING, newcomer(0))
    await join.getByText('Add yourself: this was 1 of 4').waitFor()
    await type(STRING, newcomer(1))
    await join.getByText('Add yourself: these were 2 of 4').waitFor()
    const users = async () => (await app.inject('/models')).json().users
    t.match(await page.textContent('#result [data-sure]'), `one of the ${await users()}.`)
    await join.click()
    await says(typist, '2 of 4. Say who you are, then type the string 2 times more.')
    t.equal(await page.evaluate('document.activeElement.id'), 'enroll-name')
    await page.keyboard.type('Newcomer')
    await page.keyboard.press('Enter')
    for (const row of [2, 3]) await type(STRING, newcomer(row))
    await says(typist, /^Added/)
    await page.click('nav a[href="#recognize"]')
    await page.focus('#recognize-field-input')
    await type(STRING, newcomer(5))
    await page.locator('#result').getByText('Looks like Newcomer').waitFor()
    t.match(
      await page.textContent('#result [data-sure]'),
      `${await users()} users`,
      'as many as there are now'
    )
  })

  await t.test('say who they are after typing as well, and not by a name that is taken', async (t) => {
    const typist = await open()
    const { page } = typist
    await typeFour(typist, [4, 5, 6, 7])
    await says(typist, 'Now say who you are.')
    t.equal(await page.textContent('#enroll-fault'), 'Who are you? Any name will do.')
    await page.fill('#enroll-name', '7')
    await page.keyboard.press('Enter')
    await page.locator('#enroll-fault').getByText('There is somebody called 7 already').waitFor()
    t.match((await app.inject('/users/7')).json(), { Source: 'trained' })
    await page.fill('#enroll-name', 'Grace')
    await page.keyboard.press('Enter')
    await says(typist, 'Added. Now type it once more')
    t.match((await app.inject('/users/Grace')).json(), { Typings: 4 })
  })

  await t.test('whose typings are not alike are asked for two more', async (t) => {
    const typist = await open()
    const { page, type } = typist
    // What is typed while the list is still on its way counts.
    await page.route(/\/users(\?.*)?$/, async (route) => {
      await setTimeout(1_000)
      await route.continue()
    })
    await page.fill('#enroll-name', 'Changeable')
    await page.focus('#enroll-field-input')
    for (const row of [0, 100, 300, 500]) {
      await type(STRING, typing(said, row))
      await says(typist, row === 500 ? 'type it twice more' : /of 4. Type it again/)
    }
    await type(STRING, typing(said, 1))
    await says(typist, '5 of 6. Type it again.')
    await type(STRING, typing(said, 101))
    await says(typist, 'Added. Now type it once more')
    t.match((await app.inject('/users/Changeable')).json(), { Typings: 6 })
  })

  await t.test('are listed, and delete themselves', async (t) => {
    const { page } = await open()
    const row = page.locator('#enrolled li', { hasText: 'Grace' })
    const remove = row.getByRole('button', { name: 'Delete Grace' })
    page.once('dialog', (dialog) => dialog.dismiss())
    await remove.click()
    t.equal((await app.inject('/users/Grace')).statusCode, 200, 'asked first')
    page.once('dialog', (dialog) => {
      t.equal(dialog.message(), 'Delete Grace and their typings?')
      dialog.accept()
    })
    await remove.click()
    await row.waitFor({ state: 'detached' })
    t.equal((await app.inject('/users/Grace')).statusCode, 404)
    t.match(await page.textContent('#enrolled'), 'Ada Lovelace')
  })

  await t.test('need an administrator’s key where keys are set', async (t) => {
    const hash = (key: string) => createHash('sha256').update(key).digest('hex')
    const models = loadModels(folder('sample'))
    const guarded = await buildApp({
      models,
      keyHashes: { ask: [hash('asking')], administer: [hash('admin')] }
    })
    t.teardown(() => guarded.close())
    await models
    const address = await guarded.listen({ host: '127.0.0.1', port: 0 })
    const { page } = await openPage(browser, `${address}/#enroll`)
    const dialog = page.locator('#key-dialog')
    const give = async (key: string) => {
      await dialog.waitFor()
      await dialog.locator('input').fill(key)
      await dialog.getByRole('button', { name: 'Use' }).click()
    }
    await give('asking')
    const why = 'This key asks; adding people, and asking about files, takes an administrator’s key.'
    await dialog.locator('#key-fault').getByText(why).waitFor()
    await dialog.getByRole('button', { name: 'Cancel' }).click()
    await page.locator('#enroll-forbidden').getByText('takes an administrator’s key').waitFor()
    t.notOk(await page.isVisible('#enroll-field-input'), 'nobody types in vain')
    await page.getByRole('button', { name: 'Give another key' }).click()
    await give('admin')
    await page.locator('#enroll-field-input').waitFor()
    await page.locator('#enrolled-nobody').getByText('Nobody yet.').waitFor()
  })
})
