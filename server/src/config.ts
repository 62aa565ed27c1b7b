import envSchema from 'env-schema'
import Type, { type Static } from 'typebox'

/** What the service can be told, and the only place that says so; every name is an environment variable. */
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
  MODELS_DIR: Type.String({
    default: 'models',
    minLength: 1,
    description: 'Folder of manifest.json and the ONNX files'
  }),
  LOG_LEVEL: Type.Enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], {
    default: 'info',
    description: 'Least level that is logged'
  })
})

export type Config = Static<typeof ConfigSchema>

/** A setting that does not fit; the message names the variable and why. */
export class ConfigError extends Error {
  override name = 'ConfigError'
}

/**
 * Read the configuration.
 *
 * @param environment - the process's, unless a test brings its own
 * @throws ConfigError in one sentence that names every variable at fault
 */
export function readConfig(environment: NodeJS.ProcessEnv = process.env): Config {
  // An empty variable is one that is not set: compose files and shells write both alike.
  const data = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''))
  try {
    return envSchema<Config>({ schema: ConfigSchema, data, dotenv: false })
  } catch (error) {
    const faults = (error as { errors?: { instancePath: string; message?: string; params: object }[] }).errors
    if (faults === undefined) throw error
    const sentences = faults.map(({ instancePath, message, params }) => {
      const allowed = 'allowedValues' in params ? `: ${(params.allowedValues as string[]).join(', ')}` : ''
      return `${instancePath.slice(1)} ${message}${allowed}`
    })
    throw new ConfigError(`The environment does not fit: ${sentences.join('; ')}.`)
  }
}
