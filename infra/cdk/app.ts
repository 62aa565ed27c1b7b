/** The CDK app: `npx cdk synth` in this folder. The only file here that reads CDK's context and environment. */
import { App, Validations } from 'aws-cdk-lib'
import { AwsSolutionsChecks } from 'cdk-nag'
import { ConfigError, loadConfig } from '../config.ts'
import { buildStacks } from './stack.ts'

try {
  const app = new App()
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app))
  const context = (name: string): string | undefined => app.node.tryGetContext(name)
  const imageDigest = context('imageDigest')
  buildStacks(app, {
    config: await loadConfig(),
    region: process.env.CDK_DEFAULT_REGION,
    release:
      imageDigest === undefined
        ? undefined
        : {
            imageDigest,
            previousImageDigest: context('previousImageDigest'),
            apiKeysArn: context('apiKeysArn') ?? '',
            adminKeysArn: context('adminKeysArn') ?? ''
          }
  })
  app.synth()
} catch (error) {
  if (!(error instanceof ConfigError)) throw error
  console.error(error.message)
  process.exitCode = 1
}
