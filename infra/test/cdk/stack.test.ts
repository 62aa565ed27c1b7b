import { Match } from 'aws-cdk-lib/assertions'
import t from 'tap'
import { ADMIN_KEYS_ARN, API_KEYS_ARN, BEFORE, CERTIFICATE, DIGEST, synth } from './synth.ts'

const { repository, users, service } = synth()

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

t.test('the load balancer has noticed before the server stops serving', async (t) => {
  const { HealthCheckIntervalSeconds, UnhealthyThresholdCount } = only(
    'AWS::ElasticLoadBalancingV2::TargetGroup'
  )
  t.ok(HealthCheckIntervalSeconds * UnhealthyThresholdCount < drain(service))
})

const drain = (template: typeof service) =>
  Number(
    only('AWS::ECS::TaskDefinition', template).ContainerDefinitions[0].Environment.find(
      ({ Name }: { Name: string }) => Name === 'DRAIN_SECONDS'
    ).Value
  )

t.test('neither ECS nor the load balancer cuts the drain short, however long it is', async (t) => {
  for (const drainSeconds of [1, 20, 100]) {
    const { service } = synth({ drainSeconds })
    t.equal(drain(service), drainSeconds)
    const attributes = only('AWS::ElasticLoadBalancingV2::TargetGroup', service).TargetGroupAttributes
    const delay = attributes.find(
      ({ Key }: { Key: string }) => Key === 'deregistration_delay.timeout_seconds'
    ).Value
    t.ok(Number(delay) > drainSeconds)
    const { StopTimeout } = only('AWS::ECS::TaskDefinition', service).ContainerDefinitions[0]
    t.ok(StopTimeout > drainSeconds)
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
  const { service } = synth({ logDays: 7 })
  const groups = Object.values(service.findResources('AWS::Logs::LogGroup'))
  t.ok(groups.length > 0)
  for (const { Properties } of groups) {
    t.equal(Properties.RetentionInDays, 7)
  }
  const [rule] = only('AWS::S3::Bucket', service).LifecycleConfiguration.Rules
  t.equal(rule.ExpirationInDays, 7)
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

t.test('errors, slowness, sick tasks and a full CPU each raise an alarm on the topic', async (t) => {
  const alarms = Object.values(service.findResources('AWS::CloudWatch::Alarm'))
  const names = alarms.map(({ Properties }) => Properties.AlarmName).sort()
  t.same(names, ['keystroke-5xx', 'keystroke-cpu', 'keystroke-p99', 'keystroke-unhealthy'])
  const topic = Object.keys(service.findResources('AWS::SNS::Topic'))[0]
  for (const { Properties } of alarms) t.same(Properties.AlarmActions, [{ Ref: topic }])
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
    const { service: guarded } = synth({ firewall: true, firewallRequestsPer5Minutes: 500 })
    const { Rules } = only('AWS::WAFv2::WebACL', guarded)
    const text = JSON.stringify(Rules)
    for (const name of ['AmazonIpReputationList', 'KnownBadInputs', 'CommonRuleSet']) t.match(text, name)
    t.match(Rules[0].Statement.RateBasedStatement, { Limit: 500, AggregateKeyType: 'IP' })
    t.match(text, '{"ActionToUse":{"Count":{}},"Name":"SizeRestrictions_BODY"}')
    guarded.hasResourceProperties('AWS::WAFv2::WebACLAssociation', {
      ResourceArn: { Ref: Match.stringLikeRegexp('LoadBalancer') }
    })
  }
)

t.test('every template is sent in one call, without a bootstrap and without files', async (t) => {
  for (const settings of [{}, { ...CERTIFICATE, firewall: true, alarmEmail: 'who@example.com' }]) {
    const { repository, service } = synth(settings)
    for (const template of [repository, service]) {
      // As the command line sends it; CloudFormation takes 51,200 bytes.
      const text = JSON.stringify(template.toJSON(), undefined, 1)
      t.ok(Buffer.byteLength(text) < 51_200, `${Buffer.byteLength(text)} bytes`)
      t.notMatch(text, /cdk-hnb659fds|AssetParameters/)
    }
  }
})
