import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import closeWithGrace from 'close-with-grace'
import { pino } from 'pino'
import { buildApp } from './app.ts'
import { ConfigError, callsPerMinute, isAdminOpen, listed, readConfig } from './config.ts'
import { Health } from './http/health.ts'
import { HealthListener } from './http/health-listener.ts'
import { loadModels } from './models/load.ts'
import { ModelsError } from './models/manifest.ts'
import { DynamoStore } from './users/dynamodb.ts'
import { SqliteStore } from './users/sqlite.ts'

/**
 * Lines are gathered and written while requests go on: at once they cost a third of what the service does. What is
 * gathered is written after a second, and at the exit; where standard output takes nothing, lines are dropped past 8 MB.
 */
const LOG = { dest: 1, sync: false, minLength: 4096, maxLength: 2 ** 23, periodicFlush: 1000 }

/** Longest that requests under way may take once the process stops listening, ms. */
const GRACE = 10_000

try {
  await main()
} catch (error) {
  const { code, message, stack, port } = error as NodeJS.ErrnoException & { port?: number }
  const isOperators = error instanceof ConfigError || error instanceof ModelsError || code === 'EACCES'
  const why = code === 'EADDRINUSE' ? `Port ${port} is taken; set another.` : isOperators ? message : stack
  process.stderr.write(`${why}\n`)
  process.exit(1)
}

async function main(): Promise<void> {
  const config = readConfig()
  const models = loadModels(config.MODELS_DIR)
  const health = new Health()
  const log = pino.destination(LOG)
  const file = config.USERS_TABLE === undefined ? new SqliteStore(config.USERS_DB) : undefined
  const app = await buildApp({
    models,
    health,
    store: file ?? new DynamoStore(config.USERS_TABLE!),
    keyHashes: {
      ask: listed(config.API_KEY_SHA256),
      identify: listed(config.IDENTIFY_KEY_SHA256),
      administer: listed(config.ADMIN_KEY_SHA256)
    },
    isAdminOpen: isAdminOpen(config),
    callsPerMinute: callsPerMinute(config),
    ...(config.AUDIT_SECRET !== undefined && { auditSecret: config.AUDIT_SECRET }),
    trustedProxies: config.TRUSTED_PROXIES,
    corsOrigins: listed(config.CORS_ORIGINS),
    logger: { level: config.LOG_LEVEL, stream: log }
  })
  const { HOST, HEALTH_PORT } = config
  const checks = HEALTH_PORT === undefined ? undefined : await HealthListener.start(health, HOST, HEALTH_PORT)
  if (checks) app.log.info({ port: checks.port }, 'health checks are answered')
  const drain = config.DRAIN_SECONDS * 1000
  // A second signal ends the process at once.
  closeWithGrace({ delay: drain + GRACE, logger: app.log }, async ({ err, signal }) => {
    if (err) app.log.fatal(err)
    else {
      app.log.info({ signal, seconds: config.DRAIN_SECONDS }, 'draining')
      health.state = 'draining'
      await setTimeout(drain)
    }
    app.log.info('closing')
    await app.close()
    await checks?.close()
    // The exit writes what is gathered; what is being written then, where standard output is slow, it would cut off.
    await promisify(log.flush.bind(log))().catch(() => {})
  })
  const why = await file?.findFault()
  if (why !== undefined) app.log.warn(`USERS_DB=${config.USERS_DB}: users cannot be enrolled: ${why}`)
  // Listening comes first, so that /health/ready can say "starting" while models load.
  await app.listen({ host: HOST, port: config.PORT })
  await models
  await health.started
  app.log.info('ready')
}
