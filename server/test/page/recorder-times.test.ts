/** Times that are not those of fingers on a keyboard, and strings that no field or keyboard can type. */
import t from 'tap'
import { withoutBrowser } from '../../../scripts/lib/browser.ts'
import { openRecorderPage, startRecorderPage } from './recorder-page.ts'

const { app, url } = await startRecorderPage()
t.teardown(() => app.close())

t.test('in a browser', { skip: withoutBrowser }, async (t) => {
  const { open } = await openRecorderPage(t, url)

  for (const [what, string, typing, reason] of [
    ['a press before the last', 'quiet', [0, 60, 150, 210, 100, 160, 300, 360, 450, 510], 'clock-back'],
    ['a key that bounces', 'letter', [0, 60, 150, 210, 300, 304, 312, 372, 462, 522, 612, 672], 'key-bounce'],
    ['a pause of 10.1 s', 'quiet', [0, 60, 150, 210, 300, 360, 10_400, 10_460, 10_550, 10_610], 'pause'],
    [
      'a phone call of 90 minutes',
      'quiet',
      [0, 60, 150, 210, 300, 360, 5_400_300, 5_400_360, 5_400_450, 5_400_510],
      'pause'
    ]
  ] as const) {
    await t.test(`refused as ${reason}: ${what}`, async (t) => {
      const { send, pause, calls, page } = await open(string)
      pause()
      for (const [i, character] of [...string].entries()) {
        await send('down', character, typing[2 * i]!)
        await send('up', character, typing[2 * i + 1]!)
      }
      const found = await calls()
      t.match(found, [{ reason, message: /^[A-Z].*\.$/ }])
      t.equal(found.length, 1)
      t.equal(await page.inputValue('#field'), '')
    })
  }

  await t.test('refused as clock-back: a release before its press', async (t) => {
    const { send, pause, calls } = await open('qui')
    pause()
    await send('down', 'q', 100)
    await send('up', 'q', 60)
    t.match(await calls(), [{ reason: 'clock-back' }])
  })

  await t.test('clean: a double letter as fast as people type it, and a pause of 9 s', async (t) => {
    const { type, calls } = await open('noon')
    await type('noon', { Press: [0, 100, 143, 9_100], Release: [60, 141, 200, 9_200] })
    t.match(await calls(), [{ typing: { Press: [0, 100, 143, 9_100] } }])
  })

  await t.test('after a clock that went back by an hour the next typing is recorded', async (t) => {
    const { page, send, pause, type, calls } = await open('ab')
    pause()
    await send('down', 'x', 0)
    await page.evaluate(`
      const { get } = Object.getOwnPropertyDescriptor(Event.prototype, 'timeStamp')
      Object.defineProperty(Event.prototype, 'timeStamp', { get() { return get.call(this) - 3_600_000 } })`)
    await type('ab', { Press: [0, 100], Release: [50, 160] })
    t.match(await calls(), [{ reason: 'wrong-key' }, { typing: { Press: [0, 100] } }])
  })

  await t.test('a browser whose key events bear no time is named as the cause, every time', async (t) => {
    const { page, type, calls } = await open('qui')
    await page.evaluate("Object.defineProperty(Event.prototype, 'timeStamp', { value: 0 })")
    const typing = { Press: [0, 100, 250], Release: [80, 180, 330] }
    for (let time = 1; time <= 3; time++) {
      await type('qui', typing)
      const found = await calls()
      t.equal(found.length, time, 'one refusal for a typing')
      t.match(found.at(-1), { reason: 'no-clock', message: /browser/ })
      await page.waitForTimeout(700)
    }
  })

  await t.test('a keyboard that sends no release is named as the cause', async (t) => {
    const { page, send, pause, calls } = await open('qui')
    await page.clock.install()
    const press = async () => {
      pause()
      for (const [i, character] of [...'qui'].entries()) await send('down', character, 150 * i)
    }
    await press()
    t.same(await calls(), [], 'its last keys may come up yet')
    await page.clock.runFor(3_100)
    t.match(await calls(), [{ reason: 'no-key-times', message: /keyboard/ }], 'when none has')
    await press()
    await send('down', 'q', 1_000)
    t.match((await calls()).slice(1), [{ reason: 'no-key-times' }], 'when the next typing begins')
  })

  await t.test('and by its seventh key of a long string', async (t) => {
    const { send, pause, calls } = await open('quickly')
    pause()
    for (const [i, character] of [...'quickly'].entries()) await send('down', character, 150 * i)
    t.match(await calls(), [{ reason: 'no-key-times' }])
  })

  await t.test('a typing that is left is refused after 10 s, and the next is recorded at once', async (t) => {
    const { page, send, pause, type, calls } = await open('ab')
    await page.clock.install()
    pause()
    await send('down', 'a', 0)
    await send('up', 'a', 50)
    await page.clock.runFor(9_900)
    t.same(await calls(), [])
    await page.clock.runFor(200)
    t.match(await calls(), [{ reason: 'pause' }])
    t.equal(await page.inputValue('#field'), '')
    await type('ab', { Press: [0, 100], Release: [50, 160] })
    await page.clock.runFor(60_000)
    // Events have the times of the stopped clock here.
    t.match(await calls(), [{ reason: 'pause' }, { typing: { Press: { length: 2 } } }])
    t.equal((await calls()).length, 2)
  })

  for (const [string, when] of [
    ['@bc', 'as its first key'],
    ['b@c', 'midway'],
    ['xyz', 'where another key is next']
  ] as const) {
    await t.test(
      `a character with Option or AltGr, ${when}, is refused with the sentence about Alt`,
      async (t) => {
        const { cdp, send, pause, calls, page } = await open(string)
        pause()
        if (when === 'midway') {
          await send('down', 'b', 0)
          await send('up', 'b', 50)
        }
        await cdp.send('Input.dispatchKeyEvent', {
          type: 'keyDown',
          modifiers: 1,
          key: '@',
          code: 'KeyL',
          text: '@',
          unmodifiedText: '@'
        })
        t.match(await calls(), [{ reason: 'shortcut', message: /Alt/ }])
        t.equal(await page.inputValue('#field'), '')
      }
    )
  }

  for (const [string, type, says] of [
    ['a b', 'email', /type email does not keep " "/],
    ['a b', 'number', /type number does not keep "a"/],
    ['a\tb', 'text', /a tab or another control character/],
    ['a\nb', 'text', /a tab or another control character/]
  ] as const) {
    await t.test(`record() throws for ${JSON.stringify(string)} in a field of type ${type}`, async (t) => {
      const { page } = await open(string, type)
      t.match(await page.evaluate('String(window.thrown)'), says)
    })
  }

  for (const [string, type] of [
    ['a b', 'text'],
    ['a b', 'password'],
    ['a b', 'search'],
    ['a@b.c', 'email'],
    ['0042', 'number']
  ] as const) {
    await t.test(`${JSON.stringify(string)} can be typed into a field of type ${type}`, async (t) => {
      const { page } = await open(string, type)
      t.equal(await page.evaluate('window.thrown ?? window.notice'), undefined)
    })
  }

  for (const string of ['it’s', '“quoted”', 'and so on…', 'a\u00a0b', '1–2']) {
    await t.test(`${JSON.stringify(string)}: a keyboard has hardly such a key`, async (t) => {
      const { page } = await open(string)
      t.match(await page.evaluate('window.notice'), /is on hardly any keyboard/)
    })
  }
})

t.test('on a phone', { skip: withoutBrowser }, async (t) => {
  const { open } = await openRecorderPage(t, url, { hasTouch: true, isMobile: true })

  await t.test('before typing: that its keyboard will not do, and what will', async (t) => {
    const { page } = await open('quiet')
    t.match(await page.evaluate('window.notice'), /connect a keyboard, or use a computer/)
  })
})
