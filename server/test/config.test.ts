import t from 'tap'
import { ConfigError, readConfig } from '../src/config.ts'

t.test('an empty environment gives the defaults', async (t) => {
  const defaults = {
    HOST: '127.0.0.1',
    PORT: 8080,
    MODELS_DIR: 'models',
    REQUIRE_API_KEY: true,
    DRAIN_SECONDS: 0,
    LOG_LEVEL: 'info'
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
