import { Duration, RemovalPolicy, Stack } from 'aws-cdk-lib'
import type { ITable } from 'aws-cdk-lib/aws-dynamodb'
import { Port } from 'aws-cdk-lib/aws-ec2'
import type { IRepository } from 'aws-cdk-lib/aws-ecr'
import {
  AwsLogDriverMode,
  Capability,
  Cluster,
  ContainerImage,
  CpuArchitecture,
  Secret as EcsSecret,
  FargateService,
  FargateTaskDefinition,
  LinuxParameters,
  LogDrivers,
  OperatingSystemFamily,
  PropagatedTagSource
} from 'aws-cdk-lib/aws-ecs'
import {
  ApplicationLoadBalancer,
  ApplicationProtocol,
  ApplicationTargetGroup,
  ListenerAction,
  ListenerCertificate,
  SslPolicy,
  TargetType
} from 'aws-cdk-lib/aws-elasticloadbalancingv2'
import { PolicyStatement } from 'aws-cdk-lib/aws-iam'
import type { ILogGroup } from 'aws-cdk-lib/aws-logs'
import { BlockPublicAccess, Bucket, BucketEncryption } from 'aws-cdk-lib/aws-s3'
import { type ISecret, Secret } from 'aws-cdk-lib/aws-secretsmanager'
import { Construct } from 'constructs'
import { BALANCER_IDLE, type Config, stopTimeout, youngGeneration } from '../config.ts'
import { accept } from './accept.ts'
import type { Network } from './network.ts'
import { usersAccess } from './users.ts'

/** Days that the load balancer's access logs are kept at most: unlike the service's own log they have UserIDs, in paths. */
const ACCESS_LOG_DAYS = 7

/** Where the server listens inside the container, as the Dockerfile has it. */
const CONTAINER_PORT = 8080

/** Where it answers health checks alone, from a thread of its own: a busy task stays in. */
const HEALTH_PORT = 8081

/** Time the load balancer lets a task's open requests go on once it sends no new ones; then ECS sends SIGTERM, s. */
const DEREGISTRATION_DELAY = 30

/** User and group `node` of the official Node images. */
const NODE_USER = '1000:1000'

export interface ServiceProps {
  readonly config: Config
  readonly network: Network
  readonly repository: IRepository
  /** sha256:..., the very image that runs. */
  readonly imageDigest: string
  readonly logs: ILogGroup
  /** Secret whose field sha256 is the hashes of the API keys. */
  readonly apiKeys: ISecret
  /** As apiKeys, of the administrators' keys. */
  readonly adminKeys: ISecret
  readonly usersTable: ITable
}

/** The tasks on Fargate, the load balancer before them, and the scaling between two limits. */
export class Service extends Construct {
  readonly cluster: Cluster
  readonly service: FargateService
  readonly loadBalancer: ApplicationLoadBalancer
  readonly targets: ApplicationTargetGroup
  readonly accessLogs: Bucket
  /** Where clients call, without a slash at the end. */
  readonly url: string

  constructor(scope: Construct, id: string, props: ServiceProps) {
    super(scope, id)
    const { config, network } = props
    const { vpc } = network

    this.cluster = new Cluster(this, 'Cluster', { clusterName: config.name, vpc })
    accept(
      this.cluster,
      'Container Insights costs by the metric; ECS and the load balancer report for free',
      ['AwsSolutions-ECS4', 'CKV_AWS_65']
    )

    const taskDefinition = this.task(props)
    this.service = new FargateService(this, 'Service', {
      cluster: this.cluster,
      serviceName: config.name,
      taskDefinition,
      propagateTags: PropagatedTagSource.SERVICE,
      vpcSubnets: network.taskSubnets,
      securityGroups: [network.taskGroup],
      // Without endpoints AWS is reached over the internet.
      assignPublicIp: config.size === 'small',
      minHealthyPercent: 100,
      maxHealthyPercent: 200,
      circuitBreaker: { rollback: true },
      healthCheckGracePeriod: Duration.seconds(60)
    })
    // Tasks that start before these exist fail, and when the stack is removed they would have to stop without them.
    this.service.node.addDependency(...network.endpoints, taskDefinition.executionRole!)

    this.accessLogs = this.accessLogBucket(config)
    this.loadBalancer = new ApplicationLoadBalancer(this, 'LoadBalancer', {
      loadBalancerName: config.name,
      vpc,
      vpcSubnets: { subnetGroupName: 'public' },
      internetFacing: true,
      securityGroup: network.loadBalancerGroup,
      dropInvalidHeaderFields: true,
      // Shorter than the time the server keeps an idle connection open (`idleTime` in server/src/http/limits.ts, 75 s), so that the load
      // balancer is the one that closes and never sends a request into a connection that just ended.
      idleTimeout: Duration.seconds(BALANCER_IDLE)
    })
    this.loadBalancer.logAccessLogs(this.accessLogs)
    accept(this.loadBalancer, 'npm run destroy has to be able to remove it', ['CKV_AWS_150'])

    this.targets = new ApplicationTargetGroup(this, 'Targets', {
      vpc,
      targetType: TargetType.IP,
      protocol: ApplicationProtocol.HTTP,
      port: CONTAINER_PORT,
      targets: [this.service],
      deregistrationDelay: Duration.seconds(DEREGISTRATION_DELAY),
      healthCheck: {
        path: '/health/ready',
        port: String(HEALTH_PORT),
        healthyHttpCodes: '200',
        interval: Duration.seconds(5),
        timeout: Duration.seconds(3),
        healthyThresholdCount: 2,
        unhealthyThresholdCount: 2
      }
    })
    for (const port of [CONTAINER_PORT, HEALTH_PORT]) {
      this.service.connections.allowFrom(network.loadBalancerGroup, Port.tcp(port), 'From the balancer')
    }
    this.url = this.listen(config)

    const scaling = this.service.autoScaleTaskCount({
      minCapacity: config.minTasks,
      maxCapacity: config.maxTasks
    })
    scaling.scaleOnCpuUtilization('Cpu', { targetUtilizationPercent: config.targetCpu })
    if (config.size === 'standard') {
      scaling.scaleOnRequestCount('Requests', {
        requestsPerTarget: config.targetRequestsPerMinute,
        targetGroup: this.targets
      })
    }
  }

  private task(props: ServiceProps): FargateTaskDefinition {
    const { config, repository, imageDigest, logs, apiKeys, adminKeys, usersTable } = props
    const task = new FargateTaskDefinition(this, 'Task', {
      family: config.name,
      cpu: config.cpu,
      memoryLimitMiB: config.memory,
      runtimePlatform: {
        operatingSystemFamily: OperatingSystemFamily.LINUX,
        cpuArchitecture: CpuArchitecture.of(config.architecture)
      }
    })
    // Made with the stack and never replaced, so that a user's lines are found whichever task wrote them.
    const auditSecret = new Secret(this, 'AuditSecret', {
      description: 'With which the log’s audit lines hash UserIDs',
      generateSecretString: { passwordLength: 43, excludePunctuation: true },
      removalPolicy: RemovalPolicy.DESTROY
    })
    accept(auditSecret, 'With another one nobody finds a user’s older lines', ['AwsSolutions-SMG4'])
    accept(auditSecret, 'AWS encrypts it with a key of its own; a customer’s costs $1 a month', [
      'CKV_AWS_149'
    ])

    const linuxParameters = new LinuxParameters(this, 'Linux')
    linuxParameters.dropCapabilities(Capability.ALL)
    task.addContainer('server', {
      image: ContainerImage.fromEcrRepository(repository, imageDigest),
      portMappings: [{ containerPort: CONTAINER_PORT }],
      user: NODE_USER,
      readonlyRootFilesystem: true,
      linuxParameters,
      stopTimeout: Duration.seconds(stopTimeout(config)),
      environment: {
        HOST: '0.0.0.0',
        PORT: String(CONTAINER_PORT),
        HEALTH_PORT: String(HEALTH_PORT),
        NODE_OPTIONS: `--max-semi-space-size=${youngGeneration(config)}`,
        DRAIN_SECONDS: String(config.drainSeconds),
        LOG_LEVEL: config.logLevel,
        CALLS_PER_MINUTE: String(config.callsPerMinute),
        // The load balancer.
        TRUSTED_PROXIES: '1',
        USERS_TABLE: usersTable.tableName,
        // For the SDK that reads the table.
        AWS_REGION: Stack.of(this).region
      },
      secrets: {
        API_KEY_SHA256: EcsSecret.fromSecretsManager(apiKeys, 'sha256'),
        ADMIN_KEY_SHA256: EcsSecret.fromSecretsManager(adminKeys, 'sha256'),
        AUDIT_SECRET: EcsSecret.fromSecretsManager(auditSecret)
      },
      // ECS's default, non-blocking, loses lines in silence once its buffer is full. With this one the pipe fills up,
      // and the server keeps 8 MB itself while it goes on answering (`LOG` in server/src/main.ts).
      logging: LogDrivers.awsLogs({ logGroup: logs, streamPrefix: 'task', mode: AwsLogDriverMode.BLOCKING })
    })
    task.addToTaskRolePolicy(new PolicyStatement(usersAccess(usersTable)))
    accept(task, 'Addresses, names, time and log level are not secret; the keys’ hashes come from secrets', [
      'AwsSolutions-ECS2'
    ])
    const { partition, region } = Stack.of(this)
    accept(task, 'The streams of the tasks’ own log, which have names of their own', [
      `AwsSolutions-IAM5[Resource::arn:${partition}:logs:${region}:<AWS::AccountId>:log-group:${logs.logGroupName}:*]`
    ])
    accept(task, 'ecr:GetAuthorizationToken knows no resources (IAM service authorization reference)', [
      'AwsSolutions-IAM5[Resource::*]'
    ])
    return task
  }

  /** @returns the URL that clients call */
  private listen(config: Config): string {
    const forward = ListenerAction.forward([this.targets])
    if (config.certificateArn === undefined) {
      const listener = this.loadBalancer.addListener('Http', { port: 80, defaultAction: forward })
      accept(
        listener,
        'No certificate is configured; with certificateArn there is HTTPS, and HTTP redirects',
        ['CKV_AWS_2', 'CKV_AWS_103']
      )
      return `http://${this.loadBalancer.loadBalancerDnsName}`
    }
    this.loadBalancer.addListener('Https', {
      port: 443,
      certificates: [ListenerCertificate.fromArn(config.certificateArn)],
      sslPolicy: SslPolicy.TLS13_RES,
      defaultAction: forward
    })
    this.loadBalancer.addListener('Http', {
      port: 80,
      defaultAction: ListenerAction.redirect({ protocol: 'HTTPS', port: '443', permanent: true })
    })
    return `https://${config.domainName}`
  }

  private accessLogBucket(config: Config): Bucket {
    const bucket = new Bucket(this, 'AccessLogs', {
      // The load balancer writes with S3's own keys alone (Elastic Load Balancing, access logs).
      encryption: BucketEncryption.S3_MANAGED,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      enforceSSL: true,
      lifecycleRules: [{ expiration: Duration.days(Math.min(config.logDays, ACCESS_LOG_DAYS)) }],
      // npm run destroy empties it first: S3 removes no bucket that holds something.
      removalPolicy: RemovalPolicy.DESTROY
    })
    accept(bucket, 'It is the log: a log of its own reading and older versions of its lines serve nobody', [
      'AwsSolutions-S1',
      'CKV_AWS_18',
      'CKV_AWS_21'
    ])
    return bucket
  }
}
