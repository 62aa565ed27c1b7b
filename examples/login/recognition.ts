import type { Typing } from '../../server/src/schemas/typing.ts'

/** ms that somebody who logs in waits for an answer. */
const TIMEOUT = 3_000

/** The recognition service cannot be asked now, or refuses what it was asked; the message is for the log. */
export class RecognitionError extends Error {
  override name = 'RecognitionError'
  /** The status that it answered with, or undefined without an answer. */
  readonly status: number | undefined

  constructor(message: string, status?: number) {
    super(message)
    this.status = status
  }
}

/** What the log-in asks the keystroke recognition service. */
export class Recognition {
  readonly #url: string
  /** For verifying. */
  readonly #key: string | undefined
  /** For enrolling and deleting. */
  readonly #adminKey: string | undefined

  /** @param url - of the service, without a slash at the end */
  constructor(url: string, key?: string, adminKey?: string) {
    this.#url = url
    this.#key = key
    this.#adminKey = adminKey
  }

  /** @returns the string that people type */
  async string(): Promise<string> {
    const { dataset } = await this.#ask<{ dataset: { string?: string } }>('GET', '/models', this.#key)
    if (dataset.string === undefined)
      throw new RecognitionError('the models do not say which string is typed')
    return dataset.string
  }

  /** @returns the recorder, an ES module for the page */
  async recorder(): Promise<string> {
    const response = await fetch(`${this.#url}/recorder.js`)
    if (!response.ok) throw new RecognitionError(`/recorder.js: ${response.status}`, response.status)
    return response.text()
  }

  /** @returns what to do next: enough, type two more, or start again */
  async enroll(userID: string, typings: readonly Typing[]): Promise<string> {
    const path = `/users/${encodeURIComponent(userID)}`
    const user = await this.#ask<{ Quality?: { Advice: string } }>('PUT', path, this.#adminKey, {
      Typings: typings
    })
    return user.Quality?.Advice ?? 'enough'
  }

  /** Whether these typings are the user’s. */
  async isMatch(userID: string, typings: readonly Typing[]): Promise<boolean> {
    const { Match } = await this.#ask<{ Match: boolean }>('POST', '/verify', this.#key, {
      UserID: userID,
      Typings: typings
    })
    return Match
  }

  /** Delete what is kept of a user, if anything is. */
  async delete(userID: string): Promise<void> {
    try {
      await this.#ask('DELETE', `/users/${encodeURIComponent(userID)}`, this.#adminKey)
    } catch (error) {
      if ((error as RecognitionError).status !== 404) throw error
    }
  }

  async #ask<T>(method: string, path: string, key: string | undefined, body?: object): Promise<T> {
    let response: Response
    let text: string
    try {
      response = await fetch(this.#url + path, {
        method,
        headers: {
          ...(key && { 'x-api-key': key }),
          ...(body && { 'content-type': 'application/json' })
        },
        ...(body && { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(TIMEOUT)
      })
      text = await response.text()
    } catch (error) {
      throw new RecognitionError(`${method} ${path}: ${(error as Error).message}`)
    }
    // An error has a body as well: without this look it would be read as an answer.
    if (!response.ok)
      throw new RecognitionError(`${method} ${path}: ${response.status} ${text}`, response.status)
    return (text === '' ? undefined : JSON.parse(text)) as T
  }
}
