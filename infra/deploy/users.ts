import {
  type DynamoDBClient,
  paginateQuery,
  ResourceNotFoundException,
  UpdateContinuousBackupsCommand,
  UpdateTableCommand,
  waitUntilTableExists
} from '@aws-sdk/client-dynamodb'

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
