/** `npm run destroy`: remove all that `npm run deploy` made, after asking. */
import { createInterface } from 'node:readline/promises'
import { CloudFormationClient } from '@aws-sdk/client-cloudformation'
import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { DeleteObjectsCommand, paginateListObjectsV2, S3Client } from '@aws-sdk/client-s3'
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import {
  adminKeysName,
  apiKeysName,
  loadConfig,
  logsStackName,
  repositoryStackName,
  usersStackName,
  usersTableName
} from '../config.ts'
import { whoAmI } from './account.ts'
import { deleteKeys, findKeys } from './keys.ts'
import { destroyStack, stackOutputs } from './stacks.ts'
import { command, DeployError, Steps } from './steps.ts'
import { countUsers, protect, stopBackups } from './users.ts'

await command(async () => {
  const config = await loadConfig()
  const { account, region } = await whoAmI()
  const cloudFormation = new CloudFormationClient({ region })
  const secrets = new SecretsManagerClient({ region })
  const service = await stackOutputs(cloudFormation, config.name)
  const repository = await stackOutputs(cloudFormation, repositoryStackName(config))
  const logs = await stackOutputs(cloudFormation, logsStackName(config))

  const dynamo = new DynamoDBClient({ region })
  const table = usersTableName(config)
  const users = await stackOutputs(cloudFormation, usersStackName(config))
  const people = users && ((await countUsers(dynamo, table)) ?? 0)

  console.log(`This removes from account ${account}, region ${region}, and cannot be undone:
  - the service ${config.name}, its network, load balancer and alarms${service ? '' : ' (not there)'}
  - the log of its tasks${logs ? '' : ' (not there)'}
  - the repository ${config.name} with every image${repository ? '' : ' (not there)'}
  - the keys in ${apiKeysName(config)} and ${adminKeysName(config)}`)
  const terminal = createInterface({ input: process.stdin })
  const lines = terminal[Symbol.asyncIterator]()
  const ask = async (question: string) => {
    process.stdout.write(question)
    // At the end of the input there is no answer.
    return `${(await lines.next()).value ?? ''}`.trim()
  }
  if ((await ask(`\nType ${config.name} to go on: `)) !== config.name) {
    throw new DeployError('Nothing was removed.', `Only ${config.name} is taken for a yes.`)
  }
  const yes = `delete ${people}`
  const question = `\nEnrolled users in the table ${table}: ${people}. Type "${yes}" to delete them too, or nothing to keep them: `
  const isGone = people === 0 || (people !== undefined && (await ask(question)) === yes)
  terminal.close()

  const steps = new Steps(5)
  await steps.step('Service', async (say) => {
    if (service === undefined) return say('not there')
    // Never deployed, and so nothing but its form counts: the app has a service only of an image.
    const release = {
      imageDigest: service.ImageDigest ?? `sha256:${'0'.repeat(64)}`,
      previousImageDigest: undefined,
      apiKeysArn:
        (await findKeys(secrets, apiKeysName(config)))?.arn ??
        `arn:aws:secretsmanager:${region}:${account}:secret:${apiKeysName(config)}-000000`,
      adminKeysArn:
        (await findKeys(secrets, adminKeysName(config)))?.arn ??
        `arn:aws:secretsmanager:${region}:${account}:secret:${adminKeysName(config)}-000000`
    }
    // The load balancer may write once more while it is being removed, and a bucket must be empty to go.
    for (let attempt = 1; attempt <= 2; attempt++) {
      await emptyBucket(region, service.AccessLogs)
      if (await destroyStack(config.name, region, release)) return
    }
    throw new DeployError(
      `The stack ${config.name} could not be removed; the lines above say why.`,
      'Wait five minutes, for the load balancer’s last log may just have come, and run npm run destroy again.'
    )
  })
  for (const [title, stack, isThere] of [
    ['Repository', repositoryStackName(config), repository !== undefined],
    ['Log', logsStackName(config), logs !== undefined]
  ] as const) {
    await steps.step(title, async (say) => {
      if (!isThere) return say('not there')
      if (await destroyStack(stack, region)) return
      throw new DeployError(
        `The stack ${stack} could not be removed; the lines above say why.`,
        'Fix the cause and run npm run destroy again.'
      )
    })
  }
  await steps.step('Keys', async () => {
    await deleteKeys(secrets, apiKeysName(config))
    await deleteKeys(secrets, adminKeysName(config))
  })
  const isKept = await steps.step('Enrolled users', async (say) => {
    // Who was enrolled since the question was not asked about.
    const found = await countUsers(dynamo, table)
    const isAsKnown = isGone && (found ?? 0) === people
    if (users === undefined) say('not there')
    else if (!isAsKnown) say(`kept, in the table ${table}: npm run deploy finds them again`)
    else {
      if (found !== undefined) {
        await stopBackups(dynamo, table)
        await protect(dynamo, table, false)
      }
      if (!(await destroyStack(usersStackName(config), region))) {
        if (found !== undefined) await protect(dynamo, table, true)
        throw new DeployError(
          `The stack ${usersStackName(config)} could not be removed; the lines above say why.`,
          'Fix the cause and run npm run destroy again.'
        )
      }
    }
    return users !== undefined && !isAsKnown
  })
  if (config.usersTable !== undefined) {
    console.log(`
${isKept ? `The tables ${table} and ${config.usersTable} are` : `The table ${config.usersTable} is`} left, and nothing else. ${config.usersTable} belongs to no stack; to delete it, with everybody who is enrolled in it:
  aws dynamodb update-table --table-name ${config.usersTable} --no-deletion-protection-enabled
  aws dynamodb delete-table --table-name ${config.usersTable}`)
  } else console.log(isKept ? `\nThe table ${table} is left, and nothing else.` : '\nNothing is left.')
})

async function emptyBucket(region: string, bucket: string | undefined): Promise<void> {
  if (bucket === undefined) return
  const s3 = new S3Client({ region, forcePathStyle: process.env.AWS_ENDPOINT_URL !== undefined })
  try {
    for await (const { Contents = [] } of paginateListObjectsV2({ client: s3 }, { Bucket: bucket })) {
      if (Contents.length === 0) continue
      const objects = Contents.map(({ Key }) => ({ Key: Key! }))
      await s3.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects: objects, Quiet: true } }))
    }
  } catch (error) {
    // Of a removal that was interrupted: the bucket has gone and the stack has not.
    if ((error as Error).name !== 'NoSuchBucket') throw error
  }
}
