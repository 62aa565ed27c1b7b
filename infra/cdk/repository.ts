import { CfnOutput, Duration, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib'
import { Repository, TagMutability, TagStatus } from 'aws-cdk-lib/aws-ecr'
import type { Construct } from 'constructs'
import { type Config, repositoryName } from '../config.ts'
import { accept } from './accept.ts'

export interface RepositoryStackProps extends StackProps {
  readonly config: Config
}

/**
 * The images' repository. A stack of its own: the service needs an image before it can start, and
 * the image needs a repository; nor does the service's end take the images with it.
 */
export class RepositoryStack extends Stack {
  constructor(scope: Construct, id: string, { config, ...props }: RepositoryStackProps) {
    super(scope, id, props)
    const repository = new Repository(this, 'Repository', {
      repositoryName: repositoryName(config),
      imageTagMutability: TagMutability.IMMUTABLE,
      imageScanOnPush: true,
      lifecycleRules: [
        {
          description: 'Layers that no tag names',
          tagStatus: TagStatus.UNTAGGED,
          maxImageAge: Duration.days(1),
          rulePriority: 1
        },
        { description: 'The newest, to roll back to', maxImageCount: config.imagesKept, rulePriority: 2 }
      ],
      removalPolicy: RemovalPolicy.DESTROY,
      emptyOnDelete: true
    })
    accept(repository, 'AWS encrypts it with a key of its own; a customer’s costs $1 a month', [
      'CKV_AWS_136'
    ])
    new CfnOutput(this, 'RepositoryUri', { value: repository.repositoryUri })
  }
}
