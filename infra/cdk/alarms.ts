import { Aws, Duration } from 'aws-cdk-lib'
import { Certificate } from 'aws-cdk-lib/aws-certificatemanager'
import {
  Alarm,
  type AlarmProps,
  ComparisonOperator,
  type IMetric,
  MathExpression,
  Metric,
  Stats,
  TreatMissingData
} from 'aws-cdk-lib/aws-cloudwatch'
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions'
import type { ITable } from 'aws-cdk-lib/aws-dynamodb'
import { HttpCodeElb, HttpCodeTarget } from 'aws-cdk-lib/aws-elasticloadbalancingv2'
import { Rule } from 'aws-cdk-lib/aws-events'
import { SnsTopic } from 'aws-cdk-lib/aws-events-targets'
import { ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { FilterPattern, type ILogGroup, MetricFilter } from 'aws-cdk-lib/aws-logs'
import { Topic } from 'aws-cdk-lib/aws-sns'
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions'
import { Construct } from 'constructs'
import type { Config } from '../config.ts'
import { accept } from './accept.ts'
import type { Service } from './service.ts'

/** Errors in five minutes that are more than a task's end can explain. */
const SERVER_ERRORS = 10

/** Calls refused in five minutes, with 401 or 429, that are more than a client that was set up wrong. */
const REFUSALS = 1_000

/** Memory of a task, percent; past 100 the kernel ends it. */
const MEMORY = 90

/** ACM renews a certificate 60 days before its end; one that has fewer left was not renewed. */
const CERTIFICATE_DAYS = 30

/** Mean CPU that the scaling would have brought down, had it not reached its limit, percent. */
const CPU = 85

export interface AlarmsProps {
  readonly config: Config
  readonly service: Service
  readonly logs: ILogGroup
  readonly usersTable: ITable
}

/** The alarms, and the topic they are sent to. */
export class Alarms extends Construct {
  readonly topic: Topic

  constructor(scope: Construct, id: string, { config, service, logs, usersTable }: AlarmsProps) {
    super(scope, id)
    this.topic = new Topic(this, 'Topic', { topicName: `${config.name}-alarms`, enforceSSL: true })
    // The topic's own policy takes the place of the one that lets the account's alarms publish.
    this.topic.grantPublish(
      new ServicePrincipal('cloudwatch.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID } }
      })
    )
    accept(this.topic, 'Alarms hold no secrets, and cannot publish where AWS’s own key encrypts', [
      'CKV_AWS_26'
    ])
    if (config.alarmEmail !== undefined) this.topic.addSubscription(new EmailSubscription(config.alarmEmail))

    const { loadBalancer, targets } = service
    const minutes = (count: number) => Duration.minutes(count)
    this.alarm('ServerErrors', {
      alarmName: `${config.name}-5xx`,
      alarmDescription: 'Requests fail through no fault of the client: see the tasks’ log',
      metric: sum('5xx of load balancer and tasks', minutes(5), {
        balancer: loadBalancer.metrics.httpCodeElb(HttpCodeElb.ELB_5XX_COUNT, { statistic: Stats.SUM }),
        tasks: loadBalancer.metrics.httpCodeTarget(HttpCodeTarget.TARGET_5XX_COUNT, { statistic: Stats.SUM })
      }),
      threshold: SERVER_ERRORS,
      evaluationPeriods: 1
    })
    this.alarm('Slow', {
      alarmName: `${config.name}-p99`,
      alarmDescription: 'One request in a hundred takes too long: see the tasks’ CPU',
      metric: loadBalancer.metrics.targetResponseTime({
        statistic: Stats.percentile(99),
        period: minutes(5)
      }),
      threshold: config.alarmP99Seconds,
      evaluationPeriods: 3,
      // Of a handful of requests the slowest is the 99th percentile.
      evaluateLowSampleCountPercentile: 'ignore'
    })
    this.alarm('Unhealthy', {
      alarmName: `${config.name}-unhealthy`,
      alarmDescription:
        'A task does not answer /health/ready with 200: see its log, and the service’s events',
      metric: targets.metrics.unhealthyHostCount({ statistic: Stats.MAXIMUM, period: minutes(1) }),
      threshold: 1,
      evaluationPeriods: 3,
      // Without a single task the load balancer reports nothing.
      treatMissingData: TreatMissingData.BREACHING
    })
    this.alarm('Tasks', {
      alarmName: `${config.name}-tasks`,
      alarmDescription: 'Fewer tasks are ready than minTasks: see the service’s events',
      metric: targets.metrics.healthyHostCount({ statistic: Stats.MAXIMUM, period: minutes(1) }),
      comparisonOperator: ComparisonOperator.LESS_THAN_THRESHOLD,
      threshold: config.minTasks,
      // A task that ended is replaced within this time.
      evaluationPeriods: 10,
      treatMissingData: TreatMissingData.BREACHING
    })
    this.alarm('Memory', {
      alarmName: `${config.name}-memory`,
      alarmDescription: 'A task is about to run out of memory: raise memory',
      metric: service.service.metricMemoryUtilization({ statistic: Stats.MAXIMUM, period: minutes(5) }),
      threshold: MEMORY,
      evaluationPeriods: 3
    })
    this.alarm('Throttled', {
      alarmName: `${config.name}-throttled`,
      alarmDescription: 'DynamoDB refuses calls of the tasks: see the table’s metrics',
      metric: sum('Throttles', minutes(5), {
        reads: tableMetric(usersTable, 'ReadThrottleEvents'),
        writes: tableMetric(usersTable, 'WriteThrottleEvents')
      }),
      threshold: 1,
      evaluationPeriods: 2
    })
    const refused = new MetricFilter(this, 'Refused', {
      logGroup: logs,
      metricNamespace: config.name,
      metricName: 'Refused',
      filterPattern: FilterPattern.literal('{ $.status = 401 || $.status = 429 }')
    })
    this.alarm('Refusals', {
      alarmName: `${config.name}-refused`,
      alarmDescription: 'Many calls without a valid key, or past their limit: see ip in the tasks’ log',
      metric: refused.metric({ statistic: Stats.SUM, period: minutes(5) }),
      threshold: REFUSALS,
      evaluationPeriods: 1
    })
    if (config.certificateArn !== undefined) {
      this.alarm('Certificate', {
        alarmName: `${config.name}-certificate`,
        alarmDescription: 'The certificate was not renewed: is its DNS entry still there?',
        metric: Certificate.fromCertificateArn(this, 'Cert', config.certificateArn).metricDaysToExpiry(),
        comparisonOperator: ComparisonOperator.LESS_THAN_THRESHOLD,
        threshold: CERTIFICATE_DAYS,
        evaluationPeriods: 1
      })
    }
    new Rule(this, 'DeploymentFailed', {
      description: 'A deployment of the service failed, and ECS went back',
      eventPattern: {
        source: ['aws.ecs'],
        detailType: ['ECS Deployment State Change'],
        resources: [service.service.serviceArn],
        detail: { eventName: ['SERVICE_DEPLOYMENT_FAILED'] }
      },
      targets: [new SnsTopic(this.topic)]
    })
    this.alarm('Cpu', {
      alarmName: `${config.name}-cpu`,
      alarmDescription: 'The tasks are at their limit, and no more are started: raise maxTasks',
      metric: service.service.metricCpuUtilization({ statistic: Stats.AVERAGE, period: minutes(5) }),
      threshold: CPU,
      evaluationPeriods: 3
    })
  }

  private alarm(
    id: string,
    props: Omit<AlarmProps, 'comparisonOperator'> & { comparisonOperator?: ComparisonOperator }
  ): void {
    const alarm = new Alarm(this, id, {
      comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      treatMissingData: TreatMissingData.NOT_BREACHING,
      ...props
    })
    const action = new SnsAction(this.topic)
    alarm.addAlarmAction(action)
    alarm.addOkAction(action)
  }
}

/** Add up counts of which AWS reports none while they are zero. */
function sum(label: string, period: Duration, usingMetrics: Record<string, IMetric>): MathExpression {
  const expression = Object.keys(usingMetrics)
    .map((name) => `FILL(${name}, 0)`)
    .join(' + ')
  return new MathExpression({ expression, label, period, usingMetrics })
}

/** CDK has it for a table that the stack makes alone. */
const tableMetric = ({ tableName }: ITable, metricName: string): Metric =>
  new Metric({
    namespace: 'AWS/DynamoDB',
    metricName,
    dimensionsMap: { TableName: tableName },
    statistic: Stats.SUM
  })
