import t, { type Test } from 'tap'
import { withoutBrowser } from '../../../scripts/lib/browser.ts'
import type { Typing } from '../../src/schemas/typing.ts'
import { openRecorderPage, startRecorderPage } from './recorder-page.ts'

const { app, url } = await startRecorderPage()
t.teardown(() => app.close())

t.test('in a browser', { skip: withoutBrowser }, async (t) => {
  const { open } = await openRecorderPage(t, url)

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

  await t.test('one typing follows another, each from its own first press', async (t) => {
    const { type, calls } = await open('ab')
    await type('ab', { Press: [0, 100], Release: [50, 160] })
    await type('ab', { Press: [0, 200], Release: [70, 290] })
    const all = (await calls()) as { typing: Typing }[]
    t.equal(all.length, 2)
    near(t, all[1]!.typing, { Press: [0, 200], Release: [70, 290] }, 'the second')
  })

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
})
