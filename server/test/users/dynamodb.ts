/** Stand-ins for Amazon DynamoDB on this machine: moto, and a server of errors. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb'
import type { Test } from 'tap'
import { withoutThese } from '../../../scripts/lib/containers.ts'
import { freePorts } from '../../../scripts/lib/ports.ts'
import { PYTHON, pythonTool } from '../../../scripts/lib/processes.ts'
import { isAnswered, within } from '../../../scripts/lib/wait.ts'
import { TABLE } from '../../src/users/dynamodb.ts'

const MOTO = fileURLToPath(new URL('atomic_moto.py', import.meta.url))

/** Why a test that needs moto is skipped; false where it is there. */
export const withoutMoto = withoutThese(
  existsSync(pythonTool('moto_server')) ? [] : ['moto (npm run test:infra installs it)']
)

/** Environment in which AWS SDKs ask this endpoint and nothing else. */
const environment = (endpoint: string) => ({
  AWS_ENDPOINT_URL: endpoint,
  AWS_REGION: 'eu-west-1',
  AWS_ACCESS_KEY_ID: 'test',
  AWS_SECRET_ACCESS_KEY: 'test',
  AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true'
})

/** Start moto, and have the SDKs of this process and of those that it starts ask it. */
export async function startDynamo(t: Test): Promise<void> {
  const [port] = (await freePorts(1)) as [number]
  const child = spawn(PYTHON, [MOTO, `${port}`], { stdio: 'ignore' })
  t.teardown(() => child.kill('SIGKILL'))
  const endpoint = `http://127.0.0.1:${port}`
  if (!(await within(60_000, () => isAnswered(`${endpoint}/moto-api/`))))
    throw new Error('moto does not answer')
  Object.assign(process.env, environment(endpoint))
}

let tables = 0

/** Make an empty table of the form that the stack gives it. */
export async function createTable(): Promise<string> {
  const name = `users-${++tables}`
  const { partitionKey, sortKey, index, indexSortKey } = TABLE
  const keys = (range: string) => [
    { AttributeName: partitionKey, KeyType: 'HASH' as const },
    { AttributeName: range, KeyType: 'RANGE' as const }
  ]
  const client = new DynamoDBClient()
  await client.send(
    new CreateTableCommand({
      TableName: name,
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: [
        { AttributeName: partitionKey, AttributeType: 'S' },
        { AttributeName: sortKey, AttributeType: 'S' },
        { AttributeName: indexSortKey, AttributeType: 'N' }
      ],
      KeySchema: keys(sortKey),
      LocalSecondaryIndexes: [
        { IndexName: index, KeySchema: keys(indexSortKey), Projection: { ProjectionType: 'ALL' } }
      ]
    })
  )
  client.destroy()
  return name
}

/** Have the SDKs of this process ask a server with the given answer. */
export async function answerAllWith(t: Test, answer: (response: ServerResponse) => void): Promise<void> {
  const server = createServer((request, response) => {
    request.resume().on('end', () => answer(response))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  const before = { ...process.env }
  Object.assign(process.env, environment(`http://127.0.0.1:${(server.address() as AddressInfo).port}`))
  t.teardown(() => Object.assign(process.env, before))
}

/** Answer as DynamoDB reports an error. */
export const refuse = (name: string, message: string) => (response: ServerResponse) => {
  response.writeHead(400, { 'content-type': 'application/x-amz-json-1.0' })
  response.end(JSON.stringify({ __type: `com.amazonaws.dynamodb.v20120810#${name}`, message }))
}
