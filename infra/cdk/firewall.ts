import type { IApplicationLoadBalancer } from 'aws-cdk-lib/aws-elasticloadbalancingv2'
import { CfnWebACL, CfnWebACLAssociation } from 'aws-cdk-lib/aws-wafv2'
import { Construct } from 'constructs'
import { type Config, firewallLimit } from '../config.ts'
import { accept } from './accept.ts'

/** Rules that AWS keeps up to date, in the order they are tried. */
const MANAGED_RULES = [
  'AWSManagedRulesAmazonIpReputationList',
  'AWSManagedRulesKnownBadInputsRuleSet',
  'AWSManagedRulesCommonRuleSet'
]

/** Of the common rules, those that would stop what this API is for: a batch's body is larger than 8 KiB. */
const COUNTED_ONLY = ['SizeRestrictions_BODY']

export interface FirewallProps {
  readonly config: Config
  readonly loadBalancer: IApplicationLoadBalancer
}

/** AWS WAF before the load balancer. */
export class Firewall extends Construct {
  constructor(scope: Construct, id: string, { config, loadBalancer }: FirewallProps) {
    super(scope, id)
    const visible = (metricName: string) => ({
      metricName,
      cloudWatchMetricsEnabled: true,
      sampledRequestsEnabled: true
    })
    const limit = firewallLimit(config)
    const acl = new CfnWebACL(this, 'Acl', {
      name: config.name,
      scope: 'REGIONAL',
      defaultAction: { allow: {} },
      visibilityConfig: visible(config.name),
      rules: [
        ...(limit === undefined
          ? []
          : [
              {
                name: 'EachAddress',
                priority: 0,
                action: { block: { customResponse: { responseCode: 429 } } },
                statement: {
                  rateBasedStatement: { aggregateKeyType: 'IP', limit, evaluationWindowSec: 300 }
                },
                visibilityConfig: visible('EachAddress')
              }
            ]),
        ...MANAGED_RULES.map((name, i) => ({
          name,
          priority: i + 1,
          overrideAction: { none: {} },
          statement: {
            managedRuleGroupStatement: {
              vendorName: 'AWS',
              name,
              ...(name === 'AWSManagedRulesCommonRuleSet' && {
                ruleActionOverrides: COUNTED_ONLY.map((rule) => ({ name: rule, actionToUse: { count: {} } }))
              })
            }
          },
          visibilityConfig: visible(name)
        }))
      ]
    })
    accept(
      acl,
      'The load balancer’s access log has every request, and WAF keeps samples of those it blocks',
      ['CKV2_AWS_31']
    )
    new CfnWebACLAssociation(this, 'Association', {
      resourceArn: loadBalancer.loadBalancerArn,
      webAclArn: acl.attrArn
    })
  }
}
