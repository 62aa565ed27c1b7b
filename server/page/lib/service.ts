import type { Static } from 'typebox'
import type { UserID } from '../../src/schemas/common.js'
import type { Features } from '../../src/schemas/features.js'
import type { ModelName, ModelsReply } from '../../src/schemas/manifest.js'
import type { ClassifierName, PredictReply } from '../../src/schemas/predict.js'
import type { IdentifyReply, VerifyReply } from '../../src/schemas/recognize.js'
import type { UserReply, UsersReply } from '../../src/schemas/users.js'
import type { Typing } from '../recorder.ts'

export type Card = Static<typeof ModelsReply>
export type Identification = Static<typeof IdentifyReply>
export type Prediction = PredictReply
export type User = Static<typeof UserReply>
export type Verification = Static<typeof VerifyReply>
export type { ClassifierName, Features, ModelName, UserID }

/** Candidates of a classifier that are asked for and shown. */
const TOP = 5

/** The service's codes: for a key that may not identify, one that may not administer, and a user who is not there. */
const NOT_IDENTIFYING = 'KS_ERR_IDENTIFY_KEY'
const NOT_ADMINISTERING = 'KS_ERR_ADMIN_KEY'
const UNKNOWN_USER = 'KS_ERR_USER_UNKNOWN'

/** Why another key is asked for. */
const REFUSED_KEY = 'That key is not accepted.'
const ADMIN_KEY = 'This key asks; adding people, and asking about files, takes an administrator’s key.'

type UserPage = Static<typeof UsersReply>

const KEY = 'keystroke.key'

/** ms for an answer, its body included. A piece of a file takes a second at most. */
const TIMEOUT = 30_000

/** What the service refuses, or that it cannot be reached; the message is a sentence for people. */
export class ServiceError extends Error {
  override name = 'ServiceError'
  /** The code of the service's error, if it answered with one. */
  readonly code: string | undefined

  constructor(message: string, code?: string) {
    super(message)
    this.code = code
  }
}

/**
 * Asks the person for an API key.
 *
 * @param why - the last one will not do, in a sentence; empty where there was none
 * @returns undefined if they would rather not
 */
export type AskKey = (why: string) => Promise<string | undefined>

/** The service, asked over its API alone. */
export class Service {
  readonly #askKey: AskKey
  #key = readKey()
  #asking: Promise<string | undefined> | undefined
  /** Whether the key may identify, as far as is known. */
  #mayIdentify = true
  /** Whether the key gets ranks and scores; known from the first identification on. */
  #isRanked = false

  constructor(askKey: AskKey) {
    this.#askKey = askKey
  }

  async describeModels(): Promise<Card> {
    return (await this.#call('models')).json()
  }

  /** How many users there are now, trained and enrolled. */
  async countUsers(): Promise<number> {
    return (await this.describeModels()).users
  }

  async computeFeatures(typing: Typing): Promise<Features> {
    return this.#post('features', typing)
  }

  async predict(Model: ClassifierName, features: Features): Promise<Prediction> {
    return this.#post(this.#isRanked ? `predict?top=${TOP}` : 'predict', { Model, ...features })
  }

  /** @returns undefined if the key may not identify */
  async identify(Typings: readonly Typing[]): Promise<Identification | undefined> {
    if (!this.#mayIdentify) return undefined
    try {
      const identification = await this.#post<Identification>('identify', { Typings }, NOT_IDENTIFYING)
      this.#isRanked = identification.Candidates !== undefined
      return identification
    } catch (error) {
      if (!hasCode(error, NOT_IDENTIFYING)) throw error
      this.#mayIdentify = false
      return undefined
    }
  }

  async verify(UserID: UserID, Typings: readonly Typing[]): Promise<Verification> {
    return this.#post('verify', { UserID, Typings })
  }

  /**
   * Add a user, or replace one.
   *
   * @param isNew - whether to be refused where there is such a user
   */
  async enroll(userID: UserID, Typings: readonly Typing[], isNew: boolean): Promise<User> {
    const headers = { 'content-type': 'application/json', ...(isNew && { 'if-none-match': '*' }) }
    const body = JSON.stringify({ Typings })
    return (await this.#call(pathOf(userID), { method: 'PUT', headers, body })).json()
  }

  /** @returns undefined where there is no such user */
  async findUser(userID: UserID): Promise<User | undefined> {
    try {
      return await (await this.#call(pathOf(userID), {}, UNKNOWN_USER)).json()
    } catch (error) {
      if (hasCode(error, UNKNOWN_USER)) return undefined
      throw error
    }
  }

  /** All users but those of the training. */
  async listEnrolled(): Promise<User[]> {
    const users: User[] = []
    let after = ''
    do {
      const page: UserPage = await (await this.#call(`users?limit=1000${after}`)).json()
      users.push(...page.Users.filter(({ Source }) => Source === 'enrolled'))
      after = page.Next === undefined ? '' : `&after=${page.Next}`
    } while (after !== '')
    return users
  }

  async deleteUser(userID: UserID): Promise<void> {
    await this.#call(pathOf(userID), { method: 'DELETE' })
  }

  /** @returns the answer, a CSV */
  async predictCsv(Model: ModelName, csv: string, signal: AbortSignal): Promise<string> {
    const headers = { 'content-type': 'text/csv' }
    return (
      await this.#call(`predict/batch?Model=${Model}`, { method: 'POST', headers, body: csv, signal })
    ).text()
  }

  /** @param expected - a code that the caller handles, and for which no other key is asked */
  async #post<Reply>(path: string, body: object, expected?: string): Promise<Reply> {
    const headers = { 'content-type': 'application/json' }
    const init = { method: 'POST', headers, body: JSON.stringify(body) }
    return (await this.#call(path, init, expected)).json()
  }

  async #call(
    path: string,
    init: RequestInit & { headers?: Record<string, string> } = {},
    expected?: string
  ): Promise<Response> {
    for (;;) {
      const key = this.#key
      const headers = { ...init.headers, ...(key !== undefined && { 'x-api-key': key }) }
      const signal = withTimeout(init.signal)
      const response = await fetch(path, { ...init, headers, signal }).catch((error: unknown) => {
        if (init.signal?.aborted) throw error
        throw new ServiceError(
          signal.aborted
            ? `The service did not answer within ${TIMEOUT / 1000} s.`
            : 'The service cannot be reached.'
        )
      })
      if (response.ok) return response
      const refusal = await explain(response)
      // A key has a scope: some calls need another key.
      const isKeyRefused = response.status === 401 || (response.status === 403 && key !== undefined)
      if (!isKeyRefused || hasCode(refusal, expected)) throw refusal
      // Another call may have got a key since this one was sent.
      if (this.#key !== key) continue
      // Calls that are refused together ask once.
      const isScope = hasCode(refusal, NOT_ADMINISTERING)
      const why = isScope ? ADMIN_KEY : key === undefined ? '' : REFUSED_KEY
      this.#asking ??= this.#askKey(why).finally(() => {
        this.#asking = undefined
      })
      const given = await this.#asking
      if (given === undefined) {
        throw isScope
          ? new ServiceError(ADMIN_KEY, NOT_ADMINISTERING)
          : new ServiceError('The service answers only with a key.')
      }
      this.#key = given
      this.#mayIdentify = true
      keepKey(given)
    }
  }
}

/** A signal that comes with another one, or once an answer takes too long. */
function withTimeout(signal: AbortSignal | null | undefined): AbortSignal {
  const timeout = AbortSignal.timeout(TIMEOUT)
  if (!signal) return timeout
  const either = new AbortController()
  for (const each of [signal, timeout]) each.addEventListener('abort', () => either.abort(each.reason))
  if (signal.aborted) either.abort(signal.reason)
  return either.signal
}

const pathOf = (userID: UserID): string => `users/${encodeURIComponent(userID)}`

/** The key from before a reload of this tab. */
function readKey(): string | undefined {
  try {
    return sessionStorage.getItem(KEY) ?? undefined
  } catch {
    // Storage is off: a reload asks again.
    return undefined
  }
}

function keepKey(key: string): void {
  try {
    sessionStorage.setItem(KEY, key)
  } catch {
    // As above.
  }
}

/** The sentence and code of an error in the service's form; of another's, a proxy's for one, its status. */
async function explain(response: Response): Promise<ServiceError> {
  const reply: { message?: unknown; code?: unknown } | undefined = await response
    .json()
    .catch(() => undefined)
  const said = typeof reply?.message === 'string' ? reply.message : `status ${response.status}`
  return new ServiceError(
    `The service refused: ${said}.`,
    typeof reply?.code === 'string' ? reply.code : undefined
  )
}

const hasCode = (error: unknown, code: string | undefined): boolean =>
  code !== undefined && error instanceof ServiceError && error.code === code

/** Whether a call needs an administrator's key, and the person has given another. */
export const needsAdmin = (error: unknown): boolean => hasCode(error, NOT_ADMINISTERING)
