import { RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib'
import {
  AttributeType,
  BillingMode,
  type ITable,
  ProjectionType,
  Table,
  TableEncryption
} from 'aws-cdk-lib/aws-dynamodb'
import type { Construct } from 'constructs'
import { ACTIONS, TABLE } from '../../server/src/users/dynamodb.ts'
import { type Config, RECOVERY_DAYS, usersTableName } from '../config.ts'
import { accept } from './accept.ts'

export interface UsersStackProps extends StackProps {
  readonly config: Config
}

/** The table of enrolled users. A stack of its own: people stay when the service is removed or made anew. */
export class UsersStack extends Stack {
  constructor(scope: Construct, id: string, { config, ...props }: UsersStackProps) {
    super(scope, id, props)
    const table = new Table(this, 'Users', {
      tableName: usersTableName(config),
      partitionKey: { name: TABLE.partitionKey, type: AttributeType.STRING },
      sortKey: { name: TABLE.sortKey, type: AttributeType.STRING },
      billingMode: BillingMode.PAY_PER_REQUEST,
      encryption: TableEncryption.AWS_MANAGED,
      timeToLiveAttribute: TABLE.timeToLive,
      pointInTimeRecoverySpecification: {
        pointInTimeRecoveryEnabled: true,
        recoveryPeriodInDays: RECOVERY_DAYS
      },
      // npm run destroy takes this off once it has asked.
      deletionProtection: true,
      removalPolicy: RemovalPolicy.DESTROY
    })
    table.addLocalSecondaryIndex({
      indexName: TABLE.index,
      sortKey: { name: TABLE.indexSortKey, type: AttributeType.NUMBER },
      projectionType: ProjectionType.ALL
    })
    accept(table, 'AWS encrypts it with a key of its own; a customer’s costs $1 a month', ['CKV_AWS_119'])
  }
}

/** What a task may do with the table, and with nothing else. */
export const usersAccess = ({ tableArn }: ITable) => ({
  actions: ACTIONS,
  resources: [tableArn, `${tableArn}/index/${TABLE.index}`]
})
