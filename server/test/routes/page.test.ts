import t from 'tap'
import { buildApp } from '../../src/app.ts'

const app = await buildApp({ models: new Promise(() => {}), keyHashes: { ask: ['0'.repeat(64)] } })
t.teardown(() => app.close())

t.test('the page and all that it names are served without a key', async (t) => {
  const page = await app.inject('/')
  t.equal(page.statusCode, 200)
  t.equal(page.headers['content-type'], 'text/html; charset=utf-8')
  const named = [...page.body.matchAll(/(?:src|href)="([^"#]+\.(?:js|css|svg))"/g)].map(([, file]) => file!)
  t.ok(named.length >= 3)
  const scripts = named.filter((file) => file.endsWith('.js'))
  for (const file of scripts) {
    const { body } = await app.inject(`/${file}`)
    for (const [, imported] of body.matchAll(/from ["'](\.{1,2}\/[^"']+)["']/g)) {
      const path = new URL(imported!, `http://page/${file}`).pathname.slice(1)
      if (!scripts.includes(path)) scripts.push(path)
    }
  }
  t.ok(scripts.includes('recorder.js'), 'the recorder is what the page itself uses')
  for (const file of new Set([...named, ...scripts])) {
    t.equal((await app.inject(`/${file}`)).statusCode, 200, file)
  }
})

t.test('its policy lets in nothing but its own files', async (t) => {
  for (const url of ['/', '/page.js', '/style.css']) {
    const { headers } = await app.inject(url)
    const policy = String(headers['content-security-policy']).split('; ')
    t.ok(policy.includes("default-src 'none'"))
    t.ok(policy.includes("script-src 'self'"))
    t.notMatch(policy, /unsafe|\*|https?:/)
    for (const directive of ['base-uri', 'form-action', 'frame-ancestors']) {
      t.ok(policy.includes(`${directive} 'none'`), directive)
    }
    t.equal(headers['x-content-type-options'], 'nosniff')
    t.equal(headers['referrer-policy'], 'no-referrer')
  }
  const { body } = await app.inject('/')
  t.notMatch(body, /<script(?![^>]*src=)|<style|\sstyle=|\son\w+=/, 'nothing inline')
})

t.test('a file that has not changed is not sent again, and one that has is asked for', async (t) => {
  const { headers } = await app.inject('/page.js')
  t.equal(headers['cache-control'], 'no-cache')
  const again = await app.inject({ url: '/page.js', headers: { 'if-none-match': String(headers.etag) } })
  t.equal(again.statusCode, 304)
})

t.test('a path without a file is 404 in the usual form', async (t) => {
  for (const url of ['/nothing.js', '/../package.json', '/.tsbuildinfo', '/page/']) {
    const response = await app.inject(url)
    t.equal(response.statusCode, 404, url)
    t.equal(response.json().code, 'KS_ERR_NOT_FOUND')
  }
})

t.test('it is not part of the API’s document', async (t) => {
  const { paths } = (await app.inject('/openapi.json')).json()
  t.notOk(Object.keys(paths).some((path) => path === '/' || /\.(?:js|css|html|svg)$/.test(path)))
})
