import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify, { type FastifyError, type FastifyInstance, type FastifyServerOptions } from 'fastify'
import { errors, MEDIA_TYPE_CODE, toErrorReply } from './errors.ts'
import { requireApiKey } from './http/authentication.ts'
import { Health } from './http/health.ts'
import { parseJson } from './http/json.ts'
import { LIMITS, type Limits } from './http/limits.ts'
import { answerMalformed } from './http/malformed.ts'
import { acceptedTypes, requirePlainUtf8, unsupportedType } from './http/media-type.ts'
import { collectMethods } from './http/methods.ts'
import { registerOpenapi } from './http/openapi.ts'
import { compileValidator, formatValidationErrors } from './http/validation.ts'
import type { Models } from './models/load.ts'
import { featuresRoutes } from './routes/features.ts'
import { healthRoutes } from './routes/health.ts'
import { identifyRoutes } from './routes/identify.ts'
import { modelsRoutes } from './routes/models.ts'
import { pageRoutes } from './routes/page.ts'
import { predictRoutes } from './routes/predict.ts'
import { predictBatchRoutes } from './routes/predict-batch.ts'
import { shorten } from './text.ts'

/** What the app is made of; tests bring the same as production does. */
export interface AppOptions {
  /** Settles once every model is loaded and tested; until then predictions get 503. */
  models: Promise<Models>
  /** Hex SHA-256 of each key that is accepted; without any, keys are not required. */
  apiKeyHashes?: readonly string[]
  /** Set to draining by the process some time before it ends; the app's own if left out. */
  health?: Health
  limits?: Limits
  /** Fastify's logger options; no log if left out. */
  logger?: FastifyServerOptions['logger']
}

/** Compose the service: parsers, plugins, routes, error handler. It does not listen. */
export async function buildApp({
  models,
  apiKeyHashes = [],
  health = new Health(),
  limits = LIMITS,
  logger = false
}: AppOptions): Promise<FastifyInstance> {
  let loaded: Models | undefined
  models.then(
    (value) => {
      loaded = value
      if (health.state === 'starting') health.state = 'ready'
    },
    // The caller reports it; here it only means never being ready.
    () => {}
  )
  const requireModels = () => {
    if (loaded === undefined) throw new errors.NOT_READY(health.state)
    return loaded
  }

  const app = Fastify({
    logger,
    bodyLimit: limits.body,
    requestTimeout: limits.requestTime,
    connectionTimeout: limits.idleTime,
    keepAliveTimeout: limits.idleTime,
    http: {
      maxHeaderSize: limits.header,
      headersTimeout: limits.headersTime,
      connectionsCheckingInterval: limits.lookTime
    },
    clientErrorHandler: answerMalformed,
    // What arrives on an open connection while the last answers are written is answered too.
    return503OnClosing: false,
    schemaErrorFormatter: formatValidationErrors
  }).withTypeProvider<TypeBoxTypeProvider>()
  app.setValidatorCompiler(compileValidator)

  // Fastify's own parser keeps the last of duplicate keys, and takes text/plain.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'string' },
    async (_request: unknown, body: string) => parseJson(body)
  )
  const methodsOf = collectMethods(app)

  app.addHook('onSend', (_request, reply, _payload, done) => {
    // Tells clients to bring their next request to another process, before this one closes.
    if (health.state === 'draining') reply.header('connection', 'close')
    done()
  })

  app.setErrorHandler<FastifyError>((thrown, request, reply) => {
    const isMediaType = thrown.code === MEDIA_TYPE_CODE
    const error = isMediaType ? unsupportedType(request) : thrown
    const refused = error.statusCode !== undefined && error.statusCode < 500
    // A refusal's message may quote what somebody typed; its code says enough for the log.
    if (refused) request.log.info({ code: error.code }, 'request refused')
    else request.log.error(error)
    const answered = refused || error instanceof errors.NOT_READY ? error : new errors.INTERNAL()
    if (isMediaType) reply.header('accept', acceptedTypes(request).join(', '))
    if (error instanceof errors.CONTENT_ENCODING) reply.header('accept-encoding', 'identity')
    const body = toErrorReply(answered)
    return reply.code(body.statusCode).send(body)
  })
  app.setNotFoundHandler(({ method, url }, reply) => {
    const [path] = url.split('?', 1) as [string]
    const allowed = methodsOf(path).join(', ')
    if (allowed === '') throw new errors.NOT_FOUND(method, shorten(path))
    reply.header('allow', allowed)
    throw new errors.METHOD(method, shorten(path), allowed)
  })

  const needsKey = apiKeyHashes.length > 0
  await registerOpenapi(app, { needsKey })
  await app.register(healthRoutes, { health })
  await app.register(pageRoutes)
  await app.register(async (guarded) => {
    if (needsKey) requireApiKey(guarded, apiKeyHashes)
    requirePlainUtf8(guarded)
    await guarded.register(modelsRoutes, { models: requireModels })
    await guarded.register(predictRoutes, { models: requireModels })
    await guarded.register(predictBatchRoutes, { models: requireModels })
    await guarded.register(featuresRoutes)
    await guarded.register(identifyRoutes, { models: requireModels })
  })

  app.addHook('preClose', async () => {
    health.state = 'draining'
  })
  app.addHook('onClose', async () => {
    await loaded?.close()
  })
  return app
}
