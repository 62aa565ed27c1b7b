import { type App, BootstraplessSynthesizer, CfnOutput, Stack, type StackProps } from 'aws-cdk-lib'
import { Table } from 'aws-cdk-lib/aws-dynamodb'
import { Repository } from 'aws-cdk-lib/aws-ecr'
import { LogGroup } from 'aws-cdk-lib/aws-logs'
import { Secret } from 'aws-cdk-lib/aws-secretsmanager'
import type { Construct } from 'constructs'
import {
  type Config,
  checkRelease,
  logGroupName,
  logsStackName,
  type Release,
  repositoryName,
  repositoryStackName,
  servedTableName,
  usersStackName
} from '../config.ts'
import { Alarms } from './alarms.ts'
import { Firewall } from './firewall.ts'
import { LogsStack } from './logs.ts'
import { Network } from './network.ts'
import { RepositoryStack } from './repository.ts'
import { Service } from './service.ts'
import { UsersStack } from './users.ts'

export interface ServiceStackProps extends StackProps {
  readonly config: Config
  readonly release: Release
}

/** The service: network, tasks behind a load balancer, alarms, and a firewall where it is asked for. */
export class ServiceStack extends Stack {
  constructor(scope: Construct, id: string, { config, release, ...props }: ServiceStackProps) {
    super(scope, id, props)
    const { imageDigest, previousImageDigest, apiKeysArn, adminKeysArn } = checkRelease(release)

    const usersTable = Table.fromTableName(this, 'Users', servedTableName(config))
    const logs = LogGroup.fromLogGroupName(this, 'Logs', logGroupName(config))
    const network = new Network(this, 'Network', { config, usersTable })
    const service = new Service(this, 'Service', {
      config,
      network,
      repository: Repository.fromRepositoryName(this, 'Repository', repositoryName(config)),
      imageDigest,
      logs,
      usersTable,
      apiKeys: Secret.fromSecretCompleteArn(this, 'ApiKeys', apiKeysArn),
      adminKeys: Secret.fromSecretCompleteArn(this, 'AdminKeys', adminKeysArn)
    })
    new Alarms(this, 'Alarms', { config, service, logs, usersTable })
    if (config.firewall) new Firewall(this, 'Firewall', { config, loadBalancer: service.loadBalancer })

    const outputs = {
      Url: service.url,
      Docs: `${service.url}/docs`,
      LoadBalancer: service.loadBalancer.loadBalancerDnsName,
      ClusterName: service.cluster.clusterName,
      ServiceName: service.service.serviceName,
      AccessLogs: service.accessLogs.bucketName,
      // The stack itself remembers, so that a deployment that fails puts these back too.
      ImageDigest: imageDigest,
      ...(previousImageDigest !== undefined && { PreviousImageDigest: previousImageDigest })
    }
    for (const [name, value] of Object.entries(outputs)) new CfnOutput(this, name, { value })
  }
}

export interface StacksProps {
  readonly config: Config
  /** AWS region; the load balancer's log needs to know it. */
  readonly region: string | undefined
  /** Without one there is no service yet, and what it needs alone. */
  readonly release: Release | undefined
}

/** All stacks, as every deployment and every test has them. */
export function buildStacks(app: App, { config, region, release }: StacksProps) {
  const shared = () => ({
    config,
    // No bootstrap of the account: the templates hold no files, and fit into the call that sends them.
    synthesizer: new BootstraplessSynthesizer(),
    env: { region },
    tags: { service: config.name }
  })
  const repository = new RepositoryStack(app, repositoryStackName(config), {
    ...shared(),
    description: 'Keystroke recognition: the images’ repository'
  })
  const users = new UsersStack(app, usersStackName(config), {
    ...shared(),
    description: 'Keystroke recognition: the table of enrolled users'
  })
  const logs = new LogsStack(app, logsStackName(config), {
    ...shared(),
    description: 'Keystroke recognition: the log of the tasks'
  })
  const service =
    release &&
    new ServiceStack(app, config.name, {
      ...shared(),
      release,
      description: 'Keystroke recognition: the service behind its load balancer'
    })
  return { repository, users, logs, service }
}
