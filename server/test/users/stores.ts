/** Stores that several processes share, empty. */
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { Test } from 'tap'
import { DynamoStore } from '../../src/users/dynamodb.ts'
import { SqliteStore } from '../../src/users/sqlite.ts'
import type { Store } from '../../src/users/store.ts'
import { createTable } from './dynamodb.ts'

/** Each opens its store as one more process would. A table needs `startDynamo`. */
export const SHARED_STORES: Record<'SQLite, a file' | 'DynamoDB', (t: Test) => Promise<() => Store>> = {
  'SQLite, a file': async (t) => {
    const file = join(t.testdir({}), `${randomUUID()}.db`)
    return () => new SqliteStore(file)
  },
  DynamoDB: async () => {
    const table = await createTable()
    return () => new DynamoStore(table)
  }
}
