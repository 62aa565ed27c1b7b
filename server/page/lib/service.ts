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

/** Candidates that are asked for and shown. */
const TOP = 5

type UserPage = Static<typeof UsersReply>

const KEY = 'keystroke.key'

/** What the service refuses, or that it cannot be reached; the message is a sentence for people. */
export class ServiceError extends Error {
  override name = 'ServiceError'
}

/**
 * Asks the person for an API key.
 *
 * @param wasRefused - whether the last one was not accepted
 * @returns undefined if they would rather not
 */
export type AskKey = (wasRefused: boolean) => Promise<string | undefined>

/** The service, asked over its API alone. */
export class Service {
  readonly #askKey: AskKey
  #key = readKey()
  #asking: Promise<string | undefined> | undefined

  constructor(askKey: AskKey) {
    this.#askKey = askKey
  }

  async describeModels(): Promise<Card> {
    return (await this.#call('models')).json()
  }

  async computeFeatures(typing: Typing): Promise<Features> {
    return this.#post('features', typing)
  }

  async predict(Model: ClassifierName, features: Features): Promise<Prediction> {
    return this.#post(`predict?top=${TOP}`, { Model, ...features })
  }

  async identify(Typings: readonly Typing[]): Promise<Identification> {
    return this.#post(`identify?top=${TOP}`, { Typings })
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

  async #post<Reply>(path: string, body: object): Promise<Reply> {
    const headers = { 'content-type': 'application/json' }
    return (await this.#call(path, { method: 'POST', headers, body: JSON.stringify(body) })).json()
  }

  async #call(
    path: string,
    init: RequestInit & { headers?: Record<string, string> } = {}
  ): Promise<Response> {
    for (;;) {
      const key = this.#key
      const headers = { ...init.headers, ...(key !== undefined && { 'x-api-key': key }) }
      const response = await fetch(path, { ...init, headers }).catch((error: unknown) => {
        if (init.signal?.aborted) throw error
        throw new ServiceError('The service cannot be reached.')
      })
      if (response.ok) return response
      // A calling key is good for all calls but an administrator's.
      const isKeyRefused = response.status === 401 || (response.status === 403 && key !== undefined)
      if (!isKeyRefused) throw new ServiceError(await explain(response))
      // Another call may have got a key since this one was sent.
      if (this.#key !== key) continue
      // Calls that are refused together ask once.
      this.#asking ??= this.#askKey(key !== undefined).finally(() => {
        this.#asking = undefined
      })
      const given = await this.#asking
      if (given === undefined) throw new ServiceError('The service answers only with a key.')
      this.#key = given
      keepKey(given)
    }
  }
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

/** The sentence of an error in the service's form; of another's, a proxy's for one, its status. */
async function explain(response: Response): Promise<string> {
  const reply: { message?: unknown } | undefined = await response.json().catch(() => undefined)
  const said = typeof reply?.message === 'string' ? reply.message : `status ${response.status}`
  return `The service refused: ${said}.`
}
