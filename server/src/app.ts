import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyRequest,
  type FastifyServerOptions
} from 'fastify'
import { errors, MEDIA_TYPE_CODE, named, type Passing, toErrorReply } from './errors.ts'
import { noteAddresses } from './http/address.ts'
import { Admission } from './http/admission.ts'
import { auditCalls } from './http/audit.ts'
import { type KeyHashes, Keys, SCOPES } from './http/authentication.ts'
import { CallCounts } from './http/call-counts.ts'
import { limitCalls } from './http/call-limit.ts'
import { limitConnections } from './http/connections.ts'
import { registerHeaders } from './http/headers.ts'
import { Health } from './http/health.ts'
import { parseJson } from './http/json.ts'
import { LIMITS, type Limits } from './http/limits.ts'
import { FaultLog, logRequests, requestID } from './http/logging.ts'
import { answerMalformed } from './http/malformed.ts'
import { acceptedTypes, requirePlainUtf8, unsupportedType } from './http/media-type.ts'
import { collectMethods } from './http/methods.ts'
import { registerOpenapi } from './http/openapi.ts'
import { refuseUnroutable, routeUndecodable } from './http/unroutable.ts'
import { compileValidator, formatValidationErrors } from './http/validation.ts'
import type { Models } from './models/load.ts'
import { featuresRoutes } from './routes/features.ts'
import { healthRoutes } from './routes/health.ts'
import { identifyRoutes } from './routes/identify.ts'
import { modelsRoutes } from './routes/models.ts'
import { pageRoutes } from './routes/page.ts'
import { pauseRoutes } from './routes/pause.ts'
import { predictRoutes } from './routes/predict.ts'
import { predictBatchRoutes } from './routes/predict-batch.ts'
import { usersRoutes } from './routes/users.ts'
import { verifyRoutes } from './routes/verify.ts'
import { shorten } from './text.ts'
import { ClaimRecords } from './users/claim-records.ts'
import { ClaimGuard } from './users/claims.ts'
import { Searches } from './users/searches.ts'
import { IN_MEMORY, SqliteStore } from './users/sqlite.ts'
import type { Store } from './users/store.ts'
import { Users } from './users/users.ts'

/** s; a locked file or a throttled table is free again by then. */
const STORE_RETRY = 2

/** What the app is made of; tests bring the same as production does. */
export interface AppOptions {
  /** Settles once every model is loaded and tested; until then predictions get 503. */
  models: Promise<Models>
  /** Where enrolled users are kept; without one, in memory, until the app is closed. */
  store?: Store
  /** Without any that asks, keys are not required. */
  keyHashes?: KeyHashes
  /** Whether every caller is an administrator; where there are no keys, unless said otherwise. */
  isAdminOpen?: boolean
  /** Of one key, or of one address without a key; 0 for any number. */
  callsPerMinute?: number
  /** Of the deployment, with which the audit hashes UserIDs; one of the process alone if left out. */
  auditSecret?: string
  /** Proxies in front of the service, each of which adds the address that it was called from to X-Forwarded-For. */
  trustedProxies?: number
  /** Of pages that may ask from a browser; none but the service's own without any. */
  corsOrigins?: readonly string[]
  /** Set to draining by the process some time before it ends; the app's own if left out. */
  health?: Health
  limits?: Limits
  /** Fastify's logger options; no log if left out. */
  logger?: FastifyServerOptions['logger']
}

/** Compose the service: parsers, plugins, routes, error handler. It does not listen. */
export async function buildApp({
  models,
  store,
  keyHashes = {},
  isAdminOpen = SCOPES.every((scope) => !keyHashes[scope]?.length),
  callsPerMinute = 0,
  auditSecret,
  trustedProxies = 0,
  corsOrigins = [],
  health = new Health(),
  limits = LIMITS,
  logger = false
}: AppOptions): Promise<FastifyInstance> {
  const kept = store ?? new SqliteStore(IN_MEMORY)
  let loaded: Models | undefined
  let users: Users | undefined
  const load = async () => {
    const found = await models
    if (store !== undefined) {
      users = new Users(store, found, app.log)
      await users.start()
    }
    loaded = found
    health.start()
  }
  const requireModels = () => {
    if (loaded === undefined) throw new errors.NOT_READY(health.state)
    return loaded
  }
  const requireUsers = () => {
    users ??= new Users(kept, requireModels(), app.log)
    return users
  }

  const app = Fastify({
    logger,
    // One line a request, below. A logger of its own for each would cost more than the line.
    logController: new FaultLog(),
    childLoggerFactory: (own) => own,
    requestIdHeader: false,
    genReqId: requestID,
    bodyLimit: limits.body,
    // Fastify believes nobody by a number alone, as it cannot know that only proxies reach it; the operator can.
    trustProxy: trustedProxies > 0 && ((_address, hop) => hop < trustedProxies),
    requestTimeout: limits.requestTime,
    connectionTimeout: limits.idleTime,
    keepAliveTimeout: limits.idleTime,
    http: {
      maxHeaderSize: limits.header,
      headersTimeout: limits.headersTime,
      connectionsCheckingInterval: limits.lookTime,
      requireHostHeader: false
    },
    clientErrorHandler: answerMalformed,
    rewriteUrl: routeUndecodable,
    // The headers' limit holds: longer parameters are refused by name.
    routerOptions: { maxParamLength: limits.header },
    // What arrives on an open connection while the last answers are written is answered too.
    return503OnClosing: false,
    schemaErrorFormatter: formatValidationErrors
  }).withTypeProvider<TypeBoxTypeProvider>()
  limitConnections(app.server, limits)
  app.setValidatorCompiler(compileValidator)
  // The caller reports it when models do not load; here it only means never being ready.
  load().catch(() => {})

  const admission = new Admission(limits)
  // Fastify's own parser keeps the last of duplicate keys, and takes text/plain.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer' },
    async (request: FastifyRequest, body: Buffer) => {
      admission.arrived(request, body.length)
      // Many clients send the type with every call.
      if (body.length === 0 && request.routeOptions.schema?.body === undefined) return undefined
      return parseJson(body)
    }
  )
  noteAddresses(app)
  logRequests(app)
  await registerHeaders(app, corsOrigins)
  refuseUnroutable(app)
  const methodsOf = collectMethods(app)

  app.addHook('onSend', (_request, reply, _payload, done) => {
    // Tells clients to bring their next request to another process, before this one closes.
    if (health.state === 'draining') reply.header('connection', 'close')
    done()
  })

  const records = new ClaimRecords(kept, app.log)
  const claims = new ClaimGuard(records)
  const searches = new Searches(records)
  const counts = callsPerMinute > 0 ? new CallCounts(kept, app.log) : undefined

  app.setErrorHandler<FastifyError & Partial<Passing>>((thrown, request, reply) => {
    const isMediaType = thrown.code === MEDIA_TYPE_CODE
    const error = isMediaType ? unsupportedType(request) : named(thrown)
    const refused = error.statusCode !== undefined && error.statusCode < 500
    // A refusal's message may quote what somebody typed; the log has its code.
    reply.errorCode = error.code
    const isOverload = error instanceof errors.OVERLOADED
    if (!refused && !isOverload) app.log.error({ id: request.id, err: error }, error.message)
    const isPassing = isOverload || error instanceof errors.NOT_READY || error instanceof errors.STORE
    const answered = refused || isPassing ? error : new errors.INTERNAL()
    if (isMediaType) reply.header('accept', acceptedTypes(request).join(', '))
    const retryAfter = error instanceof errors.STORE ? STORE_RETRY : thrown.retryAfter
    if (retryAfter !== undefined) reply.header('retry-after', retryAfter)
    if (error instanceof errors.CONTENT_ENCODING) reply.header('accept-encoding', 'identity')
    const body = toErrorReply(answered, request.id)
    return reply.code(body.statusCode).send(body)
  })
  app.setNotFoundHandler(({ method, url }, reply) => {
    const [path] = url.split('?', 1) as [string]
    const methods = methodsOf(path)
    // A folder of files takes the method, and has no such file.
    if (methods.length === 0 || methods.includes(method)) throw new errors.NOT_FOUND(method, shorten(path))
    const allowed = methods.join(', ')
    reply.header('allow', allowed)
    throw new errors.METHOD(method, shorten(path), allowed)
  })

  const keys = new Keys(keyHashes, isAdminOpen)
  const { needsKey } = keys
  await registerOpenapi(app, { needsKey })
  await app.register(healthRoutes, { health })
  await app.register(pageRoutes)
  await app.register(async (guarded) => {
    auditCalls(guarded, auditSecret)
    if (counts) await limitCalls(guarded, { keys, counts, most: callsPerMinute })
    keys.require(guarded)
    // After keys: who has none takes nobody's place.
    admission.guard(guarded)
    requirePlainUtf8(guarded)
    await guarded.register(modelsRoutes, { models: requireModels })
    await guarded.register(predictRoutes, { models: requireModels, keys })
    await guarded.register(predictBatchRoutes, { models: requireModels, keys })
    await guarded.register(featuresRoutes)
    const recognition = { models: requireModels, users: requireUsers, keys, claims, searches }
    await guarded.register(identifyRoutes, recognition)
    await guarded.register(verifyRoutes, recognition)
    await guarded.register(async (administered) => {
      administered.addHook('onRequest', async (request, reply) => keys.requireAdmin(request, reply))
      await administered.register(usersRoutes, { models: requireModels, users: requireUsers })
      await administered.register(pauseRoutes, recognition)
    })
  })

  app.addHook('preClose', async () => {
    health.state = 'draining'
  })
  app.addHook('onClose', async () => {
    await records.close()
    await counts?.close()
    await users?.close()
    await loaded?.close()
  })
  return app
}
