/** Security headers, and which pages may ask. */
import t, { type Test } from 'tap'
import type { AppOptions } from '../../src/app.ts'
import { readyApp } from '../fixtures.ts'

async function open(t: Test, options: Partial<AppOptions> = {}) {
  const app = await readyApp('sample', options)
  t.teardown(() => app.close())
  return app
}

t.test('every answer has security headers, and over plain HTTP none that browsers complain of', async (t) => {
  const app = await open(t)
  for (const url of ['/models', '/nowhere', '/', '/recorder.js', '/docs/', '/openapi.json', '/health/live']) {
    const { headers } = await app.inject(url)
    t.equal(headers['x-content-type-options'], 'nosniff', url)
    t.equal(headers['referrer-policy'], 'no-referrer', url)
    t.equal(headers['cross-origin-resource-policy'], 'same-origin', url)
    const isPage = !['/models', '/nowhere', '/openapi.json', '/health/live'].includes(url)
    const policy = headers['content-security-policy']
    if (isPage) t.match(policy, /script-src 'self'/, url)
    else t.equal(policy, "default-src 'none';frame-ancestors 'none'", url)
    t.notMatch(policy, 'upgrade-insecure-requests', url)
    for (const name of ['strict-transport-security', 'cross-origin-opener-policy', 'origin-agent-cluster']) {
      t.equal(headers[name], undefined, `${name} of ${url}`)
    }
  }
})

t.test('over HTTPS, as the proxy in front reports it, browsers are to stay with it', async (t) => {
  const headers = { 'x-forwarded-proto': 'https' }
  const trusting = await open(t, { trustedProxies: 1 })
  t.match((await trusting.inject({ url: '/', headers })).headers, {
    'strict-transport-security': /max-age=31536000/,
    'cross-origin-opener-policy': 'same-origin'
  })
  const alone = await open(t)
  t.notOk((await alone.inject({ url: '/', headers })).headers['strict-transport-security'])
})

t.test('pages of other origins may not ask unless they are named', async (t) => {
  const [good, other] = ['https://example.com', 'https://example.org']
  const preflight = (origin: string) =>
    ({
      method: 'OPTIONS',
      url: '/verify',
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'content-type,x-api-key'
      }
    }) as const
  const closed = await open(t)
  const refused = await closed.inject(preflight(good))
  t.equal(refused.statusCode, 405)
  t.equal(refused.headers['access-control-allow-origin'], undefined)
  const answered = await closed.inject({ url: '/models', headers: { origin: good } })
  t.equal(answered.headers['access-control-allow-origin'], undefined)

  const key = 'a'.repeat(64)
  const named = await open(t, { corsOrigins: [good], keyHashes: { ask: [key] } })
  const allowed = await named.inject(preflight(good))
  t.equal(allowed.statusCode, 204, 'before a key is looked at: a browser sends none with it')
  t.match(allowed.headers, {
    'access-control-allow-origin': good,
    'access-control-allow-methods': /POST/,
    'access-control-allow-headers': /x-api-key/
  })
  t.equal((await named.inject(preflight(other))).headers['access-control-allow-origin'], undefined)
  const without = await named.inject({ url: '/models', headers: { origin: good } })
  t.match(
    without,
    { statusCode: 401, headers: { 'access-control-allow-origin': good } },
    'and errors can be read'
  )
  const method = await named.inject({ method: 'PATCH', url: '/verify' })
  t.match(method, { statusCode: 405, headers: { allow: 'POST' } })
})
