import { RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib'
import { LogGroup } from 'aws-cdk-lib/aws-logs'
import type { Construct } from 'constructs'
import { type Config, logGroupName } from '../config.ts'
import { accept } from './accept.ts'

export interface LogsStackProps extends StackProps {
  readonly config: Config
}

/**
 * The log of the tasks. A stack of its own: a first deployment that fails takes its stack away, and why it
 * failed is in this log.
 */
export class LogsStack extends Stack {
  constructor(scope: Construct, id: string, { config, ...props }: LogsStackProps) {
    super(scope, id, props)
    const logs = new LogGroup(this, 'Logs', {
      logGroupName: logGroupName(config),
      retention: config.logDays,
      removalPolicy: RemovalPolicy.DESTROY
    })
    accept(logs, 'AWS encrypts it with a key of its own; a customer’s costs $1 a month', ['CKV_AWS_158'])
  }
}
