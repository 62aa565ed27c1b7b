import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type CloudFormationClient,
  CloudFormationServiceException,
  DescribeStacksCommand
} from '@aws-sdk/client-cloudformation'
import { ended, nodeTool, ROOT } from '../../scripts/lib/processes.ts'
import type { Release } from '../config.ts'
import { DeployError } from './steps.ts'

/** What a stack says of itself, by name; undefined if it does not exist. */
export async function stackOutputs(
  cloudFormation: CloudFormationClient,
  name: string
): Promise<Record<string, string> | undefined> {
  try {
    const { Stacks = [] } = await cloudFormation.send(new DescribeStacksCommand({ StackName: name }))
    const outputs = Stacks[0]?.Outputs ?? []
    return Object.fromEntries(outputs.map(({ OutputKey = '', OutputValue = '' }) => [OutputKey, OutputValue]))
  } catch (error) {
    // CloudFormation has no error of its own for this.
    if (error instanceof CloudFormationServiceException && /does not exist/.test(error.message))
      return undefined
    throw error
  }
}

/** Make or change stacks, and wait until they are as the app has them. */
export async function deployStacks(names: string[], region: string, release?: Release): Promise<void> {
  // Without a change set: nobody would look at it, and the outputs are there at once.
  const options = [
    '--exclusively',
    '--method',
    'direct',
    '--require-approval',
    'never',
    '--progress',
    'events'
  ]
  const code = await cdk(['deploy', ...names, ...options], region, release)
  if (code === 0) return
  throw new DeployError(
    `The deployment of ${names.join(', ')} failed and was rolled back; the lines above say why.`,
    'A task that did not start says why in its log: aws ecs describe-services, aws logs tail. Fix the cause and run it again.'
  )
}

/** Show what a deployment would change. */
export async function diffStack(name: string, region: string, release?: Release): Promise<void> {
  if ((await cdk(['diff', name, '--exclusively', '--method', 'template'], region, release)) === 0) return
  throw new DeployError(
    `The changes to ${name} could not be computed; the lines above say why.`,
    'Fix the cause and run it again.'
  )
}

/** @returns whether the stack is gone */
export async function destroyStack(name: string, region: string, release?: Release): Promise<boolean> {
  return (await cdk(['destroy', name, '--exclusively', '--force'], region, release)) === 0
}

async function cdk(args: string[], region: string, release?: Release): Promise<number> {
  const context = Object.entries(release ?? {})
    .filter(([, value]) => value !== undefined)
    .flatMap(([key, value]) => ['--context', `${key}=${value}`])
  // A folder of its own, for the CLI locks it: one that was killed a moment ago would keep the next one out.
  const output = await mkdtemp(join(tmpdir(), 'keystroke-cdk-'))
  try {
    return await ended(
      spawn(nodeTool('cdk'), [...args, ...context, '--output', output], {
        cwd: join(ROOT, 'infra', 'cdk'),
        stdio: 'inherit',
        shell: process.platform === 'win32',
        env: { ...process.env, AWS_REGION: region, CI: 'true', NODE_NO_WARNINGS: '1' }
      })
    )
  } finally {
    await rm(output, { recursive: true, force: true })
  }
}
