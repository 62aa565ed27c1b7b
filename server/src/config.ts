import { createHash } from 'node:crypto'
import { Ajv, type ErrorObject } from 'ajv'
import Type, { type Static } from 'typebox'
import { isLoopback } from './http/authentication.ts'
import { FAST_START } from './schemas/check.ts'

/** Hexadecimal SHA-256 hashes with commas between them. */
const HASHES = '^[0-9a-fA-F]{64}( *, *[0-9a-fA-F]{64})*$'

/** The settings that list hashes of keys, one for each scope. */
const KEY_SETTINGS = ['API_KEY_SHA256', 'IDENTIFY_KEY_SHA256', 'ADMIN_KEY_SHA256'] as const

/** `printf %s "$KEY" | sha256sum` where KEY is not set. With it an empty key would be accepted. */
const HASH_OF_NOTHING = createHash('sha256').update('').digest('hex')

/** Every setting of the service; each name is an environment variable, read here alone. */
export const ConfigSchema = Type.Object({
  HOST: Type.String({
    default: '127.0.0.1',
    minLength: 1,
    description: 'Address to listen on; 0.0.0.0 for all'
  }),
  PORT: Type.Integer({
    default: 8080,
    minimum: 0,
    maximum: 65535,
    description: 'Port to listen on; 0 for any free one'
  }),
  HEALTH_PORT: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 65535,
      description:
        'Port where health checks alone are answered, under any load; 0 for any free one. PORT answers them as well'
    })
  ),
  MODELS_DIR: Type.String({
    default: 'models',
    minLength: 1,
    description: 'Folder of manifest.json and the ONNX files'
  }),
  API_KEY_SHA256: Type.Optional(
    Type.String({
      pattern: HASHES,
      description: 'SHA-256 hashes of the API keys, 64 hex digits each, with commas between them'
    })
  ),
  IDENTIFY_KEY_SHA256: Type.Optional(
    Type.String({
      pattern: HASHES,
      description:
        'SHA-256 hashes of the keys that may also ask POST /identify, 64 hex digits each, with commas between them'
    })
  ),
  ADMIN_KEY_SHA256: Type.Optional(
    Type.String({
      pattern: HASHES,
      description:
        'SHA-256 hashes of the administrators’ keys, which also enroll and delete users, 64 hex digits each, with commas between them'
    })
  ),
  USERS_DB: Type.String({
    default: 'users/users.db',
    // A drive of Windows is one letter.
    pattern: '^(?![A-Za-z][A-Za-z0-9+.-]+:).',
    description: 'the path of a SQLite file, without a scheme such as file:; it is made with the first user'
  }),
  USERS_TABLE: Type.Optional(
    Type.String({
      pattern: '^[a-zA-Z0-9_.-]{3,255}$',
      description: 'name of a DynamoDB table of enrolled users, in place of USERS_DB'
    })
  ),
  REQUIRE_API_KEY: Type.Boolean({
    default: true,
    description: 'false serves all callers without a key; on loopback only this machine can call'
  }),
  CALLS_PER_MINUTE: Type.Integer({
    default: 30_000,
    minimum: 0,
    description:
      'Calls of one key, or of one address without a key, that are answered in a minute; 0 for any number'
  }),
  AUDIT_SECRET: Type.Optional(
    Type.String({
      minLength: 16,
      description:
        'With which the audit hashes UserIDs, so that its lines of one user can be found; one of the process alone without it'
    })
  ),
  TRUSTED_PROXIES: Type.Integer({
    default: 0,
    minimum: 0,
    maximum: 10,
    description:
      'Proxies in front of the service, whose X-Forwarded-For is believed: 1 behind an ALB; nobody else may reach the port'
  }),
  CORS_ORIGINS: Type.Optional(
    Type.String({
      pattern: '^https?://[^\\s,/]+( *, *https?://[^\\s,/]+)*$',
      description:
        'origins of pages that may ask from a browser, such as https://example.com, with commas between them'
    })
  ),
  DRAIN_SECONDS: Type.Integer({
    default: 0,
    minimum: 0,
    maximum: 100,
    description:
      'Seconds to keep serving after SIGTERM while reporting not ready; longer than a load balancer takes to notice'
  }),
  LOG_LEVEL: Type.Enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], {
    default: 'info',
    description: 'Least level that is logged'
  })
})

export type Config = Static<typeof ConfigSchema>

/** An invalid setting; the message names the variable and why. */
export class ConfigError extends Error {
  override name = 'ConfigError'
}

/** Variables are text, which becomes what the schema says; those that it does not name are left out. */
const ajv = new Ajv({
  ...FAST_START,
  allErrors: true,
  coerceTypes: true,
  removeAdditional: 'all',
  useDefaults: true
})

/**
 * Read the configuration.
 *
 * @param environment - the process's, unless a test brings its own
 * @throws ConfigError in one sentence that names every variable at fault
 */
export function readConfig(environment: NodeJS.ProcessEnv = process.env): Config {
  // An empty variable is one that is not set: compose files and shells write both alike.
  const data = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''))
  const check = ajv.compile<Config>(ConfigSchema)
  const config: unknown = data
  if (!check(config)) throw new ConfigError(`Invalid environment: ${check.errors!.map(describe).join('; ')}.`)
  if (config.REQUIRE_API_KEY && config.API_KEY_SHA256 === undefined && !isLoopback(config.HOST)) {
    throw new ConfigError(
      `HOST=${config.HOST} lets other machines in: set API_KEY_SHA256 to the SHA-256 of the keys to accept, ` +
        'or REQUIRE_API_KEY=false to serve without any.'
    )
  }
  checkKeys(config)
  return config
}

/** @throws ConfigError for the hash of an empty key, and for a key that is listed for two scopes */
function checkKeys(config: Config): void {
  const found = new Map<string, string>()
  for (const setting of KEY_SETTINGS) {
    for (const hash of listed(config[setting])) {
      const digest = hash.toLowerCase()
      if (digest === HASH_OF_NOTHING) {
        throw new ConfigError(
          `Invalid environment: ${setting} has the SHA-256 of an empty text; was the key not set?`
        )
      }
      const other = found.get(digest)
      if (other !== undefined && other !== setting) {
        throw new ConfigError(
          `Invalid environment: ${other} and ${setting} list the same key; a key has one scope, and the later setting includes the earlier.`
        )
      }
      found.set(digest, setting)
    }
  }
}

/** What a setting lists. */
export const listed = (setting: string | undefined): string[] => setting?.split(/ *, */) ?? []

/** Whether users may be enrolled without a key: on this machine, as long as no key is set. */
export function isAdminOpen(config: Config): boolean {
  return isLoopback(config.HOST) && KEY_SETTINGS.every((setting) => config[setting] === undefined)
}

/** Calls that one caller may make in a minute, 0 for any number: on this machine, as long as no key is set. */
export const callsPerMinute = (config: Config): number => (isAdminOpen(config) ? 0 : config.CALLS_PER_MINUTE)

function describe({ instancePath, keyword, message, params }: ErrorObject): string {
  const name = instancePath.slice(1)
  if (keyword === 'pattern') {
    // A pattern tells people nothing; what it is for does.
    const { description } = ConfigSchema.properties[name as keyof Config] as { description?: string }
    return `${name} must be ${description}`
  }
  const allowed = 'allowedValues' in params ? `: ${(params.allowedValues as string[]).join(', ')}` : ''
  return `${name} ${message}${allowed}`
}
