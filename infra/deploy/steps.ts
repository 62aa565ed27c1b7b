/** What a person at the keyboard, or the pipeline's log, sees of a deployment. */

/** A sign of life at least so often, ms. */
const BEAT = 15_000

/** A step that cannot be done; says why, and what to do next. */
export class DeployError extends Error {
  readonly next: string

  constructor(why: string, next: string) {
    super(why)
    this.next = next
  }
}

/** Number and name the steps of one command. */
export class Steps {
  readonly #total: number
  #done = 0

  constructor(total: number) {
    this.#total = total
  }

  /**
   * Do one step, with a sign of life while it lasts.
   *
   * @param title - what is done, in a few words
   * @param act - does it; `say` prints a line under the title
   */
  async step<T>(title: string, act: (say: (line: string) => void) => Promise<T>): Promise<T> {
    console.log(`\n[${++this.#done}/${this.#total}] ${title}`)
    const started = Date.now()
    const seconds = () => Math.round((Date.now() - started) / 1000)
    const beat = setInterval(() => console.log(`      still at it, ${seconds()} s`), BEAT)
    try {
      return await act((line) => console.log(`      ${line}`))
    } finally {
      clearInterval(beat)
    }
  }
}

/** Names of the errors by which AWS asks the caller to sign in, or to sign in again. */
const SIGN_IN = new Set([
  'CredentialsProviderError',
  'ExpiredToken',
  'ExpiredTokenException',
  'InvalidClientTokenId',
  'RequestExpired',
  'TokenRefreshRequired',
  'UnrecognizedClientException'
])
const FORBIDDEN = new Set(['AccessDenied', 'AccessDeniedException', 'UnauthorizedOperation'])

/** Put what went wrong into two sentences: why, and what to do next. */
export function explain(error: unknown): DeployError {
  if (error instanceof DeployError) return error
  const { name, message, code } = error as Error & { code?: string }
  if (SIGN_IN.has(name)) {
    return new DeployError(
      `AWS rejected the credentials: ${message}`,
      'Sign in again (aws sso login, or new keys) and run the same command: what is done is not done twice.'
    )
  }
  if (FORBIDDEN.has(name)) {
    return new DeployError(
      `AWS does not allow this: ${message}`,
      'Give the role the permission that is named (docs/deployment.md lists them all) and run it again.'
    )
  }
  if (code === 'ENOSPC') {
    return new DeployError('The disk is full.', 'Make room (docker system prune) and run it again.')
  }
  if (['ECONNREFUSED', 'ENOTFOUND', 'ETIMEDOUT', 'EAI_AGAIN', 'TimeoutError'].includes(code ?? name)) {
    return new DeployError(
      `AWS cannot be reached: ${message}`,
      'Check the network, AWS_REGION and AWS_ENDPOINT_URL, and run the same command again.'
    )
  }
  return new DeployError(`${name}: ${message}`, 'Run the same command again: what is done is not done twice.')
}

/** Say why a command ended, for people, and set the exit code for programs. */
export async function command(act: () => Promise<void>): Promise<void> {
  // Which Node its future versions need matters when the SDK is updated, not when somebody deploys.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true'
  try {
    await act()
  } catch (error) {
    const { message, next } = explain(error)
    console.error(`\n${message}\n${next}`)
    process.exitCode = 1
  }
}
