/**
 * `npm run deploy [-- --dry-run | rollback | rotate-key | rotate-admin-key]`: from this folder to a service on AWS.
 *
 * Region, profile, credentials and endpoint come from where every AWS tool takes them. Two variables more
 * are for stand-ins and for networks where AWS is not reached by its own names:
 *
 *   KEYSTROKE_REGISTRY  host and port to push to, in place of the one that ECR names
 *   KEYSTROKE_URL       where the smoke test calls, in place of the load balancer
 */
import { parseArgs } from 'node:util'
import { UpdateServiceCommand } from '@aws-sdk/client-ecs'
import {
  adminKeysName,
  apiKeysName,
  type Config,
  logGroupName,
  logsStackName,
  repositoryName,
  repositoryStackName,
  servedTableName,
  usersStackName
} from '../config.ts'
import { check, type Deployment } from './check.ts'
import { checkScan, findImage, findRepository, pushedImage, registryLogin } from './ecr.ts'
import { build, contentTag, push } from './image.ts'
import { type AllKeys, createKeys, findKeys, rotateKeys } from './keys.ts'
import { release, report, settle } from './release.ts'
import { deployStacks, diffStack, stackOutputs } from './stacks.ts'
import { command, DeployError, Steps } from './steps.ts'
import { prepareTable } from './users.ts'

await command(async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { 'dry-run': { type: 'boolean', default: false } }
  })
  const [action = values['dry-run'] ? 'dry-run' : 'deploy', ...rest] = positionals
  const actions: Record<string, () => Promise<void>> = {
    deploy,
    'dry-run': dryRun,
    rollback,
    'rotate-key': () => rotate('apiKeys'),
    'rotate-admin-key': () => rotate('adminKeys')
  }
  const act = actions[action]
  if (act === undefined || rest.length > 0 || (values['dry-run'] && action !== 'dry-run')) {
    throw new DeployError(
      `Unknown command: npm run deploy -- ${process.argv.slice(2).join(' ')}.`,
      'Use npm run deploy, npm run deploy -- --dry-run, npm run deploy -- rollback, npm run deploy -- rotate-key or npm run deploy -- rotate-admin-key.'
    )
  }
  await act()
})

async function deploy(): Promise<void> {
  const steps = new Steps(9)
  const { engine, ...deployment } = await steps.step('Check tools, credentials and models', (say) =>
    check(say, { builds: true })
  )
  const { config, region, ecr, dynamo, secrets } = deployment
  const repository = repositoryName(config)

  const address = await steps.step('Repository, table of users and log', async (say) => {
    // Each time: a setting may have changed, and of a stack that could not be made CloudFormation keeps the name.
    await deployStacks([repositoryStackName(config), usersStackName(config), logsStackName(config)], region)
    const found = await findRepository(ecr, repository)
    if (found === undefined) {
      throw new DeployError(
        `The stack ${repositoryStackName(config)} exists, but its repository does not.`,
        'Someone deleted it by hand: npm run destroy, then npm run deploy.'
      )
    }
    say(found)
    const table = servedTableName(config)
    await prepareTable(dynamo, table, say)
    say(`table ${table}`)
    say(`log ${logGroupName(config)}`)
    return process.env.KEYSTROKE_REGISTRY ? found.replace(/^[^/]+/, process.env.KEYSTROKE_REGISTRY) : found
  })

  const keys = await steps.step('Keys', async (say) => {
    const findOrCreate = async (name: string) => {
      const found = await findKeys(secrets, name)
      say(`${found === undefined ? 'made' : 'there'}, in the secret ${name}`)
      return found ?? createKeys(secrets, name)
    }
    return {
      apiKeys: await findOrCreate(apiKeysName(config)),
      adminKeys: await findOrCreate(adminKeysName(config))
    }
  })

  const tag = await contentTag(config)
  const image = `${address}:${tag}`
  const there = await steps.step('Build the image', async (say) => {
    const found = await findImage(ecr, repository, { imageTag: tag })
    if (found === undefined) await build(engine!, image, config)
    else say(`${tag} is in the repository: nothing has changed since`)
    return found
  })

  const imageDigest = await steps.step('Push the image', async (say) => {
    if (there === undefined) await push(engine!, image, await registryLogin(ecr))
    else say('nothing to push')
    const digest = there ?? (await pushedImage(ecr, repository, tag))
    say(digest)
    return digest
  })

  await steps.step('Wait for the scan', async (say) => {
    say(await checkScan(ecr, repository, imageDigest, config))
  })

  const running = await stackOutputs(deployment.cloudFormation, config.name)
  await release(steps, deployment, keys, 'these', {
    imageDigest,
    // Deploying the same image again does not make it its own predecessor.
    previousImageDigest:
      running?.ImageDigest === imageDigest ? running.PreviousImageDigest : running?.ImageDigest,
    ...arnsOf(keys)
  })
}

async function rollback(): Promise<void> {
  const steps = new Steps(4)
  const deployment = await steps.step('Check credentials and what is there', (say) =>
    check(say, { builds: false })
  )
  const { config, ecr } = deployment
  const running = await stackOutputs(deployment.cloudFormation, config.name)
  if (running?.ImageDigest === undefined) throw nothingRuns(config)
  const keys = await findAllKeys(deployment)
  if (keys === undefined) throw keysAreMissing(config)
  const before = running.PreviousImageDigest
  if (before === undefined) {
    throw new DeployError('Nothing ran before this image.', 'npm run deploy makes and deploys a new one.')
  }
  if ((await findImage(ecr, repositoryName(config), { imageDigest: before })) === undefined) {
    throw new DeployError(
      `The image before, ${before}, is no longer in the repository.`,
      'Check out the commit to go back to and npm run deploy; imagesKept in infra/config.json says how many are kept.'
    )
  }
  console.log(`      from ${running.ImageDigest}\n      to   ${before}`)
  await release(steps, deployment, keys, 'any', {
    imageDigest: before,
    previousImageDigest: running.ImageDigest,
    ...arnsOf(keys)
  })
}

async function rotate(which: keyof AllKeys): Promise<void> {
  const steps = new Steps(5)
  const deployment = await steps.step('Check credentials and what is there', (say) =>
    check(say, { builds: false })
  )
  const { config, ecs, secrets } = deployment
  const running = await stackOutputs(deployment.cloudFormation, config.name)
  if (running?.ServiceName === undefined) throw nothingRuns(config)
  const found = await findAllKeys(deployment)
  if (found === undefined) throw keysAreMissing(config)

  const keys = await steps.step('A new key, beside the last one', async () => ({
    ...found,
    [which]: await rotateKeys(secrets, found[which])
  }))
  await steps.step('Start the tasks anew, for they read the hashes as they start', () =>
    ecs.send(
      new UpdateServiceCommand({
        cluster: running.ClusterName,
        service: running.ServiceName,
        forceNewDeployment: true
      })
    )
  )
  const url = await settle(steps, deployment, keys, 'any')
  report(deployment, url)
  console.log('The key before this one is valid until the next rotation: give every client the new one.')
}

/** @returns undefined unless both secrets are there */
async function findAllKeys({ config, secrets }: Deployment): Promise<AllKeys | undefined> {
  const apiKeys = await findKeys(secrets, apiKeysName(config))
  const adminKeys = await findKeys(secrets, adminKeysName(config))
  return apiKeys && adminKeys && { apiKeys, adminKeys }
}

function arnsOf({ apiKeys, adminKeys }: AllKeys) {
  return { apiKeysArn: apiKeys.arn, adminKeysArn: adminKeys.arn }
}

/** Show what `npm run deploy` would do; nothing is made, built or changed. */
async function dryRun(): Promise<void> {
  const steps = new Steps(5)
  const deployment = await steps.step('Check tools, credentials and models', (say) =>
    check(say, { builds: true })
  )
  const { config, region, ecr, secrets, cloudFormation } = deployment
  const repository = repositoryName(config)
  const address = await steps.step('Repository, table of users and log', async (say) => {
    const found = await findRepository(ecr, repository)
    say(found ?? `would be made by the stack ${repositoryStackName(config)}`)
    const others = {
      [usersStackName(config)]: `table ${servedTableName(config)}`,
      [logsStackName(config)]: `log ${logGroupName(config)}`
    }
    for (const [stack, made] of Object.entries(others)) {
      const isThere = (await stackOutputs(cloudFormation, stack)) !== undefined
      say(isThere ? made : `would be made by the stack ${stack}`)
    }
    return found
  })
  const keys = await steps.step('Keys', async (say) => {
    for (const name of [apiKeysName(config), adminKeysName(config)]) {
      const found = await findKeys(secrets, name)
      say(found === undefined ? `would be made in the secret ${name}` : `there, in the secret ${name}`)
    }
    return findAllKeys(deployment)
  })
  const imageDigest = await steps.step('Image', async (say) => {
    const tag = await contentTag(config)
    const found = address && (await findImage(ecr, repository, { imageTag: tag }))
    say(found === undefined ? `${tag} would be built, pushed and scanned` : `${tag} is there: ${found}`)
    return found
  })
  await steps.step('Stack', async (say) => {
    const running = await stackOutputs(cloudFormation, config.name)
    if (imageDigest === undefined || keys === undefined) {
      say(running === undefined ? 'would be made' : 'would be changed to the new image')
      return
    }
    const previousImageDigest =
      running?.ImageDigest === imageDigest ? running.PreviousImageDigest : running?.ImageDigest
    await diffStack(config.name, region, { imageDigest, previousImageDigest, ...arnsOf(keys) })
  })
  console.log('\nNothing was changed; npm run deploy does it.')
}

function keysAreMissing(config: Config): DeployError {
  return new DeployError(
    `The secret ${apiKeysName(config)} or ${adminKeysName(config)} does not exist.`,
    'npm run deploy makes what is missing; then run this command again.'
  )
}

function nothingRuns({ name }: Config): DeployError {
  return new DeployError(
    `There is no service ${name} in this account and region.`,
    'npm run deploy makes one.'
  )
}
