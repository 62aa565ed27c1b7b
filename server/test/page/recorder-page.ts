/** Somebody's page with the recorder on a field, for the tests of the recorder. */
import type { BrowserContextOptions } from 'playwright-core'
import type { Test } from 'tap'
import { buildApp } from '../../src/app.ts'
import type { Typing } from '../../src/schemas/typing.ts'
import { openBrowser, openPage, type Typist } from './browser.ts'

/** What the recorder called its page with. */
export type Call = { typing: Typing } | { reason: string; message: string }

/** The service, and a page of somebody's that keeps what the recorder calls in `calls`, and key events as any listener sees them. */
export async function startRecorderPage() {
  const app = await buildApp({ models: new Promise(() => {}) })

  app.get<{ Querystring: { string: string; type?: string } }>('/somebody', (request, reply) =>
    // Somebody's page has a policy of its own, or none.
    reply
      .removeHeader('content-security-policy')
      .type('text/html')
      .send(`<!doctype html><meta charset="utf-8">
    <form action="/left"><input id="field" type="${request.query.type ?? 'text'}"></form><input id="other" value="quiet"><p>quiet</p>
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
      try {
        window.notice = record(document.querySelector('#field'), {
          string: ${JSON.stringify(request.query.string)},
          onTyping: (typing) => calls.push({ typing }),
          onRefusal: (refusal) => calls.push(refusal)
        }).notice
      } catch (error) {
        window.thrown = String(error)
      }
      document.querySelector('#field').focus()
      window.isReady = true
    </script>`)
  )
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  return { app, url }
}

/** Open the page with a string to type, and a field of some type, in one browser. */
export async function openRecorderPage(t: Test, url: string, options: BrowserContextOptions = {}) {
  const browser = await openBrowser(t)
  const typist = await openPage(browser, `${url}/somebody?string=none`, options)

  const open = async (string: string, type = 'text'): Promise<Typist & { calls: () => Promise<Call[]> }> => {
    await typist.page.goto(`${url}/somebody?${new URLSearchParams({ string, type })}`)
    await typist.page.waitForFunction('window.isReady')
    return { ...typist, calls: () => typist.page.evaluate('calls') }
  }
  return { browser, open }
}
