import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import fastifyCookie from '@fastify/cookie'
import fastifySession from '@fastify/session'
import fastifyStatic from '@fastify/static'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify, { type FastifyInstance, type FastifyRequest, type FastifyServerOptions } from 'fastify'
import Type from 'typebox'
import type { Typing } from '../../server/src/schemas/typing.ts'
import { type Account, Accounts } from './accounts.ts'
import { type Recognition, RecognitionError } from './recognition.ts'

/** Typings of one log-in; after the last there is the recovery code. */
const TRIES = 3

declare module 'fastify' {
  interface Session {
    /** Who is logged in. */
    accountID?: string
    /** Whether the password was right and the typing is to come. */
    isPending?: true
  }
}

const closed = { additionalProperties: false }
const Credentials = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 50 }),
    password: Type.String({ minLength: 8, maxLength: 200 })
  },
  closed
)
// The recognition service checks the times themselves.
const TypingBody = Type.Object(
  { Press: Type.Array(Type.Number()), Release: Type.Array(Type.Number()) },
  closed
)
const Typings = Type.Object({ typings: Type.Array(TypingBody, { minItems: 3, maxItems: 50 }) }, closed)
const OneTyping = Type.Object({ typing: TypingBody }, closed)
const Code = Type.Object({ code: Type.String({ maxLength: 50 }) }, closed)

/** A site whose log-in takes a password and the way it is typed. */
export async function buildLogin(
  recognition: Recognition,
  logger: FastifyServerOptions['logger'] = false
): Promise<FastifyInstance> {
  const accounts = new Accounts()
  /** By session: whose password was right, and what they typed since. */
  const pending = new Map<string, { accountID: string; typings: Typing[] }>()
  const string = await recognition.string()
  const recorder = await recognition.recorder()
  const app = Fastify({ logger }).withTypeProvider<TypeBoxTypeProvider>()
  await app.register(fastifyCookie)
  await app.register(fastifySession, {
    secret: randomBytes(32).toString('hex'),
    // Over plain HTTP, as on loopback, no browser would send it back; a real site has HTTPS, and sets it.
    cookie: { secure: false, sameSite: 'strict', httpOnly: true },
    saveUninitialized: false
  })
  await app.register(fastifyStatic, { root: join(import.meta.dirname, 'page') })
  app.get('/recorder.js', (_, reply) => reply.type('text/javascript').send(recorder))

  const loggedIn = ({ session }: FastifyRequest): Account | undefined =>
    session.accountID === undefined ? undefined : accounts.get(session.accountID)

  /** A new session, so that nobody goes on in one that they knew before. */
  const logIn = async (request: FastifyRequest, { id, name }: Account) => {
    pending.delete(request.session.sessionId)
    await request.session.regenerate()
    request.session.accountID = id
    return { state: 'in', name }
  }

  app.setErrorHandler<Error>((error, request, reply) => {
    if (!(error instanceof RecognitionError)) return reply.send(error)
    // What the service said is for the log.
    request.log.error(error)
    return reply.code(503).send({ message: 'That cannot be done right now. Please try again later.' })
  })

  app.get('/state', async (request) => {
    const account = loggedIn(request)
    return { string, state: account ? 'in' : 'out', name: account?.name, isEnrolled: account?.isEnrolled }
  })

  app.post('/sign-up', { schema: { body: Credentials } }, async (request, reply) => {
    const created = await accounts.create(request.body.name, request.body.password)
    if (created === undefined) return reply.code(409).send({ message: 'That name is taken.' })
    await logIn(request, created.account)
    return { state: 'enroll', code: created.code }
  })

  app.post('/enroll', { schema: { body: Typings } }, async (request, reply) => {
    const account = loggedIn(request)
    if (account === undefined) return reply.code(401).send({ state: 'out', message: 'Log in first.' })
    const advice = await recognition.enroll(account.id, request.body.typings)
    // The service has them whatever it says of them; until they are enough the recovery code decides.
    account.isEnrolled = advice === 'enough'
    return account.isEnrolled ? { state: 'in', name: account.name } : { state: 'enroll', advice }
  })

  app.post('/log-in', { schema: { body: Credentials } }, async (request, reply) => {
    const account = await accounts.logIn(request.body.name, request.body.password)
    if (account === undefined) return reply.code(401).send({ message: 'Name or password are wrong.' })
    await request.session.regenerate()
    request.session.isPending = true
    pending.set(request.session.sessionId, { accountID: account.id, typings: [] })
    return { state: account.isEnrolled ? 'type' : 'code' }
  })

  app.post('/typing', { schema: { body: OneTyping } }, async (request, reply) => {
    const attempt = pending.get(request.session.sessionId)
    const account = attempt && accounts.get(attempt.accountID)
    if (account === undefined)
      return reply.code(401).send({ state: 'out', message: 'The password comes first.' })
    if (!account.isEnrolled || attempt!.typings.length >= TRIES) return { state: 'code' }
    // Before anything is waited for: requests at the same time count one by one.
    attempt!.typings.push(request.body.typing)
    const typings = [...attempt!.typings]
    try {
      // Who they say they are was settled by the password and is in the session; the browser does not say it again.
      if (await recognition.isMatch(account.id, typings)) return await logIn(request, account)
    } catch (error) {
      if (!(error instanceof RecognitionError)) throw error
      request.log.error(error)
      // A typing that was damaged on the way is their browser’s fault; a pause after failed claims, or a service that
      // is away, is not.
      return { state: 'code' }
    }
    return typings.length < TRIES ? { state: 'type', done: typings.length, of: TRIES } : { state: 'code' }
  })

  app.post('/code', { schema: { body: Code } }, async (request, reply) => {
    const attempt = pending.get(request.session.sessionId)
    const account = attempt && accounts.get(attempt.accountID)
    if (account === undefined)
      return reply.code(401).send({ state: 'out', message: 'The password comes first.' })
    // One guess for each time that the password was right.
    pending.delete(request.session.sessionId)
    if (await accounts.isRecovery(account, request.body.code)) return logIn(request, account)
    await request.session.destroy()
    return reply.code(401).send({ state: 'out', message: 'That is not the code. Please log in again.' })
  })

  app.post('/log-out', async (request) => {
    await request.session.destroy()
    return { state: 'out' }
  })

  app.delete('/account', async (request, reply) => {
    const account = loggedIn(request)
    if (account === undefined) return reply.code(401).send({ state: 'out', message: 'Log in first.' })
    // Their typing first: if that fails, they are still there to try again.
    await recognition.delete(account.id)
    accounts.delete(account)
    await request.session.destroy()
    return { state: 'out' }
  })

  return app
}
