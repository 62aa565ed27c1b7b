import { createHash } from 'node:crypto'
import Type from 'typebox'
import { compileCheck } from '../schemas/check.ts'
import { type UserID, UserIDSchema } from '../schemas/common.ts'
import { type Typing, TypingSchema } from '../schemas/typing.ts'

/** What is kept of an enrolled user. */
export interface StoredUser {
  UserID: UserID
  /** As recorded, oldest first: new models make new templates of them. */
  typings: readonly Typing[]
  /** ISO 8601, UTC. */
  createdAt: string
  updatedAt: string
}

/** A user as stored, or that there is none any longer. */
export interface Entry {
  /** From `keyOf`: a deleted user’s name is not kept. */
  key: string
  /** Counts the changes of this user, from 1. */
  revision: number
  /** Left out once deleted, and where it is damaged. */
  user?: StoredUser
  /** Whether what is stored cannot be read as a user; another write may replace it. */
  isDamaged?: true
}

/** Some entries, in the order in which they changed. */
export interface Changes {
  /** None where there are no more. */
  entries: Entry[]
  /** For the next call. */
  cursor: string
}

/** What is kept of the claims to be one user, or of the identifications of one caller that ended unknown. */
export interface Claims {
  /** Claims that failed since the last one that matched. */
  failures: number
  /** When the last claim was counted, ms since 1970. */
  at: number
  /** Wrong answers of the last day, oldest first: when (ms since 1970), and fingerprints of what was typed. */
  wrong: readonly { at: number; typings: readonly string[] }[]
  /** Claims that matched, oldest first: when (ms since 1970), and what was typed. */
  accepted: readonly { at: number; typings: readonly Typing[] }[]
  /** Fingerprints of typings that matched, oldest first; they outlast `accepted`. */
  fingerprints: readonly string[]
}

export const NO_CLAIMS: Claims = { failures: 0, at: 0, wrong: [], accepted: [], fingerprints: [] }

/** How long the claims of a deleted user tell other processes so, s; they learn of it within seconds otherwise. */
export const DELETION_KEPT = 86_400

/** Claims as stored. */
export interface ClaimsEntry {
  /** Counts the changes, from 1; from 1 again once they expired. */
  revision: number
  /** The revision of the user that was deleted last, 0 if none was; these claims are newer. */
  user: number
  claims: Claims
}

/** Where enrolled users are kept, claims to be any user, and counts of calls, for all processes that serve them. */
export interface Store {
  /** @throws StoreError if the store cannot be read now */
  get(key: string): Promise<Entry | undefined>

  /**
   * Write a user, or delete one; the write is durable once this resolves. With a deleted user goes what is kept of the
   * claims to be them, and a claim that another process is answering meanwhile is not written any more.
   *
   * @param expected - the revision that is stored, 0 if none is; a newer one is left as it is
   * @param user - left out to delete; who it was is not kept
   * @returns the entry written, or undefined where another was stored
   * @throws StoreError if the store cannot be written now
   */
  put(key: string, expected: number, user?: StoredUser): Promise<Entry | undefined>

  /**
   * Read what changed next.
   *
   * @param cursor - of the last call; from the first entry on if left out
   * @throws StoreError if the store cannot be read now
   */
  changes(cursor?: string): Promise<Changes>

  /** @throws StoreError if the store cannot be read now */
  users(): AsyncGenerator<StoredUser>

  /** @throws StoreError if the store cannot be read now */
  readClaims(key: string): Promise<ClaimsEntry | undefined>

  /**
   * Write the claims to be a user. A power failure may lose the last of them.
   *
   * @param expected - the revision that is stored, 0 if none is; a newer one is left as it is
   * @param expires - when they are to be forgotten, s since 1970
   * @returns whether they were written; not where others were stored
   * @throws StoreError if the store cannot be written now
   */
  writeClaims(key: string, expected: number, claims: Claims, expires: number): Promise<boolean>

  /**
   * Add calls of a caller to those of a minute, which are forgotten soon after.
   *
   * @param minute - since 1970
   * @returns how many there are now, of all processes
   * @throws StoreError if the store cannot be written now
   */
  addCalls(caller: string, minute: number, count: number): Promise<number>

  close(): Promise<void>
}

const findFault = compileCheck(
  Type.Object({
    UserID: UserIDSchema,
    typings: Type.Array(TypingSchema, { minItems: 1 }),
    createdAt: Type.String(),
    updatedAt: Type.String()
  }),
  'user'
)

/**
 * Make an entry of what is stored.
 *
 * @param text - a StoredUser as JSON; undefined once deleted
 */
export function toEntry(key: string, revision: number, text: string | undefined): Entry {
  if (text === undefined) return { key, revision }
  try {
    const user: unknown = JSON.parse(text)
    if (findFault(user) === undefined) return { key, revision, user: user as StoredUser }
  } catch {}
  return { key, revision, isDamaged: true }
}

/** The store cannot be read or written now; the message says why, for the log. */
export class StoreError extends Error {
  override name = 'StoreError'
}

/** What a user is stored under: 1 and "1" are two users, and a key does not tell who it is of. */
export function keyOf(userID: UserID): string {
  return createHash('sha256').update(JSON.stringify(userID)).digest('hex')
}
