import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { CloudFormationClient } from '@aws-sdk/client-cloudformation'
import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { ECRClient } from '@aws-sdk/client-ecr'
import { ECSClient } from '@aws-sdk/client-ecs'
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { ROOT } from '../../scripts/lib/processes.ts'
import { checkFiles, readManifest } from '../../server/src/models/manifest.ts'
import type { Manifest } from '../../server/src/schemas/manifest.ts'
import { type Config, loadConfig } from '../config.ts'
import { whoAmI } from './account.ts'
import { type Engine, findEngine } from './image.ts'
import { DeployError, explain } from './steps.ts'

const MODELS = join(ROOT, 'models')

/** What the steps of one command share. */
export interface Deployment {
  readonly config: Config
  readonly region: string
  readonly manifest: Manifest
  readonly ecr: ECRClient
  readonly ecs: ECSClient
  readonly dynamo: DynamoDBClient
  readonly secrets: SecretsManagerClient
  readonly cloudFormation: CloudFormationClient
}

/**
 * Find out whether everything is there, and say all that is missing at once.
 *
 * @throws DeployError that lists what is missing
 */
export async function check(
  say: (line: string) => void,
  { builds }: { builds: boolean }
): Promise<Deployment & { engine: Engine | undefined }> {
  const missing: string[] = []
  const config = await loadConfig()
  const identity = await whoAmI().catch((error: unknown) => {
    const { message, next } = explain(error)
    missing.push(`${message.replace(/\.$/, '')}. ${next}`)
    return undefined
  })
  if (identity !== undefined)
    say(`account ${identity.account}, region ${identity.region}, as ${identity.arn}`)

  const engine = builds ? findEngine() : undefined
  if (builds && engine === undefined) {
    missing.push('Nothing here builds images: install and start Docker, or install buildah or podman.')
  }
  if (builds && !existsSync(join(ROOT, 'Dockerfile'))) missing.push(`Dockerfile not found in ${ROOT}.`)
  if (engine !== undefined) say(`${engine} builds and pushes`)

  const manifest = await readManifest(MODELS)
    .then(async (read) => {
      await checkFiles(MODELS, read)
      say(`models of ${read.dataset.name}, ${read.dataset.users} users, made ${read.createdAt}`)
      return read
    })
    .catch((error: Error) => {
      missing.push(error.message)
      return undefined
    })

  if (identity === undefined || manifest === undefined || missing.length > 0) {
    throw new DeployError(
      `Not ready to deploy:\n${missing.map((line) => `  - ${line}`).join('\n')}`,
      'Fix this and run the same command again.'
    )
  }
  const client = { region: identity.region }
  return {
    config,
    region: identity.region,
    manifest,
    engine,
    ecr: new ECRClient(client),
    ecs: new ECSClient(client),
    dynamo: new DynamoDBClient(client),
    secrets: new SecretsManagerClient(client),
    cloudFormation: new CloudFormationClient(client)
  }
}
