import { execFileSync } from 'node:child_process'
import { Writable } from 'node:stream'
import { type Test, test } from 'tap'
import { buildApp } from '../../src/app.ts'
import { ConfigError, readConfig } from '../../src/config.ts'
import { isLoopback } from '../../src/http/authentication.ts'

const TYPING = { Press: [0, 150, 290, 470], Release: [90, 240, 400, 545] }
const KEYS = { old: 'f1c7b2a4-old-key', new: '9d5e1c60-new-key' }

/** By another program than the service's own, as an operator does it. */
function sha256(key: string): string {
  return execFileSync('sha256sum', { input: key, encoding: 'utf8' }).slice(0, 64)
}

/** The real app; its models never finish loading, for none of these calls needs one. */
async function openApp(t: Test, options: { keys?: string[]; log?: string[] } = {}) {
  const log = options.log ?? []
  const stream = new Writable({
    write(chunk, _encoding, done) {
      log.push(String(chunk))
      done()
    }
  })
  const app = await buildApp({
    models: new Promise(() => {}),
    keyHashes: { ask: (options.keys ?? []).map(sha256) },
    logger: { level: 'trace', stream }
  })
  t.teardown(() => app.close())
  return app
}

const askFeatures = (headers: Record<string, string>) => ({
  method: 'POST' as const,
  url: '/features',
  headers,
  payload: TYPING
})

test('a key is taken as x-api-key and as a bearer token', async (t) => {
  const app = await openApp(t, { keys: [KEYS.new] })
  for (const headers of [
    { 'x-api-key': KEYS.new },
    { authorization: `Bearer ${KEYS.new}` },
    { authorization: `bearer ${KEYS.new}` }
  ]) {
    t.equal((await app.inject(askFeatures(headers))).statusCode, 200, JSON.stringify(headers))
  }
})

test('several keys are good at once, so that they can be rotated', async (t) => {
  const app = await openApp(t, { keys: [KEYS.old, KEYS.new] })
  for (const key of Object.values(KEYS)) {
    t.equal((await app.inject(askFeatures({ 'x-api-key': key }))).statusCode, 200, key)
  }
})

test('a call without a key that is accepted gets 401 in the usual shape', async (t) => {
  const app = await openApp(t, { keys: [KEYS.new] })
  const refused: [what: string, headers: Record<string, string>][] = [
    ['no key', {}],
    ['a key that was taken out', { 'x-api-key': KEYS.old }],
    ['an empty key', { 'x-api-key': '' }],
    ['the hash instead of the key', { 'x-api-key': sha256(KEYS.new) }],
    ['the key with more behind it', { 'x-api-key': `${KEYS.new}0` }],
    ['the key in upper case', { 'x-api-key': KEYS.new.toUpperCase() }],
    ['another scheme', { authorization: `Basic ${KEYS.new}` }],
    ['a wrong x-api-key beside a right token', { 'x-api-key': 'no', authorization: `Bearer ${KEYS.new}` }]
  ]
  for (const [what, headers] of refused) {
    const response = await app.inject(askFeatures(headers))
    t.equal(response.statusCode, 401, what)
    t.match(response.headers['www-authenticate'], /^Bearer /, what)
    const body = response.json()
    t.strictSame(Object.keys(body).sort(), ['code', 'error', 'message', 'requestID', 'statusCode'], what)
    t.equal(body.code, 'KS_ERR_API_KEY', what)
  }
})

test('every call but docs and health needs a key', async (t) => {
  const app = await openApp(t, { keys: [KEYS.new] })
  const { paths } = (await app.inject('/openapi.json')).json()
  t.ok(Object.keys(paths).length > 5)
  for (const [url, methods] of Object.entries<Record<string, { security?: unknown[] }>>(paths)) {
    for (const [method, { security }] of Object.entries(methods)) {
      const { statusCode } = await app.inject({ method: method.toUpperCase() as 'GET', url })
      const open = url.startsWith('/health/')
      t.equal(statusCode !== 401, open, `${method} ${url} gives ${statusCode}`)
      t.equal(security?.length === 0, open, `OpenAPI says so of ${method} ${url}`)
    }
  }
  for (const url of ['/docs/', '/docs/static/swagger-ui.css', '/openapi.json']) {
    t.equal((await app.inject(url)).statusCode, 200, url)
  }
})

test('"Try it out" in /docs takes the key either way, and asks for none where none is needed', async (t) => {
  const guarded = (await (await openApp(t, { keys: [KEYS.new] })).inject('/docs/json')).json()
  t.strictSame(guarded.components.securitySchemes, {
    apiKey: { type: 'apiKey', in: 'header', name: 'x-api-key' },
    bearer: { type: 'http', scheme: 'bearer' }
  })
  t.strictSame(guarded.security, [{ apiKey: [] }, { bearer: [] }])
  const open = (await (await openApp(t)).inject('/docs/json')).json()
  t.equal(open.security, undefined)
  t.equal(open.components.securitySchemes, undefined)
})

test('no key, right or wrong, is logged', async (t) => {
  const log: string[] = []
  const app = await openApp(t, { keys: [KEYS.new], log })
  await app.inject(askFeatures({ 'x-api-key': KEYS.new }))
  await app.inject(askFeatures({ authorization: `Bearer ${KEYS.old}` }))
  t.match(log.join(''), 'KS_ERR_API_KEY', 'the refusal is')
  for (const key of Object.values(KEYS)) t.notOk(log.join('').includes(key), key)
})

test('a service that others reach does not start without keys, unless REQUIRE_API_KEY is false', async (t) => {
  const hash = sha256(KEYS.new)
  for (const HOST of ['0.0.0.0', '::', '10.0.0.7', 'keystroke.example']) {
    t.throws(() => readConfig({ HOST }), /API_KEY_SHA256/, HOST)
    t.throws(() => readConfig({ HOST, REQUIRE_API_KEY: 'true' }), /REQUIRE_API_KEY=false/, HOST)
    t.doesNotThrow(() => readConfig({ HOST, REQUIRE_API_KEY: 'false' }), HOST)
    t.doesNotThrow(() => readConfig({ HOST, API_KEY_SHA256: hash }), HOST)
  }
  t.doesNotThrow(() => readConfig({}), 'loopback, the default')
  // As a compose file passes on what nobody has set; from the process itself, as main.ts reads it.
  process.env.API_KEY_SHA256 = ''
  t.teardown(() => delete process.env.API_KEY_SHA256)
  t.equal(readConfig().API_KEY_SHA256, undefined, 'an empty list counts as no keys')
  t.throws(
    () => readConfig({ ...process.env, HOST: '0.0.0.0' }),
    /API_KEY_SHA256/,
    'an empty list counts as no keys'
  )
})

test('invalid SHA-256 hashes are refused, and not repeated', async (t) => {
  const hash = sha256(KEYS.new)
  t.equal(readConfig({ API_KEY_SHA256: `${hash}, ${hash.toUpperCase()}` }).API_KEY_SHA256?.length, 130, 'two')
  for (const API_KEY_SHA256 of [KEYS.new, `${hash},`, `${hash} ${hash}`, hash.slice(1), `sha256:${hash}`]) {
    try {
      readConfig({ API_KEY_SHA256 })
      t.fail(API_KEY_SHA256)
    } catch (error) {
      t.type(error, ConfigError)
      t.match((error as Error).message, /API_KEY_SHA256 must be SHA-256 hashes/)
      t.notOk((error as Error).message.includes(API_KEY_SHA256))
    }
  }
})

test('only loopback is loopback', async (t) => {
  for (const host of ['127.0.0.1', '127.8.9.10', '::1', 'localhost', '::ffff:127.0.0.1']) {
    t.ok(isLoopback(host), host)
  }
  for (const host of [
    '0.0.0.0',
    '::',
    '126.0.0.1',
    '128.0.0.1',
    '10.127.0.0',
    'localhost.example',
    '127.0.0.1.nip.io'
  ]) {
    t.notOk(isLoopback(host), host)
  }
})
