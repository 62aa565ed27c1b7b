import { setImmediate } from 'node:timers/promises'
import type { FastifyBaseLogger } from 'fastify'
import { errors } from '../errors.ts'
import type { Models } from '../models/load.ts'
import { assess, type Quality } from '../models/quality.ts'
import { recognizerOf, unknownUser, verify } from '../models/recognize.ts'
import type { UserID } from '../schemas/common.ts'
import type { Typing } from '../schemas/typing.ts'
import { MOST_TYPINGS } from '../schemas/users.ts'
import { quote } from '../text.ts'
import { findCopied } from '../typings/copies.ts'
import { fromTyping } from '../typings/rows.ts'
import { type Entry, keyOf, type Store, type StoredUser, StoreError } from './store.ts'

/** ms between two looks for what other processes changed. */
const REFRESH = 5_000

/** Tries of a change while others change the same user. */
const TRIES = 5

/** A user as the API tells of them; never their times. */
export interface User {
  UserID: UserID
  /** How many. */
  Typings: number
  Source: 'trained' | 'enrolled'
  EnrolledAt?: string
  UpdatedAt?: string
  Quality?: Quality
}

/** Trained and enrolled users: the store, and the templates in memory that are made of it. */
export class Users {
  readonly #store: Store
  readonly #models: Models
  readonly #log: Pick<FastifyBaseLogger, 'warn' | 'info'>
  /** Trained users, by key. */
  readonly #trained: ReadonlyMap<string, User>
  /** What was last read of each key. */
  readonly #known = new Map<string, { revision: number; user?: User }>()
  /** In the order of their UserIDs; made when first needed after a change. */
  #sorted: User[] | undefined
  #cursor: string | undefined
  #timer: NodeJS.Timeout | undefined
  #refreshing: Promise<void> | undefined

  constructor(store: Store, models: Models, log: Pick<FastifyBaseLogger, 'warn' | 'info'>) {
    this.#store = store
    this.#models = models
    this.#log = log
    const { enrolled } = models.byName.typing.gallery
    this.#trained = new Map(
      models.manifest.classes.map((userID, i) => [
        keyOf(userID),
        { UserID: userID, Typings: enrolled[i]!, Source: 'trained' }
      ])
    )
  }

  /** Read all users, and from then on what other processes change. Without the store there are the trained users. */
  async start(): Promise<void> {
    const refresh = () => this.#refresh().catch((error) => this.#log.warn(error, 'enrolled users not read'))
    await refresh()
    this.#timer = setInterval(refresh, REFRESH).unref()
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#refreshing?.catch(() => {})
    await this.#store.close()
  }

  /**
   * Enroll a user, or replace all of their typings.
   *
   * @param typings - of the models' string, no two of them equal
   * @param isNew - whether to refuse a user who is there already
   * @throws USER_EXISTS, USER_CHANGED, STORE
   */
  async enroll(
    userID: UserID,
    typings: readonly Typing[],
    isNew: boolean
  ): Promise<{ user: User; isNew: boolean }> {
    return this.#change(userID, async (_, isUser) => {
      if (isNew && isUser) throw new errors.USER_EXISTS(quote(userID))
      return { typings, isNew: !isUser }
    })
  }

  /**
   * Add typings to a user; of more than are kept, the oldest are dropped.
   *
   * @throws USER_UNKNOWN, USER_TRAINED, TYPINGS_MISMATCH, USER_CHANGED, STORE
   */
  async add(userID: UserID, typings: readonly Typing[]): Promise<User> {
    const { user } = await this.#change(userID, async (stored, isUser) => {
      if (!isUser) throw this.#unknown(userID)
      if (stored === undefined || !this.#isOfString(stored)) throw new errors.USER_TRAINED(quote(userID))
      const before = stored.typings
      const again = typings.findIndex((typing) => findCopied(typing, before) >= 0)
      if (again >= 0) {
        throw new errors.TYPINGS_MISMATCH(
          `[${again}] is one that the user is enrolled with already, or nearly a copy of it`
        )
      }
      const { Match, Regular, Score, Threshold } = await verify(recognizerOf(this.#models), typings, userID)
      if (Regular) throw new errors.TYPINGS_MISMATCH(' are more regular than people type')
      if (!Match) {
        throw new errors.TYPINGS_MISMATCH(
          ` do not match user ${quote(userID)}: score ${Score.toFixed(1)}; a match needs ${Threshold.toFixed(1)}`
        )
      }
      return { typings: [...before, ...typings].slice(-MOST_TYPINGS), isNew: false }
    })
    return user
  }

  /** @throws USER_UNKNOWN, STORE */
  async get(userID: UserID): Promise<User> {
    const key = keyOf(userID)
    const { entry, isUser } = await this.#read(key)
    if (!isUser) throw this.#unknown(userID)
    return entry?.user
      ? { ...this.#toUser(entry.user), ...(await this.#assess(entry.user)) }
      : this.#trained.get(key)!
  }

  /**
   * Delete a user; a trained one is hidden until the next training.
   *
   * @throws USER_UNKNOWN, USER_CHANGED, STORE
   */
  async delete(userID: UserID): Promise<void> {
    const key = keyOf(userID)
    for (let tries = 0; tries < TRIES; tries++) {
      const { entry, isUser } = await this.#read(key)
      if (!isUser && !entry?.isDamaged) throw this.#unknown(userID)
      const written = await this.#attempt(() => this.#store.put(key, entry?.revision ?? 0))
      if (written) return this.#apply(written)
    }
    throw new errors.USER_CHANGED(quote(userID))
  }

  /**
   * List users in the order of their UserIDs.
   *
   * @param after - the last UserID of the page before
   */
  list(limit: number, after?: UserID): User[] {
    this.#sorted ??= this.#sort()
    const first = after === undefined ? 0 : this.#sorted.findIndex(({ UserID }) => compare(UserID, after) > 0)
    return first < 0 ? [] : this.#sorted.slice(first, first + limit)
  }

  /** Enrolled users with their typings of the models' string, as a training takes them. */
  async *export(): AsyncGenerator<StoredUser> {
    try {
      for await (const user of this.#store.users()) if (this.#isOfString(user)) yield user
    } catch (error) {
      throw this.#toFault(error)
    }
  }

  /** Look a user up in the store who is not in memory: another process may just have enrolled them. */
  async find(userID: UserID): Promise<void> {
    if (this.#models.templates.has(userID)) return
    try {
      const entry = await this.#store.get(keyOf(userID))
      if (entry) await this.#apply(entry)
    } catch (error) {
      // Those in memory are answered all the same.
      this.#log.warn(error, 'enrolled users not read')
    }
  }

  /** Counts the changes of a user that this process knows of; 0 of a trained user who was never changed. */
  revisionOf(userID: UserID): number {
    return this.#known.get(keyOf(userID))?.revision ?? 0
  }

  /** The typings that a user is enrolled with; none of a trained user, and none while the store cannot be read. */
  async typingsOf(userID: UserID): Promise<readonly Typing[]> {
    try {
      return (await this.#store.get(keyOf(userID)))?.user?.typings ?? []
    } catch (error) {
      this.#log.warn(error, 'enrolled users not read')
      return []
    }
  }

  /** Read what is stored of a user, and take it over. */
  async #read(key: string): Promise<{ entry: Entry | undefined; isUser: boolean }> {
    const entry = await this.#attempt(() => this.#store.get(key))
    if (entry) await this.#apply(entry)
    const isUser = entry && !entry.isDamaged ? entry.user !== undefined : this.#trained.has(key)
    return { entry, isUser }
  }

  #sort(): User[] {
    const users = [...this.#trained].flatMap(([key, user]) => (this.#known.has(key) ? [] : [user]))
    for (const { user } of this.#known.values()) if (user) users.push(user)
    return users.sort((a, b) => compare(a.UserID, b.UserID))
  }

  /** Change a user, from what is stored of them to what `make` returns; again, where it was changed meanwhile. */
  async #change(
    userID: UserID,
    make: (
      stored: StoredUser | undefined,
      isUser: boolean
    ) => Promise<{ typings: readonly Typing[]; isNew: boolean }>
  ): Promise<{ user: User; isNew: boolean }> {
    const key = keyOf(userID)
    for (let tries = 0; tries < TRIES; tries++) {
      const { entry, isUser } = await this.#read(key)
      const { typings, isNew } = await make(entry?.user, isUser)
      const now = new Date().toISOString()
      const stored = { UserID: userID, typings, createdAt: entry?.user?.createdAt ?? now, updatedAt: now }
      const isSame = entry?.user !== undefined && areEqual(entry.user.typings, typings)
      const written = isSame
        ? entry
        : await this.#attempt(() => this.#store.put(key, entry?.revision ?? 0, stored))
      if (written === undefined) continue
      await this.#apply(written)
      const user = { ...this.#toUser(written.user!), ...(await this.#assess(written.user!)) }
      return { user, isNew }
    }
    throw new errors.USER_CHANGED(quote(userID))
  }

  /** Read what changed since the last time; calls at the same time share one. */
  #refresh(): Promise<void> {
    this.#refreshing ??= this.#readChanges().finally(() => {
      this.#refreshing = undefined
    })
    return this.#refreshing
  }

  async #readChanges(): Promise<void> {
    for (;;) {
      const { entries, cursor } = await this.#store.changes(this.#cursor)
      for (const entry of entries) await this.#apply(entry)
      this.#cursor = cursor
      if (entries.length === 0) return
      await setImmediate()
    }
  }

  /** Take over what is stored of a user, unless something newer was. */
  async #apply({ key, revision, user, isDamaged }: Entry): Promise<void> {
    if ((this.#known.get(key)?.revision ?? 0) >= revision) return
    if (isDamaged) {
      // Who it was is known as before, if they were.
      this.#log.warn({ key, revision }, 'an enrolled user is skipped: what is stored is damaged')
      return
    }
    const { templates, enrollment, byName } = this.#models
    const isUsable = user !== undefined && this.#isOfString(user)
    const template = isUsable ? await enrollment.enroll(user.typings.map(fromTyping)) : undefined
    const before = this.#known.get(key)
    // While the template was made a newer one may have been.
    if ((before?.revision ?? 0) >= revision) return
    this.#sorted = undefined
    this.#known.set(key, { revision, ...(user && { user: this.#toUser(user) }) })
    const userID = user?.UserID ?? before?.user?.UserID ?? this.#trained.get(key)?.UserID
    if (userID === undefined) return
    if (template) templates.set(userID, template, user!.typings.length)
    else templates.delete(userID)
    byName.typing.gallery = templates.gallery()
  }

  #toUser({ UserID, typings, createdAt, updatedAt }: StoredUser): User {
    return {
      UserID,
      Typings: typings.length,
      Source: 'enrolled',
      EnrolledAt: createdAt,
      UpdatedAt: updatedAt
    }
  }

  async #assess(user: StoredUser): Promise<{ Quality?: Quality }> {
    return this.#isOfString(user) ? { Quality: await assess(this.#models, user.UserID, user.typings) } : {}
  }

  /** Whether a user's typings are of the string that the models know; another training may be of another. */
  #isOfString({ typings }: StoredUser): boolean {
    return typings[0]!.Press.length === this.#models.manifest.dataset.keys
  }

  #unknown(userID: UserID): Error {
    return unknownUser('params.UserID', userID, this.#models.byName.typing.gallery)
  }

  async #attempt<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call()
    } catch (error) {
      throw this.#toFault(error)
    }
  }

  #toFault(error: unknown): unknown {
    if (!(error instanceof StoreError)) return error
    this.#log.warn(error, 'the store of users failed')
    return new errors.STORE()
  }
}

/** Integers first, in their order, then texts in that of their characters. */
function compare(a: UserID, b: UserID): number {
  if (typeof a !== typeof b) return typeof a === 'number' ? -1 : 1
  return a < b ? -1 : a > b ? 1 : 0
}

/** Whether two typings have the same times but for when they began. */
function isEqual(a: Typing, b: Typing): boolean {
  const moved = b.Press[0]! - a.Press[0]!
  return (['Press', 'Release'] as const).every(
    (event) =>
      a[event].length === b[event].length && a[event].every((time, key) => time + moved === b[event][key])
  )
}

function areEqual(a: readonly Typing[], b: readonly Typing[]): boolean {
  return a.length === b.length && a.every((typing, i) => isEqual(typing, b[i]!))
}
