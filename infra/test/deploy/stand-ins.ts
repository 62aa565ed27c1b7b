/**
 * Stand-ins for AWS on this machine: moto for its calls, a loopback registry for ECR's, and one task for
 * Fargate. The task runs the very image that the stack's template names, as its task definition says.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { CloudFormationClient, GetTemplateCommand } from '@aws-sdk/client-cloudformation'
import {
  BatchWriteItemCommand,
  CreateTableCommand,
  DescribeContinuousBackupsCommand,
  DescribeTableCommand,
  DescribeTimeToLiveCommand,
  DynamoDBClient,
  ScanCommand
} from '@aws-sdk/client-dynamodb'
import { BatchDeleteImageCommand, ECRClient, ListImagesCommand, PutImageCommand } from '@aws-sdk/client-ecr'
import { S3Client } from '@aws-sdk/client-s3'
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { parse } from 'yaml'
import { freePorts } from '../../../scripts/lib/ports.ts'
import { isAnswered, within } from '../../../scripts/lib/wait.ts'

const ACCEPT =
  'application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json'

export interface StandIns {
  /** Environment in which AWS tools find these and nothing else. */
  readonly environment: NodeJS.ProcessEnv
  readonly registry: string
  /** Tags and blobs pushed so far; what is sent again counts again. */
  readonly pushes: { manifests: number; blobs: number }
  readonly cloudFormation: CloudFormationClient
  readonly secrets: SecretsManagerClient
  readonly s3: S3Client
  /** The task's address, as clients see it behind the load balancer. */
  readonly url: string
  /** What restoring a table to a point in time does: its items, keys and indexes, and no setting beyond them. */
  copyTable(from: string, to: string): Promise<void>
  tableSettings(name: string): Promise<object>
  /** What CloudFormation does before it removes a repository, and moto does not: see EmptyOnDelete. */
  emptyRepository(): Promise<void>
  stop(): Promise<void>
}

/** Start them on free ports. */
export async function startStandIns(moto: string): Promise<StandIns> {
  const folder = await mkdtemp(join(tmpdir(), 'keystroke-stand-ins-'))
  const children: ChildProcess[] = []
  const start = (command: string, args: string[], environment: NodeJS.ProcessEnv = {}) => {
    const child = spawn(command, args, { stdio: 'ignore', env: { ...process.env, ...environment } })
    children.push(child)
  }

  const [motoPort, registryPort] = (await freePorts(2)) as [number, number]
  // The stack leaves the number of tasks to the scaling, which moto has not; it takes that for none.
  start(moto, ['-H', '127.0.0.1', '-p', String(motoPort)], { MOTO_ECS_SERVICE_RUNNING: '0' })
  const environment = {
    AWS_ENDPOINT_URL: `http://127.0.0.1:${motoPort}`,
    AWS_REGION: 'eu-west-1',
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test'
  }
  const client = {
    endpoint: environment.AWS_ENDPOINT_URL,
    region: environment.AWS_REGION,
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' }
  }
  const ecr = new ECRClient(client)
  const cloudFormation = new CloudFormationClient(client)
  const secrets = new SecretsManagerClient(client)
  const dynamo = new DynamoDBClient(client)

  const pushes = { manifests: 0, blobs: 0 }
  const registry = `127.0.0.1:${registryPort}`
  // ECR lists what was pushed to it; moto learns it from the registry.
  const listener = createServer(async (request, response) => {
    const { events } = (await json(request)) as { events: RegistryEvent[] }
    for (const { target } of events.filter(({ action }) => action === 'push')) {
      if (!target.mediaType.includes('manifest')) pushes.blobs++
      else {
        pushes.manifests++
        const manifest = await fetch(
          `http://${registry}/v2/${target.repository}/manifests/${target.digest}`,
          {
            headers: { accept: ACCEPT }
          }
        )
        await ecr.send(
          new PutImageCommand({
            repositoryName: target.repository,
            imageManifest: await manifest.text(),
            imageManifestMediaType: target.mediaType,
            imageDigest: target.digest,
            imageTag: target.tag
          })
        )
      }
    }
    response.end()
  })
  const listenerPort = await listen(listener)
  await writeFile(
    join(folder, 'registry.yml'),
    JSON.stringify({
      version: '0.1',
      log: { level: 'error' },
      storage: { filesystem: { rootdirectory: join(folder, 'registry') } },
      http: { addr: registry },
      notifications: {
        endpoints: [
          { name: 'ecr', url: `http://127.0.0.1:${listenerPort}`, timeout: '5s', threshold: 5, backoff: '1s' }
        ]
      }
    })
  )
  start('docker-registry', ['serve', join(folder, 'registry.yml')])
  await writeFile(
    join(folder, 'registries.conf'),
    `unqualified-search-registries = []\n[[registry]]\nlocation = "${registry}"\ninsecure = true\n`
  )
  const containers = {
    CONTAINERS_REGISTRIES_CONF: join(folder, 'registries.conf'),
    REGISTRY_AUTH_FILE: join(folder, 'auth.json')
  }

  const task = new Task(cloudFormation, secrets, registry, { ...process.env, ...containers }, environment)
  const balancer = createServer((request, response) => void task.pass(request, response))
  const url = `http://127.0.0.1:${await listen(balancer)}`

  await answers(`${environment.AWS_ENDPOINT_URL}/moto-api/`)
  await answers(`http://${registry}/v2/`)
  return {
    environment: { ...environment, ...containers, KEYSTROKE_REGISTRY: registry, KEYSTROKE_URL: url },
    registry,
    pushes,
    cloudFormation,
    secrets,
    s3: new S3Client({ ...client, forcePathStyle: true }),
    url,
    async copyTable(from, to) {
      const { Table } = await dynamo.send(new DescribeTableCommand({ TableName: from }))
      await dynamo.send(
        new CreateTableCommand({
          TableName: to,
          BillingMode: 'PAY_PER_REQUEST',
          AttributeDefinitions: Table!.AttributeDefinitions,
          KeySchema: Table!.KeySchema,
          LocalSecondaryIndexes: Table!.LocalSecondaryIndexes!.map(
            ({ IndexName, KeySchema, Projection }) => ({
              IndexName,
              KeySchema,
              Projection
            })
          )
        })
      )
      const { Items = [] } = await dynamo.send(new ScanCommand({ TableName: from }))
      await dynamo.send(
        new BatchWriteItemCommand({ RequestItems: { [to]: Items.map((Item) => ({ PutRequest: { Item } })) } })
      )
    },
    async tableSettings(TableName) {
      const { Table } = await dynamo.send(new DescribeTableCommand({ TableName }))
      const { TimeToLiveDescription } = await dynamo.send(new DescribeTimeToLiveCommand({ TableName }))
      const backups = await dynamo.send(new DescribeContinuousBackupsCommand({ TableName }))
      return {
        isProtected: Table!.DeletionProtectionEnabled,
        expires: TimeToLiveDescription!.TimeToLiveStatus,
        recovery:
          backups.ContinuousBackupsDescription!.PointInTimeRecoveryDescription!.PointInTimeRecoveryStatus
      }
    },
    async emptyRepository() {
      const { Resources } = await deployedTemplate(cloudFormation, 'keystroke-repository')
      const repository = Object.values(Resources).find(({ Type }) => Type === 'AWS::ECR::Repository')
      if (repository?.Properties.EmptyOnDelete !== true) return
      const { imageIds } = await ecr.send(new ListImagesCommand({ repositoryName: 'keystroke' }))
      await ecr.send(new BatchDeleteImageCommand({ repositoryName: 'keystroke', imageIds }))
    },
    async stop() {
      await task.stop()
      for (const server of [balancer, listener]) {
        server.close()
        server.closeAllConnections()
      }
      for (const child of children) {
        if (child.kill()) await once(child, 'exit')
      }
      await rm(folder, { recursive: true, force: true })
    }
  }
}

interface RegistryEvent {
  readonly action: string
  readonly target: { mediaType: string; digest: string; repository: string; tag: string }
}

/** Resources of a template, as far as the tests look into it. */
export interface Template {
  readonly Resources: Record<string, { Type: string; Properties: Record<string, unknown> }>
  readonly Outputs: Record<string, { Value: string }>
}

/** @returns the template that CloudFormation has */
export async function deployedTemplate(
  cloudFormation: CloudFormationClient,
  StackName = 'keystroke'
): Promise<Template> {
  const { TemplateBody = '' } = await cloudFormation.send(new GetTemplateCommand({ StackName }))
  // The command line sends it as YAML.
  return parse(TemplateBody)
}

interface Container {
  readonly Image: unknown
  readonly User: string
  readonly Environment: { Name: string; Value: string }[]
}

interface TaskDefinition {
  /** CPU units, of 1024 a core. */
  readonly Cpu: string
  /** MiB. */
  readonly Memory: string
  readonly ContainerDefinitions: [Container]
}

/** @returns the template's task */
export function taskOf({ Resources }: Template): TaskDefinition {
  const task = Object.values(Resources).find(({ Type }) => Type === 'AWS::ECS::TaskDefinition')
  return task!.Properties as unknown as TaskDefinition
}

/** @returns the container of the template's task */
export const containerOf = (template: Template): Container => taskOf(template).ContainerDefinitions[0]

/** @returns sha256:..., of the image that the template's task runs */
export function imageDigestOf(template: Template): string {
  return /sha256:[0-9a-f]{64}/.exec(JSON.stringify(containerOf(template).Image))![0]
}

/** What ECS would run: one task of the template that CloudFormation has, replaced when that changes. */
class Task {
  #running: { form: string; port: number; id: string; fault?: string } | undefined
  #starting: Promise<void> = Promise.resolve()
  readonly #cloudFormation: CloudFormationClient
  readonly #secrets: SecretsManagerClient
  readonly #registry: string
  readonly #environment: NodeJS.ProcessEnv
  readonly #aws: Record<string, string>

  constructor(
    cloudFormation: CloudFormationClient,
    secrets: SecretsManagerClient,
    registry: string,
    environment: NodeJS.ProcessEnv,
    aws: Record<string, string>
  ) {
    this.#cloudFormation = cloudFormation
    this.#secrets = secrets
    this.#registry = registry
    this.#environment = environment
    this.#aws = aws
  }

  async pass(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      this.#starting = this.#starting.then(() => this.#settle())
      await this.#starting
      const { method, url, headers } = incoming
      // As the rule NoUserAgent_HEADER of AWS's common rules does.
      if (!headers['user-agent']) return void response.writeHead(403).end('<title>403 Forbidden</title>')
      const { port, fault } = this.#running!
      if (fault !== undefined) return void response.writeHead(503).end(fault)
      const outgoing = request({ host: '127.0.0.1', port, method, path: url, headers }, (answer) => {
        response.writeHead(answer.statusCode!, answer.headers)
        answer.pipe(response)
      })
      outgoing.on('error', () => response.headersSent || response.writeHead(502).end())
      // The caller may be killed in the middle of it.
      response.on('close', () => outgoing.destroy())
      incoming.pipe(outgoing)
    } catch (error) {
      response.writeHead(503).end(String(error))
      this.#starting = Promise.resolve()
    }
  }

  async #settle(): Promise<void> {
    const template = await deployedTemplate(this.#cloudFormation)
    const { Environment, User } = containerOf(template)
    const { Memory } = taskOf(template)
    const hashes = {
      API_KEY_SHA256: await this.#hashes('keystroke/api-keys'),
      ADMIN_KEY_SHA256: await this.#hashes('keystroke/admin-keys')
    }
    const digest = imageDigestOf(template)
    const form = JSON.stringify([digest, hashes, Environment, Memory])
    if (this.#running?.form === form) return
    await this.stop()
    const [port] = (await freePorts(1)) as [number]
    const variables = {
      ...Object.fromEntries(Environment.map(({ Name, Value }) => [Name, Value])),
      HOST: '127.0.0.1',
      PORT: String(port),
      ...hashes,
      // CloudFormation makes it; moto does not.
      AUDIT_SECRET: 'of all tasks of the stack',
      // Where Fargate has the role of the task, and AWS its own address.
      ...this.#aws,
      DRAIN_SECONDS: '1'
    }
    const run = spawnSync(
      'podman',
      [
        ...['run', '--detach', '--network', 'host', '--read-only', '--read-only-tmpfs=false'],
        ...['--cap-drop', 'ALL', '--security-opt', 'no-new-privileges', '--user', User],
        ...['--memory', `${Memory}m`],
        ...Object.entries(variables).flatMap(([name, value]) => ['--env', `${name}=${value}`]),
        `${this.#registry}/keystroke@${digest}`
      ],
      { encoding: 'utf8', env: this.#environment }
    )
    const id = run.stdout.trim()
    this.#running = { form, port, id }
    if (run.status !== 0) this.#running.fault = run.stderr
    else {
      await answers(`http://127.0.0.1:${port}/health/ready`).catch((error: Error) => {
        const { stdout, stderr } = spawnSync('podman', ['logs', '--tail', '3', id], { encoding: 'utf8' })
        this.#running!.fault = `${error.message} It said: ${stdout}${stderr}`
      })
    }
  }

  async #hashes(secret: string): Promise<string> {
    const { SecretString = '' } = await this.#secrets.send(new GetSecretValueCommand({ SecretId: secret }))
    return (JSON.parse(SecretString) as { sha256: string }).sha256
  }

  async stop(): Promise<void> {
    if (this.#running === undefined) return
    spawnSync('podman', ['rm', '--force', '--time', '10', this.#running.id], { env: this.#environment })
    this.#running = undefined
  }
}

async function listen(server: ReturnType<typeof createServer>): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

async function answers(url: string): Promise<void> {
  if (!(await within(60_000, () => isAnswered(url), 200)))
    throw new Error(`${url} does not answer within a minute.`)
}
