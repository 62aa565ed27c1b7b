import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts'
import { DeployError } from './steps.ts'

export interface Identity {
  readonly account: string
  readonly arn: string
  readonly region: string
}

/**
 * Find out for whom AWS takes us, and in which region.
 *
 * @throws DeployError without a region; whatever AWS says without good credentials
 */
export async function whoAmI(): Promise<Identity> {
  // The CLI and the other SDKs know this variable too; this one knows AWS_REGION and the profile alone.
  const sts = new STSClient(
    process.env.AWS_DEFAULT_REGION ? { region: process.env.AWS_REGION || process.env.AWS_DEFAULT_REGION } : {}
  )
  const region = await sts.config.region().catch(() => {
    throw new DeployError('No region is set.', 'Set AWS_REGION, or region in the profile (aws configure).')
  })
  const { Account = '', Arn = '' } = await sts.send(new GetCallerIdentityCommand({}))
  return { account: Account, arn: Arn, region }
}
