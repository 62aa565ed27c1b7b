import t from 'tap'
import { ConfigError, callsPerMinute, isAdminOpen, readConfig } from '../src/config.ts'

t.test('an empty environment gives the defaults', async (t) => {
  const defaults = {
    HOST: '127.0.0.1',
    PORT: 8080,
    MODELS_DIR: 'models',
    REQUIRE_API_KEY: true,
    CALLS_PER_MINUTE: 30_000,
    TRUSTED_PROXIES: 0,
    DRAIN_SECONDS: 0,
    LOG_LEVEL: 'info',
    USERS_DB: 'users/users.db'
  }
  t.same(readConfig({}), defaults)
  t.same(readConfig({ PORT: '', HOST: '' }), defaults, 'an empty variable is one that is not set')
  t.same(readConfig({ UNKNOWN: 'x' }), defaults, 'other variables are not ours')
})

t.test('a variable is read as what the schema says', async (t) => {
  t.match(readConfig({ PORT: '0', LOG_LEVEL: 'debug' }), { PORT: 0, LOG_LEVEL: 'debug' })
})

t.test('an invalid variable is named with the reason', async (t) => {
  const sentences = [
    [{ PORT: 'http' }, 'Invalid environment: PORT must be integer.'],
    [{ PORT: '80.5' }, 'Invalid environment: PORT must be integer.'],
    [{ PORT: '65536' }, 'Invalid environment: PORT must be <= 65535.'],
    [
      { LOG_LEVEL: 'loud' },
      'Invalid environment: LOG_LEVEL must be equal to one of the allowed values: fatal, error, warn, info, debug, trace, silent.'
    ]
  ] as const
  for (const [environment, message] of sentences) {
    t.throws(() => readConfig(environment), new ConfigError(message))
  }
})

t.test('a database is a path', async (t) => {
  for (const USERS_DB of [
    'file:/x/users.db',
    'file:x?mode=memory',
    'sqlite://users.db',
    'libsql:x',
    'https://x.example/u'
  ]) {
    t.throws(
      () => readConfig({ USERS_DB }),
      {
        name: 'ConfigError',
        message:
          /^Invalid environment: USERS_DB must be the path of a SQLite file, without a scheme such as file:/
      },
      USERS_DB
    )
  }
  for (const USERS_DB of ['users.db', '/x/users.db', './a:b.db', 'C:\\users.db']) {
    t.equal(readConfig({ USERS_DB }).USERS_DB, USERS_DB)
  }
})

t.test('the hash of no key at all, and a key of two scopes, are refused', async (t) => {
  const nothing = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
  const [one, other] = ['a'.repeat(64), 'b'.repeat(64)]
  for (const name of ['API_KEY_SHA256', 'IDENTIFY_KEY_SHA256', 'ADMIN_KEY_SHA256']) {
    t.throws(() => readConfig({ [name]: `${one}, ${nothing.toUpperCase()}` }), {
      message: `Invalid environment: ${name} has the SHA-256 of an empty text; was the key not set?`
    })
  }
  t.throws(() => readConfig({ API_KEY_SHA256: one, ADMIN_KEY_SHA256: `${other},${one.toUpperCase()}` }), {
    message: /^Invalid environment: API_KEY_SHA256 and ADMIN_KEY_SHA256 list the same key/
  })
  t.doesNotThrow(() => readConfig({ API_KEY_SHA256: one, IDENTIFY_KEY_SHA256: other }))
})

t.test('calls are limited unless they come from this machine and need no key', async (t) => {
  const most = (environment: NodeJS.ProcessEnv) => callsPerMinute(readConfig(environment))
  t.equal(most({}), 0)
  t.equal(most({ CALLS_PER_MINUTE: '10' }), 0)
  t.equal(most({ API_KEY_SHA256: 'a'.repeat(64) }), 30_000)
  t.equal(most({ HOST: '0.0.0.0', REQUIRE_API_KEY: 'false', CALLS_PER_MINUTE: '10' }), 10)
  t.equal(most({ HOST: '0.0.0.0', REQUIRE_API_KEY: 'false', CALLS_PER_MINUTE: '0' }), 0)
})

t.test('users may be enrolled without a key on this machine alone, and until a key is set', async (t) => {
  const hash = 'a'.repeat(64)
  const open = (environment: NodeJS.ProcessEnv) => isAdminOpen(readConfig(environment))
  t.equal(open({}), true)
  t.equal(open({ ADMIN_KEY_SHA256: hash }), false)
  t.equal(open({ API_KEY_SHA256: hash }), false)
  t.equal(open({ HOST: '0.0.0.0', REQUIRE_API_KEY: 'false' }), false)
  t.throws(() => open({ ADMIN_KEY_SHA256: 'secret' }), {
    name: 'ConfigError',
    message: /ADMIN_KEY_SHA256 must be SHA-256 hashes of the administrators’ keys/
  })
})
