import type { Readable } from 'node:stream'
import type { UserID } from '../schemas/common.ts'
import type { Typing } from '../schemas/typing.ts'
import { MOST_TYPINGS } from '../schemas/users.ts'
import { findCopies } from '../typings/copies.ts'
import { readCsv } from '../typings/csv.ts'
import { keyOf, type Store } from './store.ts'
import { parseUserID } from './user-id.ts'

/** A row or a user that cannot be imported; the message says which and why. */
export class TransferError extends Error {
  override name = 'TransferError'
}

/** What the users of a CSV came to. */
export interface Imported {
  /** How many users are in the store now. */
  users: number
  typings: number
  /** Who was in the store before, and is left as they are. */
  kept: UserID[]
}

/**
 * Enroll the users of a CSV, as `toCsv` writes it, into a store. The file is read whole before anything is written, so
 * that a fault in it changes nothing.
 *
 * @param source - the CSV's bytes
 * @param keys - K of the models' string
 * @param classes - the training's UserIDs, which say whether a number is one
 * @throws TransferError, CSV_INVALID naming the line; StoreError
 */
export async function importCsv(
  store: Store,
  source: Readable,
  keys: number,
  classes: readonly UserID[]
): Promise<Imported> {
  const found = await readUsers(source, keys, classes)
  const imported: Imported = { users: 0, typings: 0, kept: [] }
  const now = new Date().toISOString()
  for (const [userID, typings] of found) {
    const key = keyOf(userID)
    const entry = await store.get(key)
    const user = { UserID: userID, typings, createdAt: now, updatedAt: now }
    const written = entry?.user ? undefined : await store.put(key, entry?.revision ?? 0, user)
    if (written === undefined) {
      imported.kept.push(userID)
      continue
    }
    imported.users++
    imported.typings += typings.length
  }
  return imported
}

async function readUsers(
  source: Readable,
  keys: number,
  classes: readonly UserID[]
): Promise<Map<UserID, Typing[]>> {
  const found = new Map<UserID, Typing[]>()
  const { hasUser, rows } = await readCsv(source, keys)
  if (!hasUser) throw new TransferError('line 1: column 1 should be user')
  for await (const batch of rows) {
    for (const { line, user, typing, error } of batch) {
      if (typing === undefined) throw new TransferError(`line ${line}: ${error}`)
      try {
        const userID = parseUserID(user!, classes)
        found.set(userID, [...(found.get(userID) ?? []), typing])
      } catch (thrown) {
        throw new TransferError(`line ${line}: ${(thrown as Error).message}`)
      }
    }
  }
  for (const [userID, typings] of found) {
    const where = `user ${JSON.stringify(userID)}`
    if (typings.length > MOST_TYPINGS)
      throw new TransferError(`${where} has ${typings.length} typings; ${MOST_TYPINGS} are the most`)
    const copies = findCopies(typings)
    if (copies) {
      const [copy, of] = copies
      throw new TransferError(`${where}: typing ${copy + 1} is a copy of typing ${of + 1}, or nearly one`)
    }
  }
  return found
}
