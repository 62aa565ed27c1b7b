import { constants, existsSync } from 'node:fs'
import { access, mkdir, open, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type Database from 'libsql'
import {
  type Changes,
  type Claims,
  type ClaimsEntry,
  DELETION_KEPT,
  type Entry,
  NO_CLAIMS,
  type Store,
  type StoredUser,
  StoreError,
  toEntry
} from './store.ts'

/** ms in all that a call waits for another process’s write, and between its tries; meanwhile others are answered. */
const PATIENCE = 2_000
const PAUSE = 10

/** Entries read at a time, of some 10 kB each. */
const PAGE = 100

/** In place of a file: for tests, and gone when the process ends. */
export const IN_MEMORY = ':memory:'

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS users (
    key TEXT PRIMARY KEY,
    revision INTEGER NOT NULL,
    -- Counts the changes of all users, so that other processes can ask for those that they have not seen.
    change INTEGER NOT NULL UNIQUE,
    -- A StoredUser as JSON; NULL once deleted.
    user TEXT
  ) STRICT, WITHOUT ROWID;
  -- Of the version before, which kept them in another form.
  DROP TABLE IF EXISTS claims;
  CREATE TABLE IF NOT EXISTS claim_records (
    key TEXT PRIMARY KEY,
    revision INTEGER NOT NULL,
    -- The revision of the user that was deleted last, 0 if none was.
    user INTEGER NOT NULL,
    -- s since 1970.
    expires INTEGER NOT NULL,
    -- Claims as JSON.
    claims TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS claim_records_by_expiry ON claim_records (expires);
  CREATE TABLE IF NOT EXISTS calls (
    caller TEXT,
    -- Since 1970.
    minute INTEGER,
    count INTEGER NOT NULL,
    PRIMARY KEY (minute, caller)
  ) STRICT, WITHOUT ROWID
`

const FORGET = 'DELETE FROM claim_records WHERE expires <= unixepoch()'

interface Row {
  key: string
  revision: number
  change: number
  user: string | null
}

/** Users in one SQLite file, which several processes of one machine may share. */
export class SqliteStore implements Store {
  readonly #path: string
  #opening: Promise<Database.Database> | undefined
  /** Whether the log holds what the file does not, or what was deleted. */
  #isToBeCleared = false

  /** @param path - of the file, which is made with the first user */
  constructor(path: string) {
    this.#path = path
  }

  /** @returns why users cannot be kept in the file; undefined if they can, or if there is no file yet and one can be made */
  async findFault(): Promise<string | undefined> {
    try {
      const isThere = existsSync(this.#path)
      if (isThere && !(await stat(this.#path)).isFile()) return 'it is not a file'
      if (isThere) await access(this.#path, constants.R_OK | constants.W_OK)
      // The log is made beside it.
      let folder = dirname(resolve(this.#path))
      while (!existsSync(folder)) folder = dirname(folder)
      if (!(await stat(folder)).isDirectory()) return `${folder} is not a folder`
      await access(folder, constants.W_OK)
      return undefined
    } catch (error) {
      return (error as Error).message
    }
  }

  async get(key: string): Promise<Entry | undefined> {
    const select = 'SELECT * FROM users WHERE key = ?'
    const row = await this.#read((database) => database.prepare(select).get(key) as Row | undefined)
    return row && fromRow(row)
  }

  async put(key: string, expected: number, user?: StoredUser): Promise<Entry | undefined> {
    return this.#attempt((database) => {
      const isWritten = transact(database, () => {
        const found = database.prepare('SELECT revision, user FROM users WHERE key = ?').get(key) as
          | Pick<Row, 'revision' | 'user'>
          | undefined
        if ((found?.revision ?? 0) !== expected) return false
        database
          .prepare(
            `INSERT INTO users VALUES (?, ?, (SELECT coalesce(max(change), 0) + 1 FROM users), ?)
            ON CONFLICT (key) DO UPDATE
            SET revision = excluded.revision, change = excluded.change, user = excluded.user`
          )
          .run(key, expected + 1, user === undefined ? null : JSON.stringify(user))
        if (user === undefined) {
          database
            .prepare(
              `INSERT INTO claim_records VALUES (?, 1, ?, unixepoch() + ?, ?)
              ON CONFLICT (key) DO UPDATE
              SET revision = revision + 1, user = excluded.user, expires = excluded.expires, claims = excluded.claims`
            )
            .run(key, expected + 1, DELETION_KEPT, JSON.stringify(NO_CLAIMS))
        }
        return true
      })
      if (!isWritten) return undefined
      // The log has all that was written, and what was replaced: it is emptied with the next look for changes, and at
      // once where somebody was deleted or replaced.
      this.#isToBeCleared = true
      if (expected > 0) this.#clear(database)
      return { key, revision: expected + 1, ...(user && { user }) }
    })
  }

  async changes(cursor = '0'): Promise<Changes> {
    const rows = (await this.#read((database) => {
      this.#clear(database)
      return database
        .prepare('SELECT * FROM users WHERE change > ? ORDER BY change LIMIT ?')
        .all(Number(cursor), PAGE)
    })) as Row[] | undefined
    return { entries: (rows ?? []).map(fromRow), cursor: `${rows?.at(-1)?.change ?? cursor}` }
  }

  async *users(): AsyncGenerator<StoredUser> {
    let rows: Row[] = []
    do {
      const after = rows.at(-1)?.key ?? ''
      rows = ((await this.#read((database) =>
        database
          .prepare('SELECT * FROM users WHERE key > ? AND user IS NOT NULL ORDER BY key LIMIT ?')
          .all(after, PAGE)
      )) ?? []) as Row[]
      for (const row of rows) {
        const { user } = fromRow(row)
        if (user) yield user
      }
    } while (rows.length === PAGE)
  }

  async readClaims(key: string): Promise<ClaimsEntry | undefined> {
    const select = 'SELECT revision, user, claims FROM claim_records WHERE key = ? AND expires > unixepoch()'
    const row = await this.#read(
      (database) =>
        database.prepare(select).get(key) as { revision: number; user: number; claims: string } | undefined
    )
    return row && { revision: row.revision, user: row.user, claims: JSON.parse(row.claims) as Claims }
  }

  async writeClaims(key: string, expected: number, claims: Claims, expires: number): Promise<boolean> {
    return this.#writeLightly((database) =>
      transact(database, () => {
        database.exec(FORGET)
        const found = database.prepare('SELECT revision FROM claim_records WHERE key = ?').get(key) as
          | { revision: number }
          | undefined
        if ((found?.revision ?? 0) !== expected) return false
        database
          .prepare(
            `INSERT INTO claim_records VALUES (?, 1, 0, ?, ?)
            ON CONFLICT (key) DO UPDATE
            SET revision = revision + 1, expires = excluded.expires, claims = excluded.claims`
          )
          .run(key, expires, JSON.stringify(claims))
        return true
      })
    )
  }

  addCalls(caller: string, minute: number, count: number): Promise<number> {
    return this.#writeLightly((database) =>
      transact(database, () => {
        database.prepare('DELETE FROM calls WHERE minute < ?').run(minute - 1)
        const counted = database
          .prepare(
            `INSERT INTO calls VALUES (?, ?, ?)
            ON CONFLICT (minute, caller) DO UPDATE SET count = count + excluded.count
            RETURNING count`
          )
          .get(caller, minute, count) as { count: number }
        return counted.count
      })
    )
  }

  /**
   * Copy the file, whole and as it is at one moment, while others use it.
   *
   * @param path - of the copy, which only its owner can read; must not be there yet
   * @throws StoreError
   */
  async backUp(path: string): Promise<void> {
    if (!existsSync(this.#path)) throw new StoreError(`${this.#path}: there is no such file`)
    if (existsSync(path)) throw new StoreError(`${path}: is there already`)
    await makeFile(path)
    // SQLite writes into a file that is empty.
    await this.#attempt((database) => database.prepare('VACUUM INTO ?').run(path))
  }

  async close(): Promise<void> {
    const opened = await this.#opening?.catch(() => undefined)
    this.#opening = undefined
    if (opened === undefined) return
    try {
      // So that the file alone is all there is: libsql leaves it to the log.
      opened.pragma('wal_checkpoint(TRUNCATE)')
    } catch {
      // A full disk, for example; the log has it all.
    }
    opened.close()
  }

  /** @returns undefined where there is no file yet, and so no users */
  async #read<T>(read: (database: Database.Database) => T): Promise<T | undefined> {
    if (this.#opening === undefined && this.#path !== IN_MEMORY && !existsSync(this.#path)) return undefined
    return this.#attempt(read)
  }

  /** Write what a power failure may lose: a disk that has to confirm each claim would let few be answered. */
  async #writeLightly<T>(write: (database: Database.Database) => T): Promise<T> {
    return this.#attempt((database) => {
      database.pragma('synchronous = NORMAL')
      try {
        return write(database)
      } finally {
        database.pragma('synchronous = FULL')
      }
    })
  }

  /**
   * Do something that takes the lock before anything else, and again while another process holds it. SQLite's own
   * `busy_timeout` would wait on the event loop.
   *
   * @throws StoreError
   */
  async #attempt<T>(run: (database: Database.Database) => T): Promise<T> {
    const started = performance.now()
    for (;;) {
      try {
        return run(await this.#open())
      } catch (error) {
        if (!isBusy(error) || performance.now() - started > PATIENCE) throw toFault(error)
      }
      await setTimeout(PAUSE)
    }
  }

  /** Open the file, once: a second connection of one process would drop the locks of the first when it is closed. */
  #open(): Promise<Database.Database> {
    this.#opening ??= openDatabase(this.#path).catch((error) => {
      this.#opening = undefined
      throw new StoreError(`${this.#path}: ${(error as Error).message}`, { cause: error })
    })
    return this.#opening
  }

  /** Empty the log, which keeps what was deleted; while another process reads it, that has to wait. */
  #clear(database: Database.Database): void {
    if (!this.#isToBeCleared) return
    const [result] = database.pragma('wal_checkpoint(TRUNCATE)') as { busy: number }[]
    this.#isToBeCleared = result?.busy === 1
  }
}

async function openDatabase(path: string): Promise<Database.Database> {
  if (path !== IN_MEMORY) await makeFile(path)
  const { default: Libsql } = await import('libsql')
  const database = new Libsql(path, { timeout: 0 })
  try {
    database.pragma('journal_mode = WAL')
    // In WAL mode a commit is on the disk only with this.
    database.pragma('synchronous = FULL')
    // What is deleted is overwritten with zeros.
    database.pragma('secure_delete = ON')
    database.exec(SCHEMA)
    database.exec(FORGET)
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

/** Make a file that only its owner can read, where there is none; SQLite gives its log the same permissions. */
async function makeFile(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  try {
    // Not an existing one: to close it would drop the locks that this process has on it (POSIX, fcntl).
    await (await open(path, 'ax', 0o600)).close()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

/**
 * Do all of it or nothing, with the lock from the start. libsql's own `transaction` rolls back what SQLite has rolled
 * back already, as on a full disk, and throws that in place of the cause.
 */
function transact<T>(database: Database.Database, run: () => T): T {
  database.exec('BEGIN IMMEDIATE')
  try {
    const result = run()
    database.exec('COMMIT')
    return result
  } catch (error) {
    if (database.inTransaction) database.exec('ROLLBACK')
    throw error
  }
}

function isBusy(error: unknown): boolean {
  const { code } = (error instanceof StoreError ? error.cause : error) as { code?: string }
  return code?.startsWith('SQLITE_BUSY') === true
}

const toFault = (error: unknown): StoreError =>
  error instanceof StoreError ? error : new StoreError((error as Error).message, { cause: error })

const fromRow = ({ key, revision, user }: Row): Entry => toEntry(key, revision, user ?? undefined)
