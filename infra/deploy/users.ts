import {
  type DynamoDBClient,
  paginateQuery,
  ResourceNotFoundException,
  UpdateTableCommand
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

/** Let the table be deleted, which its stack forbids. */
export async function unprotect(dynamo: DynamoDBClient, table: string): Promise<void> {
  await dynamo.send(new UpdateTableCommand({ TableName: table, DeletionProtectionEnabled: false }))
}
