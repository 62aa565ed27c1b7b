/** A browser with real key events; it is served what `npm run build` last put in server/dist/page. */
import type { Browser, BrowserContext, BrowserContextOptions, CDPSession, Page } from 'playwright-core'
import type { Test } from 'tap'
import { startBrowser } from '../../../scripts/lib/browser.ts'
import type { Typing } from '../../src/schemas/typing.ts'

/** Start a browser; it is closed after the test. */
export async function openBrowser(t: Test): Promise<Browser> {
  const browser = await startBrowser()
  t.teardown(() => browser.close())
  return browser
}

/** A page, and a keyboard whose events bear the times that a test says. */
export interface Typist {
  page: Page
  cdp: CDPSession
  /** Type a string with these times, after a pause since whatever was typed before. */
  type: (string: string, typing: Typing) => Promise<void>
  /** Send one event, so many ms after `pause` was last called. */
  send: (type: 'down' | 'up', character: string, at: number) => Promise<void>
  /** Let the keyboard rest, longer than what ends a refused typing. */
  pause: () => void
  /** What the page did that it must not: errors, what its policy stopped, requests to others. */
  faults: string[]
}

export async function openPage(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
  shared?: BrowserContext
): Promise<Typist> {
  const context = shared ?? (await browser.newContext(options))
  const page = await context.newPage()
  const faults: string[] = []
  page.on('pageerror', (error) => faults.push(error.message))
  page.on('console', (message) => {
    if (/Content.Security.Policy/i.test(message.text())) faults.push(message.text())
  })
  page.on('request', (request) => {
    const { origin } = new URL(request.url())
    if (origin !== new URL(url).origin) faults.push(request.url())
  })
  const cdp = await context.newCDPSession(page)
  await page.goto(url)

  let start = Date.now()
  let last = 0
  const pause = () => {
    // Not before the page was opened, or opened again: events have no time before it.
    start = Math.max(start + last + 2000, Date.now())
    last = 0
  }
  const send: Typist['send'] = async (type, character, at) => {
    last = Math.max(last, at)
    await cdp.send('Input.dispatchKeyEvent', {
      ...keyOf(character),
      type: type === 'down' ? 'keyDown' : 'keyUp',
      ...(type === 'down' && { text: character }),
      timestamp: (start + at) / 1000
    })
  }
  const type: Typist['type'] = async (string, { Press, Release }) => {
    pause()
    const characters = [...string]
    const events = characters
      .flatMap((character, i) => [
        { character, type: 'down' as const, at: Press[i]! - Press[0]! },
        { character, type: 'up' as const, at: Release[i]! - Press[0]! }
      ])
      // Stable: a key that comes up as the next goes down was there first.
      .sort((a, b) => a.at - b.at)
    for (const { character, type, at } of events) await send(type, character, at)
  }
  return { page, cdp, type, send, pause, faults }
}

function keyOf(character: string): { key: string; code: string } {
  if (character === ' ') return { key: ' ', code: 'Space' }
  // Of a French keyboard.
  if (character === 'é') return { key: character, code: 'Digit2' }
  return { key: character, code: `${/\d/.test(character) ? 'Digit' : 'Key'}${character.toUpperCase()}` }
}
