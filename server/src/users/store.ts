import { createHash } from 'node:crypto'
import type { UserID } from '../schemas/common.ts'
import type { Typing } from '../schemas/typing.ts'

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
  /** Left out once deleted. */
  user?: StoredUser
}

/** Some entries, in the order in which they changed. */
export interface Changes {
  /** None where there are no more. */
  entries: Entry[]
  /** For the next call. */
  cursor: string
}

/** Where enrolled users are kept, for all processes that serve them. */
export interface Store {
  /** @throws StoreError if the store cannot be read now */
  get(key: string): Promise<Entry | undefined>

  /**
   * Write a user, or delete one; the write is durable once this resolves.
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

  close(): Promise<void>
}

/** The store cannot be read or written now; the message says why, for the log. */
export class StoreError extends Error {
  override name = 'StoreError'
}

/** What a user is stored under: 1 and "1" are two users, and a key does not tell who it is of. */
export function keyOf(userID: UserID): string {
  return createHash('sha256').update(JSON.stringify(userID)).digest('hex')
}
