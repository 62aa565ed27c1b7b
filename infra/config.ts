import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import Type, { type Static } from 'typebox'
import Value from 'typebox/value'

/** Severities as ECR's scan names them, worst first. */
export const SEVERITIES = ['CRITICAL', 'HIGH', 'MEDIUM', 'LOW'] as const

/** CPU units (1024 are one vCPU) and the MiB of memory that Fargate has with them (AWS Fargate task sizes). */
const MEMORY_OF_CPU: Record<number, number[]> = {
  256: [512, 1024, 2048],
  512: [1024, 2048, 3072, 4096],
  1024: [2048, 3072, 4096, 5120, 6144, 7168, 8192],
  2048: [4096, 5120, 6144, 7168, 8192, 9216, 10240, 11264, 12288, 13312, 14336, 15360, 16384]
}

/** Time from the end of the drain until ECS kills the process, s: what the server gives its last requests, and to spare. */
const AFTER_DRAIN = 15

/**
 * Times `callsPerMinute` that the firewall lets one address through. The service refuses first, by key and with
 * `Retry-After`; the firewall stops those who go on.
 */
const FIREWALL_SLACK = 2

/** Least limit that AWS WAF takes. */
const LEAST_LIMIT = 10

/** What the settings are where they are left out. */
const SIZES = {
  standard: { architecture: 'X86_64', cpu: 512, memory: 1024, minTasks: 2, maxTasks: 6 },
  small: { architecture: 'ARM64', cpu: 256, memory: 512, minTasks: 1, maxTasks: 2 }
} as const

/** Every knob of the deployment; `infra/config.json` says what differs from the defaults. */
export const ConfigSchema = Type.Object(
  {
    name: Type.String({
      default: 'keystroke',
      pattern: '^[a-z][a-z0-9-]{1,18}[a-z0-9]$',
      description: 'Prefix of every name in AWS: the stacks, the repository, the cluster, the alarms'
    }),
    size: Type.Enum(['standard', 'small'], {
      default: 'standard',
      description:
        'standard: two tasks, out of reach of the internet; small, for one person or a trial: one task in a public subnet'
    }),
    architecture: Type.Enum(['X86_64', 'ARM64'], {
      default: SIZES.standard.architecture,
      description:
        'Processor of the tasks and of the image; ARM64 (Graviton), the default of small, costs a fifth less'
    }),
    cpu: Type.Integer({
      default: SIZES.standard.cpu,
      description: 'CPU units of a task; 1024 are one vCPU; of small 256'
    }),
    memory: Type.Integer({
      default: SIZES.standard.memory,
      description: 'Memory of a task, MiB; of small 512'
    }),
    minTasks: Type.Integer({
      default: SIZES.standard.minTasks,
      minimum: 1,
      maximum: 100,
      description: 'Least number of tasks; two, so that a zone can fail; of small 1'
    }),
    maxTasks: Type.Integer({
      default: SIZES.standard.maxTasks,
      minimum: 1,
      maximum: 100,
      description: 'Largest number of tasks; what it can cost at most; of small 2'
    }),
    targetCpu: Type.Integer({
      default: 60,
      minimum: 10,
      maximum: 90,
      description: 'Mean CPU of the tasks that the scaling aims at, percent'
    }),
    targetRequestsPerMinute: Type.Integer({
      // 500 a second: of the slowest model (0.26 ms of CPU each, measured) a quarter of half a vCPU.
      default: 30_000,
      minimum: 1,
      description: 'Requests a minute and task that the scaling aims at; small scales by CPU alone'
    }),
    drainSeconds: Type.Integer({
      // ECS takes a task out of the load balancer before SIGTERM; this is for requests that are on their way to it.
      default: 2,
      minimum: 0,
      // With the time after it within 120 s, the longest that Fargate waits for a container to stop.
      maximum: 100,
      description: 'Time a task goes on serving after SIGTERM, s'
    }),
    logDays: Type.Enum([1, 3, 7, 14, 30, 60, 90, 180, 365], {
      default: 30,
      description: 'Time the logs of tasks and network are kept, days; those of the load balancer 7 at most'
    }),
    callsPerMinute: Type.Integer({
      default: 30_000,
      minimum: 0,
      description:
        'Calls of one key, or of one address without a key, that are answered in a minute; 0 for any number'
    }),
    logLevel: Type.Enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace'], {
      default: 'info',
      description: 'Least level that the server logs'
    }),
    alarmEmail: Type.Optional(
      Type.String({
        pattern: '^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$',
        description:
          'Email address for alarms, to be confirmed in an email from AWS; without it alarms are not sent'
      })
    ),
    alarmP99Seconds: Type.Number({
      default: 0.5,
      exclusiveMinimum: 0,
      description: 'Time in which 99 of 100 requests must be answered, s'
    }),
    certificateArn: Type.Optional(
      Type.String({
        pattern: '^arn:aws[a-z-]*:acm:[a-z0-9-]+:\\d{12}:certificate/.+$',
        description:
          'ACM certificate of the region: with it HTTPS, and HTTP is redirected; without it HTTP alone'
      })
    ),
    zones: Type.Optional(
      Type.Array(Type.String({ pattern: '^[a-z]{2}(-[a-z]+)+-\\d[a-z]$' }), {
        minItems: 2,
        maxItems: 3,
        uniqueItems: true,
        description: 'Availability zones by name (eu-west-1a); without it the first two of the region'
      })
    ),
    usersTable: Type.Optional(
      Type.String({
        pattern: '^[a-zA-Z0-9_.-]{3,255}$',
        description: 'Table of users that is served in place of the stack’s own: one that was restored'
      })
    ),
    domainName: Type.Optional(
      Type.String({
        pattern: '^([a-z0-9-]+\\.)+[a-z]{2,}$',
        description: 'Host name that the certificate is for; needed with certificateArn, and only with it'
      })
    ),
    firewall: Type.Boolean({
      default: false,
      description:
        'AWS WAF before the load balancer: known bad input, bad addresses, a limit for each address'
    }),
    firewallRequestsPer5Minutes: Type.Optional(
      Type.Integer({
        minimum: LEAST_LIMIT,
        maximum: 2_000_000_000,
        description:
          'Requests of one address in 5 minutes past which the firewall blocks it; without it twice what callsPerMinute allows'
      })
    ),
    imagesKept: Type.Integer({
      default: 20,
      minimum: 2,
      maximum: 1000,
      description: 'Images the repository keeps, newest first; a rollback needs at least two'
    }),
    scanStopsAt: Type.Enum([...SEVERITIES], {
      default: 'CRITICAL',
      description: 'Severity of a known vulnerability in the image from which on it is not deployed'
    }),
    scanAccepted: Type.Array(Type.String({ pattern: '^[A-Z0-9-]+$' }), {
      default: [],
      description: 'Vulnerabilities looked at and accepted, by name (CVE-...), which do not stop a deployment'
    })
  },
  { additionalProperties: false }
)

export type Config = Static<typeof ConfigSchema>

/** Invalid settings; the message names each and why. */
export class ConfigError extends Error {}

const FILE = join(import.meta.dirname, 'config.json')

/**
 * Read `infra/config.json`.
 *
 * @throws ConfigError if it cannot be read or is invalid
 */
export async function loadConfig(): Promise<Config> {
  try {
    return checkConfig(JSON.parse(await readFile(FILE, 'utf8')))
  } catch (error) {
    if (error instanceof ConfigError) throw error
    throw new ConfigError(`infra/config.json cannot be read: ${(error as Error).message}.`)
  }
}

/**
 * Fill in the defaults and check every knob, each alone and against the others.
 *
 * @throws ConfigError in one sentence that names every knob at fault
 */
export function checkConfig(settings: object): Config {
  const size = (settings as Partial<Config>).size === 'small' ? SIZES.small : {}
  const config = Value.Default(ConfigSchema, { ...size, ...structuredClone(settings) }) as Config
  // A setting that there is not is reported twice: as a property too many, and as one of the schema false.
  const faults = Value.Errors(ConfigSchema, config)
    .filter(({ keyword }) => keyword !== 'boolean')
    .map(explain)
  if (faults.length === 0) faults.push(...disagreements(config))
  if (faults.length > 0) throw new ConfigError(`Invalid infra/config.json: ${faults.join('; ')}.`)
  return config
}

function explain({ instancePath, message, params }: ReturnType<typeof Value.Errors>[number]): string {
  if ('additionalProperties' in params) {
    return `there is no setting ${(params.additionalProperties as string[]).join(', ')}`
  }
  const knob = instancePath.slice(1)
  const sentence = (ConfigSchema.properties as Record<string, { description?: string }>)[knob]?.description
  const allowed = 'allowedValues' in params ? `: ${(params.allowedValues as unknown[]).join(', ')}` : ''
  return `${knob} ${message}${allowed}${sentence === undefined ? '' : ` (${sentence})`}`
}

function disagreements(config: Config): string[] {
  const faults: string[] = []
  const memory = MEMORY_OF_CPU[config.cpu]
  if (memory === undefined) {
    faults.push(
      `cpu must be one of ${Object.keys(MEMORY_OF_CPU).join(', ')}: Fargate has no tasks of ${config.cpu}`
    )
  } else if (!memory.includes(config.memory)) {
    faults.push(
      `memory must be one of ${memory.join(', ')}: Fargate has no other with ${config.cpu} CPU units`
    )
  }
  if (config.size === 'standard' && config.minTasks < 2) {
    faults.push('minTasks must be >= 2, so that a zone can fail; size small has one task')
  }
  if (config.maxTasks < config.minTasks) {
    faults.push(`maxTasks (${config.maxTasks}) must not be less than minTasks (${config.minTasks})`)
  }
  if ((config.certificateArn === undefined) !== (config.domainName === undefined)) {
    faults.push('certificateArn and domainName go together: the host name is the one the certificate is for')
  }
  return faults
}

/** Time after SIGTERM at which ECS ends a task that has not stopped, s. */
export const stopTimeout = ({ drainSeconds }: Config): number => drainSeconds + AFTER_DRAIN

/**
 * Largest young generation of a task's V8 heap, MiB. Under overload 64 save time (docs/reliability.md); of 512 MiB they
 * leave too little for the rest, and Node.js's own 16 have to do.
 */
export const youngGeneration = ({ memory }: Config): number => (memory < 1024 ? 16 : 64)

/**
 * Requests of one address in 5 minutes past which the firewall blocks it; undefined if the service has no limit either.
 */
export function firewallLimit({ callsPerMinute, firewallRequestsPer5Minutes }: Config): number | undefined {
  if (firewallRequestsPer5Minutes !== undefined) return firewallRequestsPer5Minutes
  return callsPerMinute === 0 ? undefined : Math.max(FIREWALL_SLACK * 5 * callsPerMinute, LEAST_LIMIT)
}

/** Time after which the load balancer closes a connection that is idle, s. */
export const BALANCER_IDLE = 60

/** Days for which the table can be put back to what it was; as long a deleted user is in its backups. */
export const RECOVERY_DAYS = 7

/** Names that the stacks give and the deployment looks for. */
export const repositoryStackName = ({ name }: Config): string => `${name}-repository`
export const repositoryName = ({ name }: Config): string => name
export const logsStackName = ({ name }: Config): string => `${name}-logs`
export const logGroupName = ({ name }: Config): string => name
export const usersStackName = ({ name }: Config): string => `${name}-users`
export const usersTableName = ({ name }: Config): string => `${name}-users`
/** The table that is served: the stack's own, or another. */
export const servedTableName = (config: Config): string => config.usersTable ?? usersTableName(config)
export const apiKeysName = ({ name }: Config): string => `${name}/api-keys`
export const adminKeysName = ({ name }: Config): string => `${name}/admin-keys`

/** What differs from one deployment to the next; `npm run deploy` hands it to the app. */
export interface Release {
  /** sha256:..., the very image that runs: a tag would not say which. */
  readonly imageDigest: string
  /** sha256:..., the image that ran before, for a rollback; none the first time. */
  readonly previousImageDigest: string | undefined
  /** Secret whose field sha256 is the hashes of the API keys; its whole ARN, for ECS takes no less. */
  readonly apiKeysArn: string
  /** As apiKeysArn, of the administrators' keys. */
  readonly adminKeysArn: string
}

const DIGEST = /^sha256:[0-9a-f]{64}$/
const SECRET_ARN = /^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:.+-[A-Za-z0-9]{6}$/

/** @throws ConfigError that names what is not in its form */
export function checkRelease(release: Release): Release {
  const { imageDigest, previousImageDigest = imageDigest, apiKeysArn, adminKeysArn } = release
  for (const [name, digest] of Object.entries({ imageDigest, previousImageDigest })) {
    if (DIGEST.test(digest)) continue
    throw new ConfigError(`${name} must be sha256: and 64 hex digits, and is ${JSON.stringify(digest)}.`)
  }
  for (const [name, arn] of Object.entries({ apiKeysArn, adminKeysArn })) {
    if (SECRET_ARN.test(arn)) continue
    throw new ConfigError(`${name} must be the whole ARN of a secret, and is ${JSON.stringify(arn)}.`)
  }
  return release
}
