import { randomBytes, randomUUID, scrypt, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'

/** Somebody who signed up. */
export interface Account {
  /** What the recognition service knows them by; it need not know their name. */
  readonly id: string
  readonly name: string
  /** Whether their typing was enrolled. */
  isEnrolled: boolean
}

interface Secret {
  readonly salt: Buffer
  readonly hash: Buffer
}

const hashOf = promisify<string, Buffer, number, Buffer>(scrypt)

/** Names, passwords and recovery codes, in memory: a real site has a database for them. */
export class Accounts {
  readonly #byName = new Map<string, { account: Account; password: Secret; recovery: Secret }>()

  /** @returns the account and its recovery code, which is kept as a hash; undefined if the name is taken */
  async create(name: string, password: string): Promise<{ account: Account; code: string } | undefined> {
    const code = randomBytes(9).toString('base64url')
    const secrets = { password: await keep(password), recovery: await keep(code) }
    if (this.#byName.has(name)) return undefined
    const account = { id: randomUUID(), name, isEnrolled: false }
    this.#byName.set(name, { account, ...secrets })
    return { account, code }
  }

  /** @returns the account, or undefined if name or password are wrong */
  async logIn(name: string, password: string): Promise<Account | undefined> {
    const found = this.#byName.get(name)
    // As slow for a name that nobody has: the time must not say which names there are.
    const isRight = await isSame(password, found?.password ?? (await keep('')))
    return isRight ? found?.account : undefined
  }

  get(name: string): Account | undefined {
    return this.#byName.get(name)?.account
  }

  async isRecovery({ name }: Account, code: string): Promise<boolean> {
    const found = this.#byName.get(name)
    return found !== undefined && (await isSame(code, found.recovery))
  }

  delete({ name }: Account): void {
    this.#byName.delete(name)
  }
}

async function keep(text: string): Promise<Secret> {
  const salt = randomBytes(16)
  return { salt, hash: await hashOf(text, salt, 32) }
}

async function isSame(text: string, { salt, hash }: Secret): Promise<boolean> {
  return timingSafeEqual(await hashOf(text, salt, 32), hash)
}
