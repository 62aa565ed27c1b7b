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

interface Secrets {
  readonly password: Secret
  readonly recovery: Secret
}

const hashOf = promisify<string, Buffer, number, Buffer>(scrypt)

/** Nobody's. */
const NONE = { salt: randomBytes(16), hash: randomBytes(32) }

/** Names, passwords and recovery codes, in memory: a real site has a database for them. */
export class Accounts {
  readonly #byID = new Map<string, Account & Secrets>()

  /** @returns the account and its recovery code, which is kept as a hash; undefined if the name is taken */
  async create(name: string, password: string): Promise<{ account: Account; code: string } | undefined> {
    const code = randomBytes(9).toString('base64url')
    const secrets = { password: await keep(password), recovery: await keep(code) }
    if (this.#named(name)) return undefined
    const account = { id: randomUUID(), name, isEnrolled: false, ...secrets }
    this.#byID.set(account.id, account)
    return { account, code }
  }

  /** @returns the account, or undefined if name or password are wrong */
  async logIn(name: string, password: string): Promise<Account | undefined> {
    const found = this.#named(name)
    // As slow for a name that nobody has: the time must not say which names there are.
    return (await isSame(password, found?.password ?? NONE)) ? found : undefined
  }

  get(id: string): Account | undefined {
    return this.#byID.get(id)
  }

  async isRecovery({ id }: Account, code: string): Promise<boolean> {
    return isSame(code, this.#byID.get(id)?.recovery ?? NONE)
  }

  delete({ id }: Account): void {
    this.#byID.delete(id)
  }

  #named(name: string) {
    return [...this.#byID.values()].find((account) => account.name === name)
  }
}

async function keep(text: string): Promise<Secret> {
  const salt = randomBytes(16)
  return { salt, hash: await hashOf(text, salt, 32) }
}

async function isSame(text: string, { salt, hash }: Secret): Promise<boolean> {
  return timingSafeEqual(await hashOf(text, salt, 32), hash)
}
