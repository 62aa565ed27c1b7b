import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { transform } from 'esbuild'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import { withoutBrowser } from '../../../scripts/lib/browser.ts'
import { ROOT } from '../../../scripts/lib/processes.ts'
import { buildApp } from '../../src/app.ts'
import type { Typing } from '../../src/schemas/typing.ts'
import { openBrowser, openPage, type Typist } from './browser.ts'

const app = await buildApp({ models: new Promise(() => {}) })
t.teardown(() => app.close())

/** Somebody's page: the recorder on a field, what it calls kept in `calls`, and key events as any listener sees them. */
app.get<{ Querystring: { string: string } }>('/somebody', (request, reply) =>
  reply.type('text/html').send(`<!doctype html><meta charset="utf-8">
    <form action="/left"><input id="field"></form><input id="other" value="quiet"><p>quiet</p>
    <script type="module">
      import { record } from './recorder.js'
      window.calls = []
      window.submitted = 0
      addEventListener('submit', (event) => {
        event.preventDefault()
        submitted++
      })
      window.seen = []
      for (const type of ['keydown', 'keyup']) {
        addEventListener(type, ({ key, timeStamp }) => seen.push({ type, key, timeStamp }), true)
      }
      record(document.querySelector('#field'), {
        string: ${JSON.stringify(request.query.string)},
        onTyping: (typing) => calls.push({ typing }),
        onRefusal: (refusal) => calls.push(refusal)
      })
      document.querySelector('#field').focus()
      window.isReady = true
    </script>`)
)
const url = await app.listen({ host: '127.0.0.1', port: 0 })

type Call = { typing: Typing } | { reason: string; message: string }

t.test('in a browser', { skip: withoutBrowser }, async (t) => {
  const browser = await openBrowser(t)

  const typist = await openPage(browser, `${url}/somebody?string=none`)

  const open = async (string: string): Promise<Typist & { calls: () => Promise<Call[]> }> => {
    await typist.page.goto(`${url}/somebody?string=${encodeURIComponent(string)}`)
    await typist.page.waitForFunction('window.isReady')
    return { ...typist, calls: () => typist.page.evaluate('calls') }
  }

  /** The timer counts in 0.1 ms, and each of two times is rounded to whole ms. */
  const near = (t: Test, found: Typing, expected: Typing, message: string) => {
    for (const series of ['Press', 'Release'] as const) {
      t.equal(found[series].length, expected[series].length)
      const off = found[series].map((time, i) => Math.abs(time - expected[series][i]!))
      t.ok(Math.max(...off) <= 1, `${message}: ${series} ${found[series]}, typed ${expected[series]}`)
      t.ok(found[series].every(Number.isInteger), 'whole ms')
    }
  }

  await t.test('a typing has the times that were typed, within the timer’s resolution', async (t) => {
    const { type, calls } = await open('quiet')
    const typed = { Press: [0, 137, 290, 301, 622], Release: [80, 201, 300, 409, 700] }
    await type('quiet', typed)
    const [found] = await calls()
    near(t, (found as { typing: Typing }).typing, typed, 'apart and close together')
  })

  await t.test('a typing has the times that another listener sees of a real keyboard', async (t) => {
    const { page, calls } = await open('quiet')
    for (const character of 'quiet') {
      await page.keyboard.down(character)
      await page.waitForTimeout(20)
      await page.keyboard.up(character)
      await page.waitForTimeout(30)
    }
    const seen = await page.evaluate<{ type: string; timeStamp: number }[]>('seen')
    const times = (type: string) =>
      seen.filter((event) => event.type === type).map(({ timeStamp }) => timeStamp - seen[0]!.timeStamp)
    const [found] = await calls()
    near(
      t,
      (found as { typing: Typing }).typing,
      { Press: times('keydown'), Release: times('keyup') },
      'as seen'
    )
  })

  await t.test('keys that overlap keep their own releases, in whatever order they come up', async (t) => {
    const { type, calls } = await open('quiet')
    // u goes down before q is up; i comes up before u; e and t are both down when e comes up last.
    const typed = { Press: [0, 60, 120, 300, 330], Release: [90, 210, 150, 500, 400] }
    await type('quiet', typed)
    const [found] = await calls()
    near(t, (found as { typing: Typing }).typing, typed, 'overlapping')
  })

  await t.test('a doubled letter is two keys', async (t) => {
    const { type, calls } = await open('noon')
    const typed = { Press: [0, 100, 200, 300], Release: [50, 150, 250, 350] }
    await type('noon', typed)
    const [found] = await calls()
    near(t, (found as { typing: Typing }).typing, typed, 'twice')
  })

  await t.test('Shift is not a key of its own where the string needs it', async (t) => {
    const { page, calls } = await open('aBc')
    await page.keyboard.press('a', { delay: 5 })
    await page.keyboard.down('Shift')
    await page.keyboard.press('B', { delay: 5 })
    await page.keyboard.up('Shift')
    await page.keyboard.press('c', { delay: 5 })
    const [found] = await calls()
    t.equal((found as { typing: Typing }).typing.Press.length, 3)
  })

  await t.test('Shift that comes up before its letter does not lose the letter’s release', async (t) => {
    const { page, calls } = await open('Ba')
    await page.keyboard.down('Shift')
    await page.keyboard.down('KeyB')
    await page.keyboard.up('Shift')
    await page.waitForTimeout(5)
    await page.keyboard.up('KeyB')
    await page.keyboard.press('a', { delay: 5 })
    t.match(await calls(), [{ typing: { Press: { length: 2 } } }])
  })

  await t.test('Enter after the last key is not a mistake', async (t) => {
    const { page, send, pause, calls } = await open('ab')
    pause()
    await send('down', 'a', 0)
    await send('up', 'a', 50)
    await send('down', 'b', 100)
    await page.keyboard.press('Enter')
    await send('up', 'b', 180)
    t.match(await calls(), [{ typing: { Release: { length: 2 } } }])
  })

  await t.test('Enter never submits the form that the field is in', async (t) => {
    const { page, type, send, pause, calls } = await open('ab')
    const stays = async (when: string) => {
      await page.keyboard.press('Enter')
      t.equal(await page.evaluate('submitted'), 0, when)
    }
    await stays('before the first key')
    await type('ab', { Press: [0, 100], Release: [50, 160] })
    await stays('after the last key')
    pause()
    await send('down', 'a', 0)
    await stays('midway')
    await stays('after a refusal')
    t.match(await calls(), [{ typing: {} }, { reason: 'shortcut' }])
  })

  await t.test('a string that is given decomposed is typed composed', async (t) => {
    const { type, calls } = await open('cafe\u0301')
    await type('caf\u00e9', { Press: [0, 100, 200, 300], Release: [50, 150, 250, 350] })
    t.match(await calls(), [{ typing: { Press: { length: 4 } } }])
  })

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

  await t.test('one typing follows another, each from its own first press', async (t) => {
    const { type, calls } = await open('ab')
    await type('ab', { Press: [0, 100], Release: [50, 160] })
    await type('ab', { Press: [0, 200], Release: [70, 290] })
    const all = (await calls()) as { typing: Typing }[]
    t.equal(all.length, 2)
    near(t, all[1]!.typing, { Press: [0, 200], Release: [70, 290] }, 'the second')
  })

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
      ({ page }) => page.keyboard.down('u').then(() => page.keyboard.down('u'))
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

  await t.test('Tab, arrows and shortcuts before the first key refuse nothing', async (t) => {
    const { page, type, calls } = await open('ab')
    await page.keyboard.press('Shift+Tab')
    await page.focus('#field')
    for (const key of ['ArrowLeft', 'Backspace', 'Control+a', 'Enter', 'Shift'])
      await page.keyboard.press(key)
    t.same(await calls(), [])
    await type('ab', { Press: [0, 100], Release: [50, 160] })
    t.match(await calls(), [{ typing: {} }])
  })

  await t.test('the example in docs/recorder.md works in another’s page', async (t) => {
    const [, example] = /```html\n(.*?)```/s.exec(await readFile(join(ROOT, 'docs', 'recorder.md'), 'utf8'))!
    const [, backEnd] = /```js\n(.*?)```/s.exec(await readFile(join(ROOT, 'docs', 'recorder.md'), 'utf8'))!
    t.match(backEnd, '/verify', 'its own back end asks the service')
    const other = Fastify()
    t.teardown(() => other.close())
    const recorder = (await app.inject('/recorder.js')).body
    other.get('/', (_request, reply) => reply.type('text/html').send(example))
    other.get('/recorder.js', (_request, reply) => reply.type('text/javascript').send(recorder))
    const asked: unknown[] = []
    other.post('/log-in', (request) => {
      asked.push(request.body)
      return { Match: true }
    })
    const address = await other.listen({ host: '127.0.0.1', port: 0 })
    const { page, type, faults } = await openPage(browser, address)
    await page.fill('[name=user]', 'ana')
    await page.focus('#string')
    const keys = [...'quiet morning'].map((_, i) => i)
    await type('quiet morning', { Press: keys.map((i) => 150 * i), Release: keys.map((i) => 150 * i + 90) })
    await page.waitForFunction("document.querySelector('output').textContent.includes('Welcome')")
    t.match(asked, [{ UserID: 'ana', Typings: [{ Press: { length: 13 }, Release: { length: 13 } }] }])
    t.same(faults, [])
  })
})

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
