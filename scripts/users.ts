/**
 * `npm run users -- backup|export|import FILE`: enrolled users in the store that the service's settings name (USERS_DB,
 * or USERS_TABLE), for operators. `backup` copies a SQLite file while it is used; `export` writes the CSV of GET
 * /users/export; `import` enrolls the users of such a CSV.
 */
import { createReadStream, existsSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { resolve } from 'node:path'
import { ConfigError, readConfig } from '../server/src/config.ts'
import { ModelsError, readManifest } from '../server/src/models/manifest.ts'
import { DynamoStore } from '../server/src/users/dynamodb.ts'
import { toCsv } from '../server/src/users/export.ts'
import { SqliteStore } from '../server/src/users/sqlite.ts'
import { type StoredUser, StoreError } from '../server/src/users/store.ts'
import { importCsv, TransferError } from '../server/src/users/transfer.ts'
import { CALLED_FROM } from './lib/processes.ts'

const USAGE = 'Usage: npm run users -- backup|export|import FILE'

const [action, file, ...rest] = process.argv.slice(2)
if (!['backup', 'export', 'import'].includes(action ?? '') || file === undefined || rest.length > 0) {
  console.error(USAGE)
  process.exit(2)
}
const path = resolve(CALLED_FROM, file)
const { USERS_DB, USERS_TABLE, MODELS_DIR } = readSettings()
const store = USERS_TABLE === undefined ? new SqliteStore(USERS_DB) : new DynamoStore(USERS_TABLE)
const name = USERS_TABLE ?? USERS_DB
try {
  if (action === 'backup') await backUp()
  else if (action === 'export') await exportUsers()
  else await importUsers()
} catch (error) {
  const { name: kind, message, code } = error as NodeJS.ErrnoException
  const isTold = [StoreError, TransferError, ModelsError].some((known) => error instanceof known)
  if (!isTold && code === undefined) throw error
  console.error(kind === 'TransferError' || code?.startsWith('KS_ERR') ? `${file}: ${message}` : message)
  process.exitCode = 1
} finally {
  await store.close()
}

function readSettings() {
  try {
    return readConfig()
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    console.error(error.message)
    process.exit(1)
  }
}

async function backUp(): Promise<void> {
  if (!(store instanceof SqliteStore)) {
    throw new TransferError('a table of DynamoDB has backups of its own; see docs/users.md')
  }
  await store.backUp(path)
  console.log(`${name} is copied to ${file}.`)
}

async function exportUsers(): Promise<void> {
  const { dataset } = await readManifest(MODELS_DIR)
  let [users, others] = [0, 0]
  async function* ofString(): AsyncGenerator<StoredUser> {
    for await (const user of store.users()) {
      if (user.typings[0]!.Press.length === dataset.keys) {
        users++
        yield user
      } else others++
    }
  }
  // Only its owner may read it, and no file is replaced.
  const target = await open(path, 'wx', 0o600)
  try {
    for await (const piece of toCsv(ofString(), dataset.keys)) await target.write(piece)
  } finally {
    await target.close()
  }
  const left = others > 0 ? ` ${others} of strings with another number of keys are left out.` : ''
  console.log(`${users} users of ${name} are in ${file}.${left}`)
}

async function importUsers(): Promise<void> {
  if (!existsSync(path)) throw new TransferError('there is no such file')
  const { dataset, classes } = await readManifest(MODELS_DIR)
  const { users, typings, kept } = await importCsv(store, createReadStream(path), dataset.keys, classes)
  const left = kept.length > 0 ? ` ${kept.length} were there before and are left as they are.` : ''
  console.log(`${users} users with ${typings} typings are enrolled in ${name}.${left}`)
}
