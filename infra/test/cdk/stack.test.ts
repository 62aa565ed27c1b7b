import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Match } from 'aws-cdk-lib/assertions'
import t from 'tap'
import { stringify } from 'yaml'
import { ADMIN_KEYS_ARN, API_KEYS_ARN, BEFORE, CERTIFICATE, DIGEST, synth } from './synth.ts'

const { repository, users, logs, service } = synth()

/** The one resource of a type. */
function only(type: string, template = service) {
  const found = Object.values(template.findResources(type))
  if (found.length !== 1) throw new Error(`${found.length} of ${type}`)
  return found[0]!.Properties
}

const container = only('AWS::ECS::TaskDefinition').ContainerDefinitions[0]

t.test('a tag in the repository always names the same image, and each is scanned', async (t) => {
  const properties = only('AWS::ECR::Repository', repository)
  t.equal(properties.ImageTagMutability, 'IMMUTABLE')
  t.same(properties.ImageScanningConfiguration, { ScanOnPush: true })
})

t.test('the repository does not grow for ever', async (t) => {
  const { rules } = JSON.parse(only('AWS::ECR::Repository', repository).LifecyclePolicy.LifecyclePolicyText)
  t.match(rules, [{ selection: { tagStatus: 'untagged' } }, { selection: { countNumber: 20 } }])
})

t.test('the tasks run the image of the digest and of no tag', async (t) => {
  t.ok(JSON.stringify(container.Image).endsWith(`/keystroke@${DIGEST}"]]}`))
})

t.test('the stack remembers the image before, for a rollback', async (t) => {
  service.hasOutput('ImageDigest', { Value: DIGEST })
  service.hasOutput('PreviousImageDigest', { Value: BEFORE })
  t.pass()
})

t.test('a task gets the hashes of the keys, and never a key', async (t) => {
  t.same(container.Secrets.slice(0, 2), [
    { Name: 'API_KEY_SHA256', ValueFrom: `${API_KEYS_ARN}:sha256::` },
    { Name: 'ADMIN_KEY_SHA256', ValueFrom: `${ADMIN_KEYS_ARN}:sha256::` }
  ])
})

t.test('all tasks hash UserIDs of the audit with one secret, which nobody has to make', async (t) => {
  const [[name, secret], ...others] = Object.entries(
    service.findResources('AWS::SecretsManager::Secret')
  ) as [[string, { Properties: object; DeletionPolicy: string }]]
  t.same(others, [])
  t.match(secret, {
    Properties: { GenerateSecretString: { PasswordLength: 43, ExcludePunctuation: true } },
    DeletionPolicy: 'Delete'
  })
  t.same(container.Secrets.slice(2), [{ Name: 'AUDIT_SECRET', ValueFrom: { Ref: name } }])
})

t.test('a task is not root, writes nothing to its disk and has no capabilities', async (t) => {
  t.equal(container.User, '1000:1000')
  t.equal(container.ReadonlyRootFilesystem, true)
  t.same(container.LinuxParameters.Capabilities.Drop, ['ALL'])
})

t.test('the server may read and write its table of users, and do nothing else in AWS', async (t) => {
  const task = only('AWS::ECS::TaskDefinition')
  const role = task.TaskRoleArn['Fn::GetAtt'][0]
  const policies = Object.values(service.findResources('AWS::IAM::Policy')).filter(({ Properties }) =>
    Properties.Roles.some((each: { Ref: string }) => each.Ref === role)
  )
  const statements = policies.flatMap(({ Properties }) => Properties.PolicyDocument.Statement)
  t.equal(statements.length, 1)
  t.same(statements[0].Action, [
    'dynamodb:ConditionCheckItem',
    'dynamodb:DeleteItem',
    'dynamodb:GetItem',
    'dynamodb:PutItem',
    'dynamodb:Query',
    'dynamodb:UpdateItem'
  ])
  const [table, index, ...others] = statements[0].Resource.map((arn: object) => JSON.stringify(arn))
  t.match(table, /table\/keystroke-users"/)
  t.match(index, /table\/keystroke-users\/index\/changes"/)
  t.same(others, [])
  t.notOk(service.findResources('AWS::IAM::Role')[role]!.Properties.ManagedPolicyArns)
})

t.test('who starts the tasks may pull this image, read this secret and write this log', async (t) => {
  const role = only('AWS::ECS::TaskDefinition').ExecutionRoleArn['Fn::GetAtt'][0]
  const statements = Object.values(service.findResources('AWS::IAM::Policy'))
    .filter(({ Properties }) => Properties.Roles.some((each: { Ref: string }) => each.Ref === role))
    .flatMap(({ Properties }) => Properties.PolicyDocument.Statement)
  const actions = statements.flatMap(({ Action }) => Action).sort()
  t.same(actions, [
    'ecr:BatchCheckLayerAvailability',
    'ecr:BatchGetImage',
    'ecr:GetAuthorizationToken',
    'ecr:GetDownloadUrlForLayer',
    'logs:CreateLogStream',
    'logs:PutLogEvents',
    'secretsmanager:DescribeSecret',
    'secretsmanager:GetSecretValue'
  ])
  const everywhere = statements.filter(({ Resource }) => Resource === '*').flatMap(({ Action }) => Action)
  t.same(everywhere, ['ecr:GetAuthorizationToken'])
})

t.test('people in the table are encrypted, can be put back, and are not deleted by mistake', async (t) => {
  t.match(only('AWS::DynamoDB::Table', users), {
    TableName: 'keystroke-users',
    BillingMode: 'PAY_PER_REQUEST',
    SSESpecification: { SSEEnabled: true },
    PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true, RecoveryPeriodInDays: 7 },
    DeletionProtectionEnabled: true,
    TimeToLiveSpecification: { AttributeName: 'expires', Enabled: true }
  })
  const named = container.Environment.map(({ Name, Value }: { Name: string; Value: unknown }) => [
    Name,
    Value
  ])
  t.match(Object.fromEntries(named), {
    USERS_TABLE: 'keystroke-users',
    TRUSTED_PROXIES: '1',
    CALLS_PER_MINUTE: '30000'
  })
})

t.test('over the gateways go ECR’s layers and the table of users, and nothing else', async (t) => {
  const gateways = Object.values(service.findResources('AWS::EC2::VPCEndpoint')).filter(
    ({ Properties }) => Properties.VpcEndpointType === 'Gateway'
  )
  t.equal(gateways.length, 2)
  const allowed = JSON.stringify(gateways.map(({ Properties }) => Properties.PolicyDocument.Statement))
  t.match(allowed, /starport-layer-bucket/)
  t.match(allowed, /table\/keystroke-users/)
  t.notMatch(allowed, /"(Action|Resource)":"\*"/)
})

t.test('a task has no public address, and its subnets no way to the internet', async (t) => {
  const { AwsvpcConfiguration } = only('AWS::ECS::Service').NetworkConfiguration
  t.equal(AwsvpcConfiguration.AssignPublicIp, 'DISABLED')
  t.equal(AwsvpcConfiguration.Subnets.length, 2, 'two zones')
  service.resourceCountIs('AWS::EC2::NatGateway', 0)
  const routes = Object.values(service.findResources('AWS::EC2::Route'))
  for (const { Properties } of routes) t.match(JSON.stringify(Properties.RouteTableId), /publicSubnet/)
  t.equal(routes.length, 2)
})

t.test('only the load balancer reaches a task, and only on the server’s two ports', async (t) => {
  const [tasks] = only('AWS::ECS::Service').NetworkConfiguration.AwsvpcConfiguration.SecurityGroups
  const group = tasks['Fn::GetAtt'][0]
  t.notOk(service.findResources('AWS::EC2::SecurityGroup')[group]!.Properties.SecurityGroupIngress)
  const rules = Object.values(service.findResources('AWS::EC2::SecurityGroupIngress')).filter(
    ({ Properties }) => Properties.GroupId['Fn::GetAtt'][0] === group
  )
  const ports = rules.map(({ Properties: { FromPort, ToPort } }) => [FromPort, ToPort])
  t.same(ports.sort(), [
    [8080, 8080],
    [8081, 8081]
  ])
  for (const { Properties } of rules) {
    t.match(Properties.SourceSecurityGroupId['Fn::GetAtt'][0], /LoadBalancerGroup/)
  }
})

t.test('a task reaches the AWS services it needs to start and log', async (t) => {
  const names = JSON.stringify(service.findResources('AWS::EC2::VPCEndpoint'))
  for (const name of ['ecr.api', 'ecr.dkr', 'logs', 'secretsmanager', 's3', 'dynamodb']) {
    t.match(names, new RegExp(`\\.${name.replace('.', '\\.')}"`))
  }
})

t.test('a task gets requests when it is ready, by the check that says so', async (t) => {
  t.match(only('AWS::ElasticLoadBalancingV2::TargetGroup'), {
    HealthCheckPath: '/health/ready',
    HealthCheckPort: '8081',
    Matcher: { HttpCode: '200' },
    Port: 8080
  })
})

const drain = (template: typeof service) =>
  Number(
    only('AWS::ECS::TaskDefinition', template).ContainerDefinitions[0].Environment.find(
      ({ Name }: { Name: string }) => Name === 'DRAIN_SECONDS'
    ).Value
  )

t.test('ECS does not cut the drain short, however long it is', async (t) => {
  for (const drainSeconds of [0, 2, 100]) {
    const { service } = synth({ drainSeconds })
    t.equal(drain(service), drainSeconds)
    const { StopTimeout } = only('AWS::ECS::TaskDefinition', service).ContainerDefinitions[0]
    t.ok(StopTimeout >= drainSeconds + 10, 'and the time the server gives its last requests')
    t.ok(StopTimeout <= 120, 'as long as Fargate waits')
  }
})

t.test('a deployment keeps every task until a new one is ready, and undoes itself if none is', async (t) => {
  t.match(only('AWS::ECS::Service').DeploymentConfiguration, {
    MinimumHealthyPercent: 100,
    MaximumPercent: 200,
    DeploymentCircuitBreaker: { Enable: true, Rollback: true }
  })
})

t.test('a deployment leaves the number of tasks to the scaling', async (t) => {
  t.notOk('DesiredCount' in only('AWS::ECS::Service'))
  t.match(only('AWS::ApplicationAutoScaling::ScalableTarget'), { MinCapacity: 2, MaxCapacity: 6 })
})

t.test('the tasks become more with CPU and with requests', async (t) => {
  const policies = Object.values(service.findResources('AWS::ApplicationAutoScaling::ScalingPolicy')).map(
    ({ Properties }) => Properties.TargetTrackingScalingPolicyConfiguration
  )
  const targets = policies.map(({ PredefinedMetricSpecification, TargetValue }) => [
    PredefinedMetricSpecification.PredefinedMetricType,
    TargetValue
  ])
  t.same(targets.sort(), [
    ['ALBRequestCountPerTarget', 30_000],
    ['ECSServiceAverageCPUUtilization', 60]
  ])
})

t.test('no log is kept for ever', async (t) => {
  const { logs, service } = synth({ logDays: 7 })
  const groups = Object.values(service.findResources('AWS::Logs::LogGroup')).map(
    ({ Properties }) => Properties
  )
  groups.push(only('AWS::Logs::LogGroup', logs))
  t.equal(groups.length, 2)
  for (const { RetentionInDays } of groups) t.equal(RetentionInDays, 7)
  const [rule] = only('AWS::S3::Bucket', service).LifecycleConfiguration.Rules
  t.equal(rule.ExpirationInDays, 7)
})

t.test('what access logs hold, and for how long, is listed with the other personal data', async (t) => {
  const security = await readFile(join(import.meta.dirname, '..', '..', '..', 'SECURITY.md'), 'utf8')
  const row = security.split('\n').find((line) => /^\|[^|]*access logs/.test(line))
  const [rule] = only('AWS::S3::Bucket').LifecycleConfiguration.Rules
  for (const said of ['UserIDs', 'addresses', `${rule.ExpirationInDays} days at most`]) t.match(row, said)
})

t.test('the guide’s trust policy takes both names that GitHub gives a repository', async (t) => {
  const guide = await readFile(join(import.meta.dirname, '..', '..', '..', 'docs', 'deployment.md'), 'utf8')
  const policies = [...guide.matchAll(/```json\n([\s\S]*?)```/g)].map(([, text]) => JSON.parse(text!))
  const trust = policies.find(({ Statement }) => Statement[0].Action === 'sts:AssumeRoleWithWebIdentity')
  t.match(trust.Statement[0].Condition.StringEquals, {
    'token.actions.githubusercontent.com:sub': [
      'repo:OWNER@OWNER_ID/REPOSITORY@REPOSITORY_ID:environment:production',
      'repo:OWNER/REPOSITORY:environment:production'
    ]
  })
})

t.test('the load balancer logs each request into a bucket that nobody else can read', async (t) => {
  const attributes = only('AWS::ElasticLoadBalancingV2::LoadBalancer').LoadBalancerAttributes
  t.match(
    Object.fromEntries(attributes.map(({ Key, Value }: { Key: string; Value: unknown }) => [Key, Value])),
    { 'access_logs.s3.enabled': 'true' }
  )
  t.same(only('AWS::S3::Bucket').PublicAccessBlockConfiguration, {
    BlockPublicAcls: true,
    BlockPublicPolicy: true,
    IgnorePublicAcls: true,
    RestrictPublicBuckets: true
  })
})

/** Alarms of a template by name, without the stack's own. */
const alarmsOf = (template = service) =>
  new Map(
    Object.values(template.findResources('AWS::CloudWatch::Alarm')).map(({ Properties }) => [
      Properties.AlarmName.replace(/^keystroke-/, ''),
      Properties
    ])
  )

t.test('whatever an operator has to know raises an alarm on the topic', async (t) => {
  const alarms = alarmsOf()
  t.same([...alarms.keys()].sort(), [
    '5xx',
    'cpu',
    'memory',
    'p99',
    'refused',
    'tasks',
    'throttled',
    'unhealthy'
  ])
  const topic = Object.keys(service.findResources('AWS::SNS::Topic'))[0]
  for (const { AlarmActions, OKActions } of alarms.values()) {
    t.same(AlarmActions, [{ Ref: topic }])
    t.same(OKActions, [{ Ref: topic }])
  }
})

t.test('a handful of requests is not called slow for the slowest of them', async (t) => {
  t.match(alarmsOf().get('p99'), { ExtendedStatistic: 'p99', EvaluateLowSampleCountPercentile: 'ignore' })
})

t.test('fewer tasks than the least number, or none, is an alarm', async (t) => {
  t.match(alarmsOf(synth({ minTasks: 3 }).service).get('tasks'), {
    MetricName: 'HealthyHostCount',
    ComparisonOperator: 'LessThanThreshold',
    Threshold: 3,
    TreatMissingData: 'breaching'
  })
})

t.test('tasks short of memory and a throttled table are alarms', async (t) => {
  const alarms = alarmsOf()
  t.match(alarms.get('memory'), {
    Namespace: 'AWS/ECS',
    MetricName: 'MemoryUtilization',
    Statistic: 'Maximum'
  })
  const metrics = JSON.stringify(alarms.get('throttled').Metrics)
  for (const name of ['ReadThrottleEvents', 'WriteThrottleEvents', '"Value":"keystroke-users"'])
    t.match(metrics, name)
})

t.test('storms of 401 and 429 are counted in the tasks’ log, and are an alarm', async (t) => {
  const filter = only('AWS::Logs::MetricFilter')
  t.equal(filter.FilterPattern, '{ $.status = 401 || $.status = 429 }')
  t.equal(filter.LogGroupName, 'keystroke')
  const [{ MetricName, MetricNamespace }] = filter.MetricTransformations
  t.match(alarmsOf().get('refused'), { MetricName, Namespace: MetricNamespace, Statistic: 'Sum' })
})

t.test('a certificate that is about to end is an alarm', async (t) => {
  t.match(alarmsOf(synth(CERTIFICATE).service).get('certificate'), {
    MetricName: 'DaysToExpiry',
    Dimensions: [{ Name: 'CertificateArn', Value: CERTIFICATE.certificateArn }],
    ComparisonOperator: 'LessThanThreshold',
    Threshold: 30
  })
})

t.test('a deployment that failed is sent to the topic', async (t) => {
  const { EventPattern, Targets } = only('AWS::Events::Rule')
  t.match(EventPattern, {
    source: ['aws.ecs'],
    'detail-type': ['ECS Deployment State Change'],
    resources: [{ Ref: Object.keys(service.findResources('AWS::ECS::Service'))[0] }],
    detail: { eventName: ['SERVICE_DEPLOYMENT_FAILED'] }
  })
  const topic = Object.keys(service.findResources('AWS::SNS::Topic'))[0]
  t.match(Targets, [{ Arn: { Ref: topic } }])
  t.match(only('AWS::SNS::TopicPolicy').PolicyDocument.Statement, [
    {},
    {},
    { Action: 'sns:Publish', Principal: { Service: 'events.amazonaws.com' } }
  ])
})

t.test('the account’s alarms may publish on the topic, and nobody over an open line', async (t) => {
  const { Statement } = only('AWS::SNS::TopicPolicy').PolicyDocument
  t.match(Statement, [
    { Effect: 'Deny', Condition: { Bool: { 'aws:SecureTransport': 'false' } } },
    {
      Effect: 'Allow',
      Action: 'sns:Publish',
      Principal: { Service: 'cloudwatch.amazonaws.com' },
      Condition: { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } } }
    }
  ])
})

t.test('alarms are sent to the address, and to nobody without one', async (t) => {
  service.resourceCountIs('AWS::SNS::Subscription', 0)
  const withAddress = synth({ alarmEmail: 'who@example.com' }).service
  t.match(only('AWS::SNS::Subscription', withAddress), { Protocol: 'email', Endpoint: 'who@example.com' })
})

t.test('with a certificate: modern TLS, and HTTP only to be sent there', async (t) => {
  const secure = synth(CERTIFICATE).service
  const listeners = Object.values(secure.findResources('AWS::ElasticLoadBalancingV2::Listener')).map(
    ({ Properties }) => Properties
  )
  t.equal(listeners.length, 2)
  t.match(
    listeners.find(({ Port }) => Port === 443),
    {
      Protocol: 'HTTPS',
      SslPolicy: 'ELBSecurityPolicy-TLS13-1-2-Res-2021-06',
      Certificates: [{ CertificateArn: CERTIFICATE.certificateArn }],
      DefaultActions: [{ Type: 'forward' }]
    }
  )
  t.match(listeners.find(({ Port }) => Port === 80)!.DefaultActions, [
    { Type: 'redirect', RedirectConfig: { Protocol: 'HTTPS', StatusCode: 'HTTP_301' } }
  ])
  secure.hasOutput('Url', { Value: 'https://keys.example.com' })
})

t.test(
  'with a firewall: bad input, bad addresses and too many requests are kept out, batches are not',
  async (t) => {
    service.resourceCountIs('AWS::WAFv2::WebACL', 0)
    const { service: guarded } = synth({ firewall: true })
    const { Rules } = only('AWS::WAFv2::WebACL', guarded)
    const text = JSON.stringify(Rules)
    for (const name of ['AmazonIpReputationList', 'KnownBadInputs', 'CommonRuleSet']) t.match(text, name)
    t.match(Rules[0].Statement.RateBasedStatement, { Limit: 2 * 5 * 30_000, AggregateKeyType: 'IP' })
    t.match(text, '{"ActionToUse":{"Count":{}},"Name":"SizeRestrictions_BODY"}')
    guarded.hasResourceProperties('AWS::WAFv2::WebACLAssociation', {
      ResourceArn: { Ref: Match.stringLikeRegexp('LoadBalancer') }
    })
  }
)

t.test('the firewall limits an address to twice what the service answers, unless it is set', async (t) => {
  const limitOf = (settings: Parameters<typeof synth>[0]) =>
    only('AWS::WAFv2::WebACL', synth({ firewall: true, ...settings }).service).Rules.map(
      ({ Statement }: { Statement: { RateBasedStatement?: { Limit: number } } }) =>
        Statement.RateBasedStatement?.Limit
    )[0]
  t.equal(limitOf({ callsPerMinute: 600 }), 6_000)
  t.equal(limitOf({ callsPerMinute: 0 }), undefined, 'no limit at all')
  t.equal(limitOf({ firewallRequestsPer5Minutes: 500 }), 500)
})

t.test('no log line is lost without a word: the driver waits', async (t) => {
  t.match(container.LogConfiguration, {
    LogDriver: 'awslogs',
    Options: { mode: 'blocking', 'awslogs-group': 'keystroke' }
  })
})

t.test('the log is of a stack that a failed deployment of the service leaves alone', async (t) => {
  t.equal(only('AWS::Logs::LogGroup', logs).LogGroupName, 'keystroke')
})

t.test('no task starts before what it needs, nor stops after it', async (t) => {
  const [{ DependsOn }] = Object.values(service.findResources('AWS::ECS::Service')) as [
    { DependsOn: string[] }
  ]
  const interfaces = Object.entries(service.findResources('AWS::EC2::VPCEndpoint')).filter(
    ([, { Properties }]) => Properties.VpcEndpointType === 'Interface'
  )
  t.equal(interfaces.length, 4)
  for (const [id] of interfaces) t.ok(DependsOn.includes(id), id)
  const role = only('AWS::ECS::TaskDefinition').ExecutionRoleArn['Fn::GetAtt'][0]
  const policies = Object.entries(service.findResources('AWS::IAM::Policy')).filter(([, { Properties }]) =>
    Properties.Roles.some((each: { Ref: string }) => each.Ref === role)
  )
  t.equal(policies.length, 1)
  t.ok(DependsOn.includes(policies[0]![0]))
})

t.test('the endpoints take no credentials of another account', async (t) => {
  const policies = Object.values(service.findResources('AWS::EC2::VPCEndpoint'))
    .filter(({ Properties }) => Properties.VpcEndpointType === 'Interface')
    .map(({ Properties }) => Properties.PolicyDocument.Statement)
  for (const statements of policies) {
    t.match(statements, [
      { Effect: 'Allow', Condition: { StringEquals: { 'aws:PrincipalAccount': { Ref: 'AWS::AccountId' } } } }
    ])
    t.equal(statements.length, 1)
  }
  t.equal(policies.length, 4)
})

t.test('tasks have the tags of the service, for the bill', async (t) => {
  t.equal(only('AWS::ECS::Service').PropagateTags, 'SERVICE')
})

t.test('the zones can be chosen', async (t) => {
  const zones = ['eu-west-1b', 'eu-west-1c']
  const subnets = Object.values(synth({ zones }).service.findResources('AWS::EC2::Subnet'))
  t.same(new Set(subnets.map(({ Properties }) => Properties.AvailabilityZone)), new Set(zones))
})

t.test(
  'a restored table takes the place of the stack’s own, for the tasks and for their rights',
  async (t) => {
    const { users, service } = synth({ usersTable: 'keystroke-users-restored' })
    t.equal(only('AWS::DynamoDB::Table', users).TableName, 'keystroke-users', 'which stays')
    const text = JSON.stringify(service.toJSON())
    t.match(text, '"Name":"USERS_TABLE","Value":"keystroke-users-restored"')
    t.match(text, 'table/keystroke-users-restored/index/changes')
    t.notMatch(text, /table\/keystroke-users[/"]/)
  }
)

t.test('small has one ARM task in a public subnet, gateways alone, and scales by CPU', async (t) => {
  const small = synth({ size: 'small' }).service
  const task = only('AWS::ECS::TaskDefinition', small)
  t.match(task, { Cpu: '256', Memory: '512', RuntimePlatform: { CpuArchitecture: 'ARM64' } })
  const { AssignPublicIp, Subnets } = only('AWS::ECS::Service', small).NetworkConfiguration
    .AwsvpcConfiguration
  t.equal(AssignPublicIp, 'ENABLED')
  t.equal(Subnets.length, 2)
  for (const { Ref } of Subnets) t.match(Ref, /publicSubnet/)
  const endpoints = Object.values(small.findResources('AWS::EC2::VPCEndpoint'))
  t.same(
    endpoints.map(({ Properties }) => Properties.VpcEndpointType),
    ['Gateway', 'Gateway']
  )
  t.match(only('AWS::ApplicationAutoScaling::ScalableTarget', small), { MinCapacity: 1, MaxCapacity: 2 })
  const { TargetTrackingScalingPolicyConfiguration } = only(
    'AWS::ApplicationAutoScaling::ScalingPolicy',
    small
  )
  t.match(TargetTrackingScalingPolicyConfiguration, {
    PredefinedMetricSpecification: { PredefinedMetricType: 'ECSServiceAverageCPUUtilization' }
  })
})

t.test('a task of small, too, is reached from the load balancer alone', async (t) => {
  const small = synth({ size: 'small' }).service
  const [tasks] = only('AWS::ECS::Service', small).NetworkConfiguration.AwsvpcConfiguration.SecurityGroups
  const group = tasks['Fn::GetAtt'][0]
  t.notOk(small.findResources('AWS::EC2::SecurityGroup')[group]!.Properties.SecurityGroupIngress)
  const rules = Object.values(small.findResources('AWS::EC2::SecurityGroupIngress'))
  t.equal(rules.length, 2)
  for (const { Properties } of rules)
    t.match(Properties.SourceSecurityGroupId['Fn::GetAtt'][0], /LoadBalancerGroup/)
})

t.test('the young generation fits the memory of the task', async (t) => {
  const options = (settings: Parameters<typeof synth>[0]) =>
    only('AWS::ECS::TaskDefinition', synth(settings).service).ContainerDefinitions[0].Environment.find(
      ({ Name }: { Name: string }) => Name === 'NODE_OPTIONS'
    ).Value
  t.equal(options({}), '--max-semi-space-size=64')
  t.equal(options({ size: 'small' }), '--max-semi-space-size=16')
})

t.test('every template is sent in one call, without a bootstrap and without files', async (t) => {
  for (const settings of [
    {},
    { size: 'small' as const },
    { ...CERTIFICATE, firewall: true, alarmEmail: 'who@example.com' }
  ]) {
    const { repository, users, logs, service } = synth(settings)
    for (const template of [repository, users, logs, service]) {
      // As the command line sends it; CloudFormation takes 51,200 bytes.
      const text = stringify(template.toJSON(), { schema: 'yaml-1.1', lineWidth: 0 })
      t.ok(Buffer.byteLength(text) < 51_200, `${Buffer.byteLength(text)} bytes`)
      t.notMatch(text, /cdk-hnb659fds|AssetParameters/)
    }
  }
})
