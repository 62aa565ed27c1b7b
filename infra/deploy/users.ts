import {
  DescribeContinuousBackupsCommand,
  DescribeTableCommand,
  DescribeTimeToLiveCommand,
  type DynamoDBClient,
  paginateQuery,
  ResourceNotFoundException,
  type TableDescription,
  UpdateContinuousBackupsCommand,
  UpdateTableCommand,
  UpdateTimeToLiveCommand,
  waitUntilTableExists
} from '@aws-sdk/client-dynamodb'

import { TABLE } from '../../server/src/users/dynamodb.ts'
import { RECOVERY_DAYS } from '../config.ts'
import { DeployError } from './steps.ts'

/**
 * Give the table that is served what AWS restores with no table: time to live, point-in-time recovery and protection
 * from deletion. Of the stack's own table they are there.
 *
 * @throws DeployError if there is no such table, or it has another form
 */
export async function prepareTable(
  dynamo: DynamoDBClient,
  table: string,
  say: (line: string) => void
): Promise<void> {
  const TableName = table
  const described = await dynamo.send(new DescribeTableCommand({ TableName })).catch((error: Error) => {
    if (error instanceof ResourceNotFoundException) return undefined
    throw error
  })
  const fault = findTableFault(table, described?.Table)
  if (fault !== undefined) {
    throw new DeployError(
      fault,
      'usersTable in infra/config.json names the table that is served; docs/users.md says how one is restored.'
    )
  }
  const { TimeToLiveDescription } = await dynamo.send(new DescribeTimeToLiveCommand({ TableName }))
  if (!/^ENABL/.test(TimeToLiveDescription?.TimeToLiveStatus ?? '')) {
    const TimeToLiveSpecification = { AttributeName: TABLE.timeToLive, Enabled: true }
    await dynamo.send(new UpdateTimeToLiveCommand({ TableName, TimeToLiveSpecification }))
    say(`${table}: items expire again`)
  }
  const backups = await dynamo.send(new DescribeContinuousBackupsCommand({ TableName }))
  const recovery = backups.ContinuousBackupsDescription?.PointInTimeRecoveryDescription
  if (recovery?.PointInTimeRecoveryStatus !== 'ENABLED') {
    const PointInTimeRecoverySpecification = {
      PointInTimeRecoveryEnabled: true,
      RecoveryPeriodInDays: RECOVERY_DAYS
    }
    await dynamo.send(new UpdateContinuousBackupsCommand({ TableName, PointInTimeRecoverySpecification }))
    say(`${table}: any moment of the last ${RECOVERY_DAYS} days can be restored again`)
  }
  if (described?.Table?.DeletionProtectionEnabled !== true) {
    await protect(dynamo, table, true)
    say(`${table}: protected from deletion again`)
  }
}

function findTableFault(table: string, found: TableDescription | undefined): string | undefined {
  if (found === undefined) return `There is no table ${table} in this region.`
  if (found.TableStatus === 'CREATING') return `The table ${table} is still being restored.`
  const keys = found.KeySchema?.map(({ AttributeName }) => AttributeName).join()
  const isIndexed = found.LocalSecondaryIndexes?.some(({ IndexName }) => IndexName === TABLE.index)
  if (keys !== `${TABLE.partitionKey},${TABLE.sortKey}` || !isIndexed)
    return `The table ${table} is not one of users: its keys or its index differ.`
  return undefined
}

/** @returns how many people are enrolled, or undefined if there is no table */
export async function countUsers(dynamo: DynamoDBClient, table: string): Promise<number | undefined> {
  let users = 0
  try {
    const pages = paginateQuery(
      { client: dynamo },
      {
        TableName: table,
        Select: 'COUNT',
        ConsistentRead: true,
        KeyConditionExpression: 'kind = :user',
        // Of a deleted user there is an entry without one.
        FilterExpression: 'attribute_exists(#user)',
        ExpressionAttributeNames: { '#user': 'user' },
        ExpressionAttributeValues: { ':user': { S: 'user' } }
      }
    )
    for await (const { Count = 0 } of pages) users += Count
  } catch (error) {
    if (error instanceof ResourceNotFoundException) return undefined
    throw error
  }
  return users
}

/** A change of a table takes seconds; past this something is wrong, s. */
const ACTIVE_WITHIN = 300

/** Protect the table from deletion, or let it be deleted. */
export async function protect(dynamo: DynamoDBClient, table: string, isProtected: boolean): Promise<void> {
  await dynamo.send(new UpdateTableCommand({ TableName: table, DeletionProtectionEnabled: isProtected }))
  // While it is changed it cannot be deleted.
  await waitUntilTableExists({ client: dynamo, maxWaitTime: ACTIVE_WITHIN }, { TableName: table })
}

/** Stop point-in-time recovery: of a table that has it, DynamoDB keeps a backup for 35 days after the deletion. */
export async function stopBackups(dynamo: DynamoDBClient, table: string): Promise<void> {
  await dynamo.send(
    new UpdateContinuousBackupsCommand({
      TableName: table,
      PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: false }
    })
  )
}
