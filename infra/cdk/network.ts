import type { ITable } from 'aws-cdk-lib/aws-dynamodb'
import {
  FlowLogDestination,
  FlowLogTrafficType,
  GatewayVpcEndpointAwsService,
  type InterfaceVpcEndpoint,
  InterfaceVpcEndpointAwsService,
  Peer,
  Port,
  SecurityGroup,
  type SubnetSelection,
  SubnetType,
  Vpc
} from 'aws-cdk-lib/aws-ec2'
import { AnyPrincipal, PolicyStatement } from 'aws-cdk-lib/aws-iam'
import { LogGroup } from 'aws-cdk-lib/aws-logs'
import { RemovalPolicy, Stack } from 'aws-cdk-lib/core'
import { Construct } from 'constructs'
import type { Config } from '../config.ts'
import { accept } from './accept.ts'
import { usersAccess } from './users.ts'

export interface NetworkProps {
  readonly config: Config
  readonly usersTable: ITable
}

/**
 * A VPC over two zones: public subnets for the load balancer, and for the tasks subnets without a
 * way to the internet. The AWS services a task talks to are reached over endpoints inside. In the small
 * size, which has no such endpoints, the tasks are in the public subnets too.
 */
export class Network extends Construct {
  readonly vpc: Vpc
  /** Of the load balancer: open to the world on the ports its listeners ask for. */
  readonly loadBalancerGroup: SecurityGroup
  /** Of the tasks: in from the load balancer alone, out to AWS alone. */
  readonly taskGroup: SecurityGroup
  readonly taskSubnets: SubnetSelection
  /** What a task needs before it can start: it reads its image, secrets and log over these. */
  readonly endpoints: InterfaceVpcEndpoint[]

  constructor(scope: Construct, id: string, { config, usersTable }: NetworkProps) {
    super(scope, id)
    const isSmall = config.size === 'small'

    this.vpc = new Vpc(this, 'Vpc', {
      ...(config.zones ? { availabilityZones: config.zones } : { maxAzs: 2 }),
      natGateways: 0,
      // The rule that would close the default group needs a Lambda function; nothing uses the group.
      restrictDefaultSecurityGroup: false,
      subnetConfiguration: [
        { name: 'public', subnetType: SubnetType.PUBLIC, cidrMask: 24, mapPublicIpOnLaunch: false },
        ...(isSmall ? [] : [{ name: 'tasks', subnetType: SubnetType.PRIVATE_ISOLATED, cidrMask: 24 }])
      ]
    })
    this.taskSubnets = { subnetGroupName: isSmall ? 'public' : 'tasks' }
    const refused = new LogGroup(this, 'RefusedTraffic', {
      retention: config.logDays,
      removalPolicy: RemovalPolicy.DESTROY
    })
    this.vpc.addFlowLog('Refused', {
      destination: FlowLogDestination.toCloudWatchLogs(refused),
      trafficType: FlowLogTrafficType.REJECT
    })
    accept(refused, 'AWS encrypts it with a key of its own; a customer’s costs $1 a month', ['CKV_AWS_158'])

    this.loadBalancerGroup = new SecurityGroup(this, 'LoadBalancerGroup', {
      vpc: this.vpc,
      description: 'Load balancer: in from the internet, out to the tasks',
      allowAllOutbound: false
    })
    accept(this.loadBalancerGroup, 'A public API: its load balancer is for everyone', [
      'AwsSolutions-EC23',
      'CKV_AWS_260'
    ])
    this.taskGroup = new SecurityGroup(this, 'TaskGroup', {
      vpc: this.vpc,
      description: 'Tasks: in from the load balancer, out to the endpoints',
      allowAllOutbound: false
    })
    // The gateways have public addresses. From subnets of their own the tasks can reach nothing else of the internet.
    this.taskGroup.addEgressRule(
      Peer.anyIpv4(),
      Port.tcp(443),
      isSmall
        ? 'To AWS, over public addresses'
        : 'Over gateways: S3 for layers of the image, DynamoDB for users'
    )
    this.endpoints = isSmall ? [] : this.interfaceEndpoints()

    const { partition, region } = Stack.of(this)
    this.vpc
      .addGatewayEndpoint('S3', {
        service: GatewayVpcEndpointAwsService.S3,
        subnets: [this.taskSubnets]
      })
      // Where ECR keeps layers (Amazon ECR user guide, minimum S3 bucket permissions).
      .addToPolicy(
        new PolicyStatement({
          principals: [new AnyPrincipal()],
          actions: ['s3:GetObject'],
          resources: [`arn:${partition}:s3:::prod-${region}-starport-layer-bucket/*`]
        })
      )
    this.vpc
      .addGatewayEndpoint('DynamoDb', {
        service: GatewayVpcEndpointAwsService.DYNAMODB,
        subnets: [this.taskSubnets]
      })
      .addToPolicy(new PolicyStatement({ principals: [new AnyPrincipal()], ...usersAccess(usersTable) }))
  }
  private interfaceEndpoints(): InterfaceVpcEndpoint[] {
    const group = new SecurityGroup(this, 'EndpointGroup', {
      vpc: this.vpc,
      description: 'Endpoints: in from the tasks',
      allowAllOutbound: false
    })
    group.connections.allowFrom(this.taskGroup, Port.tcp(443), 'From the tasks')
    const services = {
      EcrApi: InterfaceVpcEndpointAwsService.ECR,
      EcrDocker: InterfaceVpcEndpointAwsService.ECR_DOCKER,
      Logs: InterfaceVpcEndpointAwsService.CLOUDWATCH_LOGS,
      Secrets: InterfaceVpcEndpointAwsService.SECRETS_MANAGER
    }
    return Object.entries(services).map(([name, service]) => {
      const endpoint = this.vpc.addInterfaceEndpoint(name, { service, securityGroups: [group], open: false })
      // With credentials of an account of their own, intruders could send out what they read.
      endpoint.addToPolicy(
        new PolicyStatement({
          principals: [new AnyPrincipal()],
          actions: ['*'],
          resources: ['*'],
          conditions: { StringEquals: { 'aws:PrincipalAccount': Stack.of(this).account } }
        })
      )
      return endpoint
    })
  }
}
