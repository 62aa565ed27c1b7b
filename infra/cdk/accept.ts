import { CfnResource, Validations } from 'aws-cdk-lib'
import type { IConstruct } from 'constructs'

/**
 * Accept findings of cdk-nag (AwsSolutions-...), checkov (CKV...) and cfn-lint (E..., W...) on a
 * construct and what it holds, and say why.
 *
 * @param reason - why this is right here; it is written into the template beside the resource
 */
export function accept(construct: IConstruct, reason: string, rules: string[]): void {
  for (const id of rules.filter((rule) => rule.startsWith('AwsSolutions-'))) {
    Validations.of(construct).acknowledge({ id, reason })
  }
  const skipped = rules.filter((rule) => rule.startsWith('CKV')).map((id) => ({ id, comment: reason }))
  if (skipped.length === 0) return
  for (const resource of construct.node.findAll().filter(CfnResource.isCfnResource)) {
    const before = resource.getMetadata('checkov')?.skip ?? []
    resource.addMetadata('checkov', { skip: [...before, ...skipped] })
  }
}
