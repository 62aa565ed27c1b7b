/** The last steps of all that changes what runs: the stack, the tasks, the proof. */
import { waitUntilServicesStable } from '@aws-sdk/client-ecs'
import { goldenRequests } from '../../server/src/models/golden.ts'
import { adminKeysName, apiKeysName, type Release } from '../config.ts'
import type { Deployment } from './check.ts'
import type { AllKeys } from './keys.ts'
import { smokeTest, type Target } from './smoke.ts'
import { deployStacks, stackOutputs } from './stacks.ts'
import { DeployError, type Steps } from './steps.ts'

/** A rolling replacement of six tasks, two at a time, with their drain; past this something is wrong, s. */
const STABLE_WITHIN = 20 * 60

/** Deploy the stack and settle. */
export async function release(
  steps: Steps,
  deployment: Deployment,
  keys: AllKeys,
  serves: 'these' | 'any',
  release: Release
): Promise<void> {
  await steps.step('Deploy the stack', () =>
    deployStacks([deployment.config.name], deployment.region, release)
  )
  report(deployment, await settle(steps, deployment, keys, serves))
}

/** Wait until the tasks are the ones that are wanted, and try the service. */
export async function settle(
  steps: Steps,
  { config, cloudFormation, ecs, manifest }: Deployment,
  { apiKeys, adminKeys }: AllKeys,
  serves: 'these' | 'any'
): Promise<string> {
  const outputs = await stackOutputs(cloudFormation, config.name)
  const { Url = '', LoadBalancer = '', ClusterName, ServiceName } = outputs ?? {}
  await steps.step('Wait until the tasks are stable', async () => {
    try {
      await waitUntilServicesStable(
        { client: ecs, maxWaitTime: STABLE_WITHIN },
        { cluster: ClusterName, services: [ServiceName ?? ''] }
      )
    } catch (error) {
      if (!/^(TimeoutError|AbortError)$/.test((error as Error).name)) throw error
      throw new DeployError(
        `The tasks do not become stable within ${STABLE_WITHIN / 60} minutes.`,
        'aws ecs describe-services says why in its events; npm run deploy -- rollback goes back.'
      )
    }
  })
  const url = process.env.KEYSTROKE_URL || Url
  const target: Target = {
    url,
    host: process.env.KEYSTROKE_URL ? new URL(url).hostname : LoadBalancer,
    apiKey: apiKeys.keys[0]!,
    adminKey: adminKeys.keys[0]!
  }
  await steps.step('Smoke test', async (say) => say(await smokeTest(target, manifest, serves)))
  return Url
}

export function report({ config, manifest }: Deployment, url: string): void {
  const key =
    `$(aws secretsmanager get-secret-value --secret-id ${apiKeysName(config)} --query SecretString --output text` +
    ` | node -pe 'JSON.parse(fs.readFileSync(0)).keys[0]')`
  console.log(`
Deployed.

  Service  ${url}
  Docs     ${url}/docs

Try it:

  curl ${url}/predict -H 'content-type: application/json' \\
    -H "x-api-key: ${key}" \\
    -d '${JSON.stringify(goldenRequests(manifest, 'RF')[0]!.body)}'

The secret ${adminKeysName(config)} holds the administrator's key, which also enrolls and deletes users.
`)
  if (url.startsWith('https:')) return
  console.log('Without a certificate keys and timings travel unencrypted: docs/deployment.md, HTTPS.')
}
