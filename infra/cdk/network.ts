import type { ITable } from 'aws-cdk-lib/aws-dynamodb'
import {
  FlowLogDestination,
  FlowLogTrafficType,
  GatewayVpcEndpointAwsService,
  InterfaceVpcEndpointAwsService,
  Peer,
  Port,
  SecurityGroup,
  SubnetType,
  Vpc
} from 'aws-cdk-lib/aws-ec2'
import { AnyPrincipal, PolicyStatement } from 'aws-cdk-lib/aws-iam'
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs'
import { RemovalPolicy, Stack } from 'aws-cdk-lib/core'
import { Construct } from 'constructs'
import { accept } from './accept.ts'
import { usersAccess } from './users.ts'

export interface NetworkProps {
  /** Time the log of refused traffic is kept, days. */
  readonly logDays: RetentionDays
  readonly usersTable: ITable
}

/**
 * A VPC over two zones: public subnets for the load balancer, and for the tasks subnets without a
 * way to the internet. The AWS services a task talks to are reached over endpoints inside.
 */
export class Network extends Construct {
  readonly vpc: Vpc
  /** Of the load balancer: open to the world on the ports its listeners ask for. */
  readonly loadBalancerGroup: SecurityGroup
  /** Of the tasks: in from the load balancer alone, out to AWS alone. */
  readonly taskGroup: SecurityGroup

  constructor(scope: Construct, id: string, { logDays, usersTable }: NetworkProps) {
    super(scope, id)

    this.vpc = new Vpc(this, 'Vpc', {
      maxAzs: 2,
      natGateways: 0,
      // The rule that would close the default group needs a Lambda function; nothing uses the group.
      restrictDefaultSecurityGroup: false,
      subnetConfiguration: [
        { name: 'public', subnetType: SubnetType.PUBLIC, cidrMask: 24, mapPublicIpOnLaunch: false },
        { name: 'tasks', subnetType: SubnetType.PRIVATE_ISOLATED, cidrMask: 24 }
      ]
    })
    const refused = new LogGroup(this, 'RefusedTraffic', {
      retention: logDays,
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
    const endpointGroup = new SecurityGroup(this, 'EndpointGroup', {
      vpc: this.vpc,
      description: 'Endpoints: in from the tasks',
      allowAllOutbound: false
    })
    endpointGroup.connections.allowFrom(this.taskGroup, Port.tcp(443), 'From the tasks')
    // The gateways have public addresses. From these subnets nothing else of the internet can be reached.
    this.taskGroup.addEgressRule(
      Peer.anyIpv4(),
      Port.tcp(443),
      'Over gateways: S3 for layers of the image, DynamoDB for users'
    )

    const services = {
      EcrApi: InterfaceVpcEndpointAwsService.ECR,
      EcrDocker: InterfaceVpcEndpointAwsService.ECR_DOCKER,
      Logs: InterfaceVpcEndpointAwsService.CLOUDWATCH_LOGS,
      Secrets: InterfaceVpcEndpointAwsService.SECRETS_MANAGER
    }
    for (const [name, service] of Object.entries(services)) {
      this.vpc.addInterfaceEndpoint(name, { service, securityGroups: [endpointGroup], open: false })
    }
    const { partition, region } = Stack.of(this)
    this.vpc
      .addGatewayEndpoint('S3', {
        service: GatewayVpcEndpointAwsService.S3,
        subnets: [{ subnetType: SubnetType.PRIVATE_ISOLATED }]
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
        subnets: [{ subnetType: SubnetType.PRIVATE_ISOLATED }]
      })
      .addToPolicy(new PolicyStatement({ principals: [new AnyPrincipal()], ...usersAccess(usersTable) }))
  }
}
