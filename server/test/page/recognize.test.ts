import { createHash } from 'node:crypto'
import t from 'tap'
import { withoutBrowser } from '../../../scripts/lib/browser.ts'
import { buildApp } from '../../src/app.ts'
import { loadModels } from '../../src/models/load.ts'
import type { Typing } from '../../src/schemas/typing.ts'
import { folder, oracle, readyApp, typing } from '../fixtures.ts'
import { openBrowser, openPage, type Typist } from './browser.ts'

const STRING = 'quiet morning'
t.test('who it looks like', { skip: withoutBrowser }, async (t) => {
  const app = await readyApp()
  t.teardown(() => app.close())
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  const browser = await openBrowser(t)
  const said = oracle('sample')
  const post = async (path: string, body: object) =>
    (await app.inject({ method: 'POST', url: path, payload: body })).json()

  const open = async (): Promise<
    Typist & { sent: Map<string, unknown[]>; text: (at: string) => Promise<string> }
  > => {
    const typist = await openPage(browser, url)
    const sent = new Map<string, unknown[]>()
    typist.page.on('request', (request) => {
      const path = new URL(request.url()).pathname
      if (request.method() === 'POST') sent.set(path, [...(sent.get(path) ?? []), request.postDataJSON()])
    })
    await typist.page.focus('#recognize-field-input')
    const text = async (at: string) => (await typist.page.textContent(at)) ?? ''
    return { ...typist, sent, text }
  }
  const answered = (typist: Typist) => typist.page.getByText('Clean, and answered.').waitFor()

  await t.test('each model’s answer is what the API gives for the typing', async (t) => {
    const typist = await open()
    const { page, type, sent, text, faults } = typist
    const typed = typing(said, 100)
    await type(STRING, typed)
    await answered(typist)

    const [asked] = sent.get('/identify') as [{ Typings: [Typing] }]
    const off = asked.Typings[0].Press.map((time, i) => Math.abs(time - (typed.Press[i]! - typed.Press[0]!)))
    t.ok(Math.max(...off) <= 1, 'what is sent is what was typed')
    const identified = await post('/identify', asked)
    t.equal(await text('#result [data-verdict]'), `Looks like ${identified.UserID}`)
    t.same(
      await page.locator('#result .user').allTextContents(),
      identified.Candidates.map(({ UserID }: { UserID: number }) => `${UserID}`)
    )
    const shown = (await page.locator('#result .value').allTextContents()).map((value) =>
      Number.parseFloat(value.replace(/[<>\s]/g, ''))
    )
    t.equal(shown.length, 5)
    t.equal(identified.Candidates.length, 5)
    for (const [i, { Probability }] of identified.Candidates.entries()) {
      t.ok(Math.abs(shown[i]! - 100 * Probability) <= 0.5, `${shown[i]} % is ${Probability}`)
    }

    const features = await post('/features', asked.Typings[0])
    for (const [i, Model] of ['SVM', 'RF', 'XGB'].entries()) {
      const predicted = await post('/predict?top=5', { Model, ...features })
      const card = page.locator('#eight .model').nth(i)
      t.equal(await card.locator('.named').textContent(), `${predicted.UserID}`, Model)
      t.same(
        await card.locator('.user').allTextContents(),
        predicted.Candidates.map(({ UserID }: { UserID: number }) => `${UserID}`)
      )
      const values = (await card.locator('.value').allTextContents()).join('')
      if (Model === 'SVM') t.equal(values, '', 'decision values are nothing that people can read')
      else t.match(values, '%')
    }
    const { models } = (await app.inject('/models')).json()
    for (const { metrics } of Object.values<typeof models.RF>(models)) {
      const rank1 = `${Math.round(100 * metrics.leaveOneRepetitionOut.rank1)}`
      t.match(await text('#recognize'), rank1, 'its rate on typings left out is beside it')
    }
    t.match(await text('#announcement'), `Looks like ${identified.UserID}`, 'announced to screen readers')
    t.same(faults, [])
  })

  await t.test('the time line and its table have the times typed', async (t) => {
    const typist = await open()
    const { page, type } = typist
    const typed = typing(said, 7)
    await type(STRING, typed)
    await answered(typist)
    t.equal(await page.locator('.press').count(), 13)
    await page.locator('#recognize-field summary').click()
    const rows = await page.locator('#recognize-field tbody tr').allInnerTexts()
    t.equal(rows.length, 13)
    for (const [i, row] of rows.entries()) {
      const [key, pressed, released, held] = row.split('\t')
      t.equal(key, STRING[i] === ' ' ? '␣' : STRING[i])
      t.ok(Math.abs(Number(pressed) - typed.Press[i]!) <= 1, row)
      t.ok(Math.abs(Number(released) - typed.Release[i]!) <= 1, row)
      t.ok(Math.abs(Number(held) - (typed.Release[i]! - typed.Press[i]!)) <= 1, row)
    }
    await page.locator('.press').first().focus()
    await page.keyboard.press('ArrowRight')
    const focused = page.locator('.press:focus')
    t.match(
      await focused.getAttribute('aria-label'),
      /^u: down at \d+ ms, held \d+ ms, \d+ ms after the last press/
    )
    t.equal(
      await page.locator('#recognize-field .detail').textContent(),
      `${await focused.getAttribute('aria-label')}.`
    )
  })

  await t.test('bars are drawn while keys are down', async (t) => {
    const { page, send, pause } = await open()
    pause()
    await send('down', 'q', 0)
    await send('down', 'u', 80)
    t.equal(await page.locator('.press.down').count(), 2)
    await send('up', 'q', 120)
    t.equal(await page.locator('.press.down').count(), 1)
    t.equal(await page.locator('.press').count(), 2)
  })

  await t.test('a typist who is not enrolled is not recognized', async (t) => {
    const typist = await open()
    // One user's rhythm with another's hold times, until the typing model knows nobody like it.
    let nobodys: Typing = typing(said, 0)
    for (let row = 8; (await post('/identify', { Typings: [nobodys] })).Known; row += 8) {
      const [rhythm, held] = [typing(said, 0), typing(said, row)]
      const Release = rhythm.Press.map((press, key) => press + held.Release[key]! - held.Press[key]!)
      nobodys = { Press: rhythm.Press, Release }
    }
    await typist.type(STRING, nobodys)
    await answered(typist)
    t.equal(await typist.text('#result [data-verdict]'), 'I don’t recognize this typing')
    t.match(await typist.text('#result [data-sure]'), /^The nearest is \d+/)
  })

  await t.test('a typing that is refused is not sent, and the page says why', async (t) => {
    const { page, send, pause, sent, text } = await open()
    pause()
    await send('down', 'q', 0)
    await send('up', 'q', 80)
    await send('down', 'x', 150)
    t.equal(
      await text('#recognize-field-status'),
      'Not sent. That is not the next key of the string. Pause for a moment and start over.'
    )
    t.equal(await page.locator('.press.refused').count(), 1, 'what there was is shown')
    t.equal(await page.locator('.cap.wrong').textContent(), 'u', 'and where it went wrong')
    t.equal(sent.size, 0)
  })

  await t.test(
    'a typing is read together with the one before if the person says so, three at most',
    async (t) => {
      const typist = await open()
      const { page, type, sent, text } = typist
      const surer = page.locator('#surer')
      for (const row of [80, 81, 82]) {
        await type(STRING, typing(said, row))
        await answered(typist)
        if (row === 82) break
        t.equal(await surer.textContent(), `Type it again to be surer (${row - 79} of 3)`)
        await surer.click()
        await page.getByText('Type it again; it is read together').waitFor()
      }
      const asked = () =>
        (sent.get('/identify') as { Typings: Typing[] }[]).map(({ Typings }) => Typings.length)
      t.same(asked(), [1, 2, 3])
      t.match(await text('#result [data-sure]'), 'from 3 typings')
      t.equal(await surer.isVisible(), false)
      await type(STRING, typing(said, 160))
      await page.locator('#surer', { hasText: '(1 of 3)' }).waitFor()
      t.same(asked(), [1, 2, 3, 1], 'the next is of somebody, perhaps another')
      t.notMatch(await text('#result [data-sure]'), 'typings')
    }
  )

  await t.test('what it is not sure of, and strangers, are shown without any green', async (t) => {
    const typist = await open()
    const { page, type } = typist
    const slow = (time: number) => Math.round(time * 7)
    const { Press, Release } = typing(said, 0)
    await type(STRING, { Press: Press.map(slow), Release: Release.map(slow) })
    await page.getByText('I don’t recognize this typing').first().waitFor()
    t.equal(await page.locator('#recognize .good').count(), 0)
    t.match(await page.getAttribute('#result [data-verdict]', 'class'), 'unsure')
  })

  await t.test('a claim is confirmed or not as the API does', async (t) => {
    const typist = await open()
    const { page, type, sent, text } = typist
    await type(STRING, typing(said, 100))
    await answered(typist)
    const { Typings } = sent.get('/identify')![0] as { Typings: Typing[] }
    for (const UserID of [said.true[100], said.true[0]]) {
      await page.fill('#verify input', `${UserID}`)
      await page.click('#verify button')
      await page
        .locator('#verify')
        .getByText(new RegExp(` like ${UserID}$`))
        .waitFor()
      const { Match, Score, Threshold } = await post('/verify', { UserID, Typings })
      t.equal(
        await text('#verify [data-verdict]'),
        `${Match ? 'Yes, this looks' : 'No, this does not look'} like ${UserID}`
      )
      const shown = (await text('#verify [data-sure]')).replace('−', '-')
      t.match(shown, `Score ${Score.toFixed(1)}; a match needs ${Threshold.toFixed(1)}`)
    }
    await page.fill('#verify input', 'nobody')
    await page.click('#verify button')
    await page.getByText('Not verified').waitFor()
    t.match(await text('#verify [data-sure]'), 'there is no user "nobody"')
  })

  await t.test('with a claim made before, each typing is verified', async (t) => {
    const { page, type, text } = await open()
    await page.fill('#verify input', `${said.true[40]}`)
    await page.keyboard.press('Enter')
    t.equal(await page.evaluate('document.activeElement.id'), 'recognize-field-input', 'the string is next')
    await type(STRING, typing(said, 40))
    await page.locator('#verify [data-answer]').waitFor()
    t.match(await text('#verify [data-verdict]'), `${said.true[40]}`)
  })

  await t.test('a service that fails is reported, and the page goes on', async (t) => {
    const typist = await open()
    const { page, type, text } = typist
    await page.route('**/identify*', (route) => route.abort())
    await type(STRING, typing(said, 3))
    await page.locator('#recognize-field').getByText('cannot be reached').waitFor()
    await page.unroute('**/identify*')
    await type(STRING, typing(said, 3))
    await answered(typist)
    t.match(await text('#result [data-verdict]'), 'Looks like')
  })

  await t.test('data that does not say its string: the page says so, and takes one', async (t) => {
    const models = await loadModels(folder('sample'))
    const manifest = { ...models.manifest, dataset: { ...models.manifest.dataset, string: null } }
    const silent = await buildApp({ models: Promise.resolve({ ...models, manifest }) })
    t.teardown(() => silent.close())
    const typist = await openPage(browser, await silent.listen({ host: '127.0.0.1', port: 0 }))
    const { page, type } = typist
    await page.waitForSelector('#recognize-string form')
    t.match(
      await page.textContent('#recognize-string'),
      'Recognition only means something for that very string'
    )
    t.equal(await page.locator('#recognize-field-input').count(), 0)
    await page.fill('#recognize-string input', 'too short')
    await page.keyboard.press('Enter')
    t.match(
      await page.textContent('#recognize-string .fault'),
      'This has 9 characters, and the models know typings of 13.'
    )
    await page.fill('#recognize-string input', 'another thing')
    await page.keyboard.press('Enter')
    t.equal(await page.evaluate('document.activeElement.id'), 'recognize-field-input')
    await type('another thing', typing(said, 9))
    await answered(typist)
    await page.click('nav a[href="#enroll"]')
    t.ok(await page.isVisible('#enroll-field-input'), 'and people can be added')
    t.equal(await page.locator('#enroll-string form').isVisible(), false)

    await page.reload()
    await page.fill('#enroll-string input', 'another thing')
    await page.keyboard.press('Enter')
    await page.locator('#enroll-field-input').waitFor()
    await page.click('nav a[href="#recognize"]')
    t.ok(await page.isVisible('#recognize-field-input'), 'said once, it is known in both')
  })

  await t.test('with keys configured the page asks for one, and again for a better one', async (t) => {
    const hash = createHash('sha256').update('the-right-key').digest('hex')
    const guarded = await buildApp({ models: loadModels(folder('sample')), keyHashes: { ask: [hash] } })
    t.teardown(() => guarded.close())
    const typist = await openPage(browser, await guarded.listen({ host: '127.0.0.1', port: 0 }))
    const { page, type, faults } = typist
    const dialog = page.getByRole('dialog', { name: 'This service asks for a key' })
    await dialog.waitFor()
    await page.keyboard.type('the-wrong-key')
    await page.keyboard.press('Enter')
    await page.getByText('That key is not accepted.').waitFor()
    await page.keyboard.type('the-right-key')
    await page.keyboard.press('Enter')
    await page.focus('#recognize-field-input')
    await type(STRING, typing(said, 3))
    await answered(typist)
    t.equal(await page.textContent('#result [data-verdict]'), 'This key may not ask who typed')
    t.equal(await page.locator('#eight .candidates li').count(), 0, 'and gets no ranks')
    await page.fill('#verify input', '1')
    await page.click('#verify button')
    await page.locator('#verify').getByText('Yes, this looks like 1').waitFor()
    t.equal(await page.evaluate('JSON.stringify(localStorage)'), '{}', 'the key is for this tab alone')
    await page.reload()
    await page.waitForSelector('#recognize-field-input')
    t.notOk(await dialog.isVisible(), 'kept over a reload')
    t.same(faults, [])

    const other = await openPage(browser, page.url())
    await other.page.getByRole('dialog').waitFor()
    await other.page.keyboard.press('Escape')
    await other.page.getByText('The service answers only with a key.').waitFor()
  })
})
