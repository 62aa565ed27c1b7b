import { createHash, randomBytes } from 'node:crypto'
import {
  CreateSecretCommand,
  DeleteSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  ResourceNotFoundException,
  type SecretsManagerClient
} from '@aws-sdk/client-secrets-manager'
import Type, { type Static } from 'typebox'
import Value from 'typebox/value'
import { DeployError } from './steps.ts'

/** Keys that are valid at once: the newest, and the one before it until every client has the newest. */
const VALID = 2

/** What the secret holds, as JSON. The tasks get `sha256` alone, and so never a key. */
const SecretSchema = Type.Object({
  keys: Type.Array(Type.String(), { minItems: 1, description: 'The keys, newest first' }),
  sha256: Type.String({ description: 'Their SHA-256, hex, with commas between them' })
})

export interface AllKeys {
  /** Of those who ask. */
  readonly apiKeys: Keys
  /** Of those who enroll and delete users as well. */
  readonly adminKeys: Keys
}

export interface Keys {
  readonly arn: string
  /** Newest first. */
  readonly keys: string[]
}

/** @returns undefined if the secret does not exist */
export async function findKeys(secrets: SecretsManagerClient, name: string): Promise<Keys | undefined> {
  try {
    const { ARN = '', SecretString = '' } = await secrets.send(new GetSecretValueCommand({ SecretId: name }))
    return { arn: ARN, keys: parse(name, SecretString).keys }
  } catch (error) {
    if (error instanceof ResourceNotFoundException) return undefined
    throw error
  }
}

/** Make the secret with one key. */
export async function createKeys(secrets: SecretsManagerClient, name: string): Promise<Keys> {
  const keys = [newKey()]
  const { ARN = '' } = await secrets.send(
    new CreateSecretCommand({
      Name: name,
      Description: 'keys: newest first; sha256: their hashes, which is all the tasks get',
      SecretString: write(keys)
    })
  )
  return { arn: ARN, keys }
}

/** Put a new key before the others, and drop those past the last one before it. */
export async function rotateKeys(secrets: SecretsManagerClient, { arn, keys }: Keys): Promise<Keys> {
  const rotated = [newKey(), ...keys].slice(0, VALID)
  await secrets.send(new PutSecretValueCommand({ SecretId: arn, SecretString: write(rotated) }))
  return { arn, keys: rotated }
}

/** Remove the secret at once, so that its name is free again. */
export async function deleteKeys(secrets: SecretsManagerClient, name: string): Promise<void> {
  try {
    await secrets.send(new DescribeSecretCommand({ SecretId: name }))
    await secrets.send(new DeleteSecretCommand({ SecretId: name, ForceDeleteWithoutRecovery: true }))
  } catch (error) {
    if (!(error instanceof ResourceNotFoundException)) throw error
  }
}

const newKey = () => randomBytes(32).toString('base64url')

function write(keys: string[]): string {
  const sha256 = keys.map((key) => createHash('sha256').update(key).digest('hex')).join()
  return JSON.stringify({ keys, sha256 } satisfies Static<typeof SecretSchema>)
}

function parse(name: string, text: string): Static<typeof SecretSchema> {
  try {
    return Value.Parse(SecretSchema, JSON.parse(text))
  } catch {
    throw new DeployError(
      `The secret ${name} is not of the form {"keys": [...], "sha256": "..."}.`,
      'Delete it (aws secretsmanager delete-secret --force-delete-without-recovery) and run it again: it is made anew.'
    )
  }
}
