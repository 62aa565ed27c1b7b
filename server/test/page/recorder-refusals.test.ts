import t from 'tap'
import { withoutBrowser } from '../../../scripts/lib/browser.ts'
import type { Typist } from './browser.ts'
import { openRecorderPage, startRecorderPage } from './recorder-page.ts'

const { app, url } = await startRecorderPage()
t.teardown(() => app.close())

t.test('in a browser', { skip: withoutBrowser }, async (t) => {
  const { open } = await openRecorderPage(t, url)

  for (const [what, string, key, reason] of [
    ['the next key with Caps Lock on', 'quiet', 'Q', 'caps-lock'],
    ['another key with Caps Lock on', 'quiet', 'X', 'wrong-key'],
    ['Caps Lock on, where a capital is next', 'Quiet', 'q', 'caps-lock']
  ] as const) {
    await t.test(`refused as ${reason}: ${what}`, async (t) => {
      const { page, send, pause, calls } = await open(string)
      // Neither Playwright nor the protocol can turn it on.
      await page.evaluate("KeyboardEvent.prototype.getModifierState = (name) => name === 'CapsLock'")
      pause()
      await send('down', key, 0)
      t.match(await calls(), [{ reason }])
    })
  }

  for (const when of ['before the first key', 'midway']) {
    await t.test(`an event without a key, as programs that fill forms send, ${when}`, async (t) => {
      const { page, send, pause, calls, faults } = await open('quiet')
      pause()
      if (when === 'midway') await send('down', 'q', 0)
      await page.evaluate(
        "for (const type of ['keydown', 'keyup']) field.dispatchEvent(new Event(type, { bubbles: true }))"
      )
      t.match(await calls(), [{ reason: 'untrusted' }])
      t.same(faults, [])
    })
  }

  const refusals: [what: string, reason: string, act: (typist: Typist) => Promise<unknown>][] = [
    ['another key', 'wrong-key', ({ send }) => send('down', 'x', 200)],
    ['a capital', 'wrong-key', ({ send }) => send('down', 'U', 200)],
    ['Caps Lock', 'shortcut', ({ page }) => page.keyboard.press('CapsLock')],
    ['Backspace', 'edited', ({ page }) => page.keyboard.press('Backspace')],
    ['Delete', 'edited', ({ page }) => page.keyboard.press('Delete')],
    ['text that no key typed', 'edited', ({ page }) => page.keyboard.insertText('uiet')],
    [
      'a key held until it repeats',
      'key-repeat',
      async ({ send, cdp }) => {
        await send('down', 'u', 150)
        await cdp.send('Input.dispatchKeyEvent', {
          type: 'keyDown',
          key: 'u',
          code: 'KeyU',
          autoRepeat: true
        })
      }
    ],
    ['Ctrl', 'shortcut', ({ page }) => page.keyboard.press('Control')],
    ['a letter with Alt', 'shortcut', ({ page }) => page.keyboard.press('Alt+u')],
    ['an arrow key', 'shortcut', ({ page }) => page.keyboard.press('ArrowLeft')],
    [
      'a dropped text',
      'pasted',
      ({ page }) => page.evaluate("field.dispatchEvent(new DragEvent('drop', { cancelable: true }))")
    ],
    [
      'a composed character',
      'composition',
      ({ cdp }) => cdp.send('Input.imeSetComposition', { text: 'ü', selectionStart: 1, selectionEnd: 1 })
    ],
    [
      'a dead key',
      'composition',
      ({ cdp }) => cdp.send('Input.dispatchKeyEvent', { type: 'rawKeyDown', key: 'Dead', code: 'Equal' })
    ],
    ['another field', 'focus-lost', ({ page }) => page.focus('#other')],
    ['Tab', 'focus-lost', ({ page }) => page.keyboard.press('Tab')],
    [
      'a page that is hidden',
      'focus-lost',
      ({ page }) =>
        page.evaluate(
          "Object.defineProperty(document, 'hidden', { value: true }); document.dispatchEvent(new Event('visibilitychange'))"
        )
    ],
    [
      'a key that a program presses',
      'untrusted',
      ({ page }) =>
        page.evaluate(
          "field.dispatchEvent(new KeyboardEvent('keydown', { key: 'u', code: 'KeyU', bubbles: true }))"
        )
    ],
    [
      'a release that a program makes',
      'untrusted',
      ({ page }) =>
        page.evaluate(
          "field.dispatchEvent(new KeyboardEvent('keyup', { key: 'q', code: 'KeyQ', bubbles: true }))"
        )
    ],
    [
      'a touch keyboard that names no key',
      'no-key-times',
      ({ cdp }) =>
        cdp.send('Input.dispatchKeyEvent', {
          type: 'rawKeyDown',
          key: 'Unidentified',
          windowsVirtualKeyCode: 229
        })
    ],
    [
      'a touch keyboard that names no place of a key',
      'no-key-times',
      ({ cdp }) => cdp.send('Input.dispatchKeyEvent', { type: 'keyDown', key: 'u', text: 'u' })
    ]
  ]
  for (const [what, reason, act] of refusals) {
    await t.test(`refused midway as ${reason}: ${what}`, async (t) => {
      const typist = await open('quiet')
      typist.pause()
      await typist.send('down', 'q', 0)
      await act(typist)
      const calls = await typist.calls()
      t.match(calls, [{ reason, message: /^[A-Z].*\.$/ }])
      t.equal(calls.length, 1, 'called once')
      t.equal(await typist.page.inputValue('#field'), '')
    })
  }

  await t.test('refused as pasted: the string from the clipboard, with nothing typed before', async (t) => {
    const { page, calls } = await open('quiet')
    await page.focus('#other')
    await page.keyboard.press('Control+a')
    await page.keyboard.press('Control+c')
    await page.focus('#field')
    await page.keyboard.press('Control+v')
    t.match(await calls(), [{ reason: 'pasted' }])
    t.equal(await page.inputValue('#field'), '')
  })

  await t.test('refused as no-key-times: keys that were never held', async (t) => {
    const { type, calls } = await open('ab')
    await type('ab', { Press: [0, 100], Release: [0, 101] })
    t.match(await calls(), [{ reason: 'no-key-times' }])
  })

  await t.test('refused as shortcut: Shift where the string needs none', async (t) => {
    const { page, send, pause, calls } = await open('quiet')
    pause()
    await send('down', 'q', 0)
    await page.keyboard.down('Shift')
    t.match(await calls(), [{ reason: 'shortcut' }])
  })

  await t.test('refused as wrong-key: a key too many before the last one is up', async (t) => {
    const { send, pause, calls } = await open('ab')
    pause()
    for (const [i, character] of [...'abc'].entries()) await send('down', character, 100 * i)
    t.match(await calls(), [{ reason: 'wrong-key' }])
  })

  await t.test(
    'the rest of a refused typing is dropped, and after a pause the next is recorded',
    async (t) => {
      const { page, send, pause, type, calls } = await open('ab')
      pause()
      await send('down', 'a', 0)
      await send('up', 'a', 50)
      for (const at of [100, 300, 500]) {
        await send('down', 'x', at)
        await send('up', 'x', at + 60)
      }
      await send('down', 'a', 700)
      await send('down', 'b', 800)
      t.equal(await page.inputValue('#field'), '')
      await send('up', 'a', 850)
      await send('up', 'b', 900)
      t.equal((await calls()).length, 1)
      await type('ab', { Press: [0, 100], Release: [50, 160] })
      t.match(await calls(), [{ reason: 'wrong-key' }, { typing: { Press: [0, 100] } }])
    }
  )
})
