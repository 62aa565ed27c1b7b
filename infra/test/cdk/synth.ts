import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { App } from 'aws-cdk-lib'
import { Template } from 'aws-cdk-lib/assertions'
import { buildStacks } from '../../cdk/stack.ts'
import { type Config, checkConfig } from '../../config.ts'

export const DIGEST = `sha256:${'a'.repeat(64)}`
export const BEFORE = `sha256:${'b'.repeat(64)}`
export const API_KEYS_ARN = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:keystroke/api-keys-AbCdEf'
export const ADMIN_KEYS_ARN =
  'arn:aws:secretsmanager:eu-west-1:123456789012:secret:keystroke/admin-keys-AbCdEf'
export const CERTIFICATE = {
  certificateArn: 'arn:aws:acm:eu-west-1:123456789012:certificate/00000000-0000-0000-0000-000000000000',
  domainName: 'keys.example.com'
}

/** An app with the context that the command line takes from cdk.json. */
export function newApp(): App {
  const { context } = JSON.parse(
    readFileSync(join(import.meta.dirname, '..', '..', 'cdk', 'cdk.json'), 'utf8')
  )
  return new App({ context })
}

/** Synthesize all stacks, as app.ts does. */
export function synth(settings: Partial<Config> = {}) {
  const { repository, users, logs, service } = buildStacks(newApp(), {
    config: checkConfig(settings),
    region: 'eu-west-1',
    release: {
      imageDigest: DIGEST,
      previousImageDigest: BEFORE,
      apiKeysArn: API_KEYS_ARN,
      adminKeysArn: ADMIN_KEYS_ARN
    }
  })
  return {
    repository: Template.fromStack(repository),
    users: Template.fromStack(users),
    logs: Template.fromStack(logs),
    service: Template.fromStack(service!)
  }
}
