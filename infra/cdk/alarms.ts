import { Aws, Duration } from 'aws-cdk-lib'
import {
  Alarm,
  type AlarmProps,
  ComparisonOperator,
  MathExpression,
  Stats,
  TreatMissingData
} from 'aws-cdk-lib/aws-cloudwatch'
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions'
import { HttpCodeElb, HttpCodeTarget } from 'aws-cdk-lib/aws-elasticloadbalancingv2'
import { ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { Topic } from 'aws-cdk-lib/aws-sns'
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions'
import { Construct } from 'constructs'
import type { Config } from '../config.ts'
import { accept } from './accept.ts'
import type { Service } from './service.ts'

/** Errors in five minutes that are more than a task's end can explain. */
const SERVER_ERRORS = 10

/** Mean CPU that the scaling would have brought down, had it not reached its limit, percent. */
const CPU = 85

export interface AlarmsProps {
  readonly config: Config
  readonly service: Service
}

/** The alarms, and the topic they are sent to. */
export class Alarms extends Construct {
  readonly topic: Topic

  constructor(scope: Construct, id: string, { config, service }: AlarmsProps) {
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
      metric: new MathExpression({
        expression: 'FILL(balancer, 0) + FILL(tasks, 0)',
        label: '5xx of load balancer and tasks',
        period: minutes(5),
        usingMetrics: {
          balancer: loadBalancer.metrics.httpCodeElb(HttpCodeElb.ELB_5XX_COUNT, { statistic: Stats.SUM }),
          tasks: loadBalancer.metrics.httpCodeTarget(HttpCodeTarget.TARGET_5XX_COUNT, {
            statistic: Stats.SUM
          })
        }
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
      evaluationPeriods: 3
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
    this.alarm('Cpu', {
      alarmName: `${config.name}-cpu`,
      alarmDescription: 'The tasks are at their limit, and no more are started: raise maxTasks',
      metric: service.service.metricCpuUtilization({ statistic: Stats.AVERAGE, period: minutes(5) }),
      threshold: CPU,
      evaluationPeriods: 3
    })
  }

  private alarm(id: string, props: Omit<AlarmProps, 'comparisonOperator'>): void {
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
