import { chromium } from 'playwright-core'
import { oracle, readyApp, typing } from '../server/test/fixtures.ts'

const app = await readyApp('sample')
const url = await app.listen({ host: '127.0.0.1', port: 21002 })
const b = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu']
})
const o = oracle('sample')
for (const [name, w, h, scheme] of [
  ['light', 1200, 900, 'light'],
  ['dark', 1200, 900, 'dark'],
  ['phone', 360, 740, 'light']
] as const) {
  const context = await b.newContext({ viewport: { width: w, height: h }, colorScheme: scheme })
  const p = await context.newPage()
  p.on('console', (m) => console.log(name, m.type(), m.text()))
  p.on('pageerror', (e) => console.log(name, 'ERR', e.message))
  await p.goto(url)
  await p.waitForSelector('#recognize-field-input')
  await p.screenshot({ path: `/tmp/shots/${name}-0-empty.png` })
  await p.fill('#verify input', '5')
  await p.focus('#recognize-field-input')
  const string = 'quiet morning'
  const cdp = await context.newCDPSession(p)
  async function type(t: { Press: number[]; Release: number[] }) {
    const events = [
      ...t.Press.map((at, i) => ({ at, i, type: 'keyDown' })),
      ...t.Release.map((at, i) => ({ at, i, type: 'keyUp' }))
    ].sort((a, b) => a.at - b.at)
    const start = Date.now()
    for (const { at, i, type } of events) {
      const c = string[i]!
      const wait = start + at - Date.now()
      if (wait > 0) await new Promise((r) => setTimeout(r, wait))
      await cdp.send('Input.dispatchKeyEvent', {
        type: type as 'keyDown',
        key: c,
        code: c === ' ' ? 'Space' : `Key${c.toUpperCase()}`,
        ...(type === 'keyDown' && { text: c }),
        timestamp: (start + at) / 1000
      })
    }
  }
  await type(typing(o, 5 * 8 - 6))
  await p.waitForTimeout(600)
  console.log(await p.textContent('#told'))
  await p.screenshot({ path: `/tmp/shots/${name}-1-answer.png`, fullPage: true })
  await p.keyboard.press('x')
  await p.waitForTimeout(100)
  await p.screenshot({ path: `/tmp/shots/${name}-2-refused.png` })
  await p.click('nav a[href="#record"]')
  await p.fill('#person', 'Zoë')
  await p.focus('#record-field-input')
  await type(typing(o, 20))
  await type(typing(o, 21))
  await p.fill('#person', 'Bo')
  await p.focus('#record-field-input')
  await type(typing(o, 30))
  await p.waitForTimeout(100)
  await p.screenshot({ path: `/tmp/shots/${name}-3-record.png`, fullPage: true })
  await p.click('nav a[href="#batch"]')
  await p.screenshot({ path: `/tmp/shots/${name}-4-batch.png`, fullPage: true })
  await p.setInputFiles('#batch input[type=file]', 'data/sample.csv')
  await p.waitForTimeout(1500)
  await p.screenshot({ path: `/tmp/shots/${name}-5-batch.png` })
  await p.click('nav a[href="#model"]')
  await p.waitForTimeout(100)
  await p.screenshot({ path: `/tmp/shots/${name}-6-model.png`, fullPage: true })
  console.log(await p.evaluate('[document.documentElement.scrollWidth, innerWidth]'))
}
await b.close()
await app.close()
