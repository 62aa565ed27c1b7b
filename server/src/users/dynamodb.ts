import { setTimeout } from 'node:timers/promises'
import type {
  AttributeValue,
  DynamoDB,
  GetItemCommandOutput,
  QueryCommandInput,
  TransactWriteItem
} from '@aws-sdk/client-dynamodb'
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

/** ms to reach the service, and for each of its answers. */
const CONNECT = 1_000
const ANSWER = 2_000

/** Of one call, the first included. */
const ATTEMPTS = 2

/** Entries read at a time. */
const PAGE = 100

/** Minutes after which counts of calls are deleted. */
const CALLS_KEPT = 5

/** ms that a write waits for those before it; longer, and its caller has given up. */
const PATIENCE = 5_000

/** Tries of a write while others write, and ms between the first two. */
const TRIES = 8
const PAUSE = 20

/**
 * The table that the store needs, as the stack makes it. All users are one partition (at most 10 GB, a million
 * users), so that the index can give them in the order of their changes, and read consistently. The claims to be each
 * user, and the calls of each caller, are a partition of their own: they are written often.
 */
export const TABLE = {
  partitionKey: 'kind',
  sortKey: 'key',
  index: 'changes',
  /** A number, unlike the keys. */
  indexSortKey: 'change',
  /** s since 1970, after which DynamoDB deletes an item; users have none. */
  timeToLive: 'expires'
} as const

/** What the role of the server may do with it. */
export const ACTIONS = [
  'dynamodb:GetItem',
  'dynamodb:Query',
  'dynamodb:PutItem',
  'dynamodb:UpdateItem',
  'dynamodb:DeleteItem',
  'dynamodb:ConditionCheckItem'
]

type Item = Record<string, AttributeValue>

const idOf = (key: string) => ({ kind: { S: 'user' }, key: { S: key } })
/** The version before kept claims in another form, as kind `claims ...`; they expire. */
const claimsIdOf = (key: string) => ({ kind: { S: `claim records ${key}` }, key: { S: key } })
const COUNTER = { kind: { S: 'counter' }, key: { S: 'changes' } }

/** Users in one table of Amazon DynamoDB, which any number of processes may share. */
export class DynamoStore implements Store {
  readonly #table: string
  #client: Promise<DynamoDB> | undefined
  /** The last write of this process: two at a time would refuse each other. */
  #writing: Promise<unknown> = Promise.resolve()

  /** @param table - its name; region, credentials and endpoint are found as every AWS SDK finds them */
  constructor(table: string) {
    this.#table = table
  }

  async get(key: string): Promise<Entry | undefined> {
    const { Item } = await this.#getItem(idOf(key))
    return Item && fromItem(Item)
  }

  put(key: string, expected: number, user?: StoredUser): Promise<Entry | undefined> {
    const asked = performance.now()
    const written = this.#writing.then(() => {
      const waited = performance.now() - asked
      if (waited > PATIENCE)
        throw new StoreError(`${this.#table}: ${Math.round(waited)} ms behind other writes`)
      return this.#put(key, expected, user)
    })
    this.#writing = written.catch(() => {})
    return written
  }

  async changes(cursor = '0'): Promise<Changes> {
    const { Items = [] } = await this.#query({
      IndexName: TABLE.index,
      KeyConditionExpression: 'kind = :user AND #change > :cursor',
      ExpressionAttributeNames: { '#change': 'change' },
      ExpressionAttributeValues: { ':user': { S: 'user' }, ':cursor': { N: cursor } },
      Limit: PAGE
    })
    return { entries: Items.map(fromItem), cursor: Items.at(-1)?.change?.N ?? cursor }
  }

  async *users(): AsyncGenerator<StoredUser> {
    let after: Item | undefined
    do {
      const { Items = [], LastEvaluatedKey } = await this.#query({
        KeyConditionExpression: 'kind = :user',
        FilterExpression: 'attribute_exists(#user)',
        ExpressionAttributeNames: { '#user': 'user' },
        ExpressionAttributeValues: { ':user': { S: 'user' } },
        Limit: PAGE,
        ...(after && { ExclusiveStartKey: after })
      })
      for (const item of Items) {
        const { user } = fromItem(item)
        if (user) yield user
      }
      after = LastEvaluatedKey
    } while (after !== undefined)
  }

  async readClaims(key: string): Promise<ClaimsEntry | undefined> {
    const { Item } = await this.#getItem(claimsIdOf(key))
    // DynamoDB deletes what expired within days.
    if (Item === undefined || Number(Item.expires!.N) <= now()) return undefined
    return {
      revision: Number(Item.revision!.N),
      user: Number(Item.deleted?.N ?? 0),
      claims: JSON.parse(Item.claims!.S!) as Claims
    }
  }

  writeClaims(key: string, expected: number, claims: Claims, expires: number): Promise<boolean> {
    return this.#attempt(async (client) => {
      try {
        await client.updateItem({
          TableName: this.#table,
          Key: claimsIdOf(key),
          UpdateExpression: 'SET revision = :revision, expires = :expires, claims = :claims',
          ConditionExpression:
            expected === 0 ? 'attribute_not_exists(kind) OR expires <= :now' : 'revision = :expected',
          ExpressionAttributeValues: {
            ':revision': { N: `${expected + 1}` },
            ':expires': { N: `${expires}` },
            ':claims': { S: JSON.stringify(claims) },
            ...(expected === 0 ? { ':now': { N: `${now()}` } } : { ':expected': { N: `${expected}` } })
          }
        })
        return true
      } catch (error) {
        if ((error as Error).name === 'ConditionalCheckFailedException') return false
        throw error
      }
    })
  }

  async addCalls(caller: string, minute: number, count: number): Promise<number> {
    const { Attributes } = await this.#attempt((client) =>
      client.updateItem({
        TableName: this.#table,
        Key: { kind: { S: `calls ${caller}` }, key: { S: `${minute}` } },
        UpdateExpression: 'ADD calls :count SET expires = :expires',
        ExpressionAttributeValues: {
          ':count': { N: `${count}` },
          ':expires': { N: `${(minute + CALLS_KEPT) * 60}` }
        },
        ReturnValues: 'UPDATED_NEW'
      })
    )
    return Number(Attributes!.calls!.N)
  }

  async close(): Promise<void> {
    await this.#writing
    const client = await this.#client?.catch(() => undefined)
    this.#client = undefined
    client?.destroy()
  }

  /** Write a user together with the number of the change. */
  async #put(key: string, expected: number, user?: StoredUser): Promise<Entry | undefined> {
    for (let tries = 0; tries < TRIES; tries++) {
      const counter = (await this.#getItem(COUNTER)).Item
      const outcome = await this.#write(key, expected, user, counter)
      if (outcome === 'written') return { key, revision: expected + 1, ...(user && { user }) }
      if (outcome === 'changed') return undefined
      // Between them, so that those who met do not meet again.
      await setTimeout(PAUSE * 2 ** tries * Math.random())
    }
    throw new StoreError(`${this.#table}: others write all the time`)
  }

  async #write(
    key: string,
    expected: number,
    user: StoredUser | undefined,
    counter: Item | undefined
  ): Promise<'written' | 'changed' | 'met'> {
    const change = Number(counter?.change?.N ?? 0) + 1
    const items: TransactWriteItem[] = [
      {
        Put: {
          TableName: this.#table,
          Item: {
            ...idOf(key),
            revision: { N: `${expected + 1}` },
            change: { N: `${change}` },
            ...(user && { user: { S: JSON.stringify(user) } })
          },
          ...(expected === 0
            ? { ConditionExpression: 'attribute_not_exists(kind)' }
            : {
                ConditionExpression: 'revision = :expected',
                ExpressionAttributeValues: { ':expected': { N: `${expected}` } }
              })
        }
      },
      {
        Put: {
          TableName: this.#table,
          Item: { ...COUNTER, change: { N: `${change}` }, last: { S: key } },
          ...(counter === undefined
            ? { ConditionExpression: 'attribute_not_exists(kind)' }
            : {
                ConditionExpression: '#change = :before',
                ExpressionAttributeNames: { '#change': 'change' },
                ExpressionAttributeValues: { ':before': { N: `${change - 1}` } }
              })
        }
      }
    ]
    if (user === undefined) {
      items.push({
        Update: {
          TableName: this.#table,
          Key: claimsIdOf(key),
          UpdateExpression:
            'SET revision = if_not_exists(revision, :none) + :one, deleted = :deleted, expires = :expires, claims = :claims',
          ExpressionAttributeValues: {
            ':none': { N: '0' },
            ':one': { N: '1' },
            ':deleted': { N: `${expected + 1}` },
            ':expires': { N: `${now() + DELETION_KEPT}` },
            ':claims': { S: JSON.stringify(NO_CLAIMS) }
          }
        }
      })
    }
    const last = counter?.last?.S
    if (last !== undefined && last !== key) {
      // The parts of a transaction appear one after another. A reader of this change has to see the one before it,
      // so that one has to be there whole: a check meets it, and is refused, as long as it is not.
      items.push({
        ConditionCheck: {
          TableName: this.#table,
          Key: idOf(last),
          ConditionExpression: 'attribute_exists(kind)'
        }
      })
    }
    return this.#attempt(async (client) => {
      try {
        await client.transactWriteItems({ TransactItems: items })
        return 'written'
      } catch (error) {
        const { name, CancellationReasons = [] } = error as Error & {
          CancellationReasons?: { Code?: string }[]
        }
        if (name !== 'TransactionCanceledException') throw error
        if (CancellationReasons[0]?.Code === 'ConditionalCheckFailed') return 'changed'
        const codes = new Set(CancellationReasons.map(({ Code }) => Code))
        if (codes.has('ConditionalCheckFailed') || codes.has('TransactionConflict')) return 'met'
        throw error
      }
    })
  }

  #getItem(Key: Item): Promise<GetItemCommandOutput> {
    return this.#attempt((client) => client.getItem({ TableName: this.#table, Key, ConsistentRead: true }))
  }

  #query(input: Omit<QueryCommandInput, 'TableName'>) {
    return this.#attempt((client) => client.query({ TableName: this.#table, ConsistentRead: true, ...input }))
  }

  async #attempt<T>(call: (client: DynamoDB) => Promise<T>): Promise<T> {
    try {
      this.#client ??= open()
      return await call(await this.#client)
    } catch (error) {
      const { name, message } = error as Error
      throw new StoreError(`${this.#table}: ${name}: ${message}`, { cause: error })
    }
  }
}

/** s since 1970. */
const now = () => Math.floor(Date.now() / 1000)

/** The SDK takes a tenth of a second to be read: only where there is a table. */
async function open(): Promise<DynamoDB> {
  const { DynamoDB } = await import('@aws-sdk/client-dynamodb')
  return new DynamoDB({
    maxAttempts: ATTEMPTS,
    // The region's own address, which the VPC's gateway is documented for.
    accountIdEndpointMode: 'disabled',
    requestHandler: { connectionTimeout: CONNECT, requestTimeout: ANSWER, throwOnRequestTimeout: true }
  })
}

const fromItem = ({ key, revision, user }: Item): Entry => toEntry(key!.S!, Number(revision!.N), user?.S)
