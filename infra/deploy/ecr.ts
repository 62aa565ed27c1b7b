import {
  DescribeImageScanFindingsCommand,
  type DescribeImageScanFindingsResponse,
  DescribeImagesCommand,
  DescribeRepositoriesCommand,
  type ECRClient,
  GetAuthorizationTokenCommand,
  ImageNotFoundException,
  LimitExceededException,
  RepositoryNotFoundException,
  ScanNotFoundException,
  StartImageScanCommand
} from '@aws-sdk/client-ecr'
import { type Config, SEVERITIES } from '../config.ts'
import { DeployError } from './steps.ts'

/** ECR's scan of an image takes seconds to a few minutes; past this something is wrong, ms. */
const SCAN_WITHIN = 10 * 60_000
const ASK_EVERY = 3_000

/** A push that ECR does not list yet is listed soon after, ms. */
const LISTED_WITHIN = 30_000

const pause = (time: number) => new Promise((next) => setTimeout(next, time))

/** @returns the repository's address, without a tag; undefined if it does not exist */
export async function findRepository(ecr: ECRClient, name: string): Promise<string | undefined> {
  try {
    const { repositories } = await ecr.send(new DescribeRepositoriesCommand({ repositoryNames: [name] }))
    return repositories?.[0]?.repositoryUri
  } catch (error) {
    if (error instanceof RepositoryNotFoundException) return undefined
    throw error
  }
}

/**
 * Look an image up.
 *
 * @param image - by tag, or by digest
 * @returns its digest, sha256:...; undefined if the repository, or the image in it, is not there
 */
export async function findImage(
  ecr: ECRClient,
  repository: string,
  image: { imageTag: string } | { imageDigest: string }
): Promise<string | undefined> {
  try {
    const { imageDetails } = await ecr.send(
      new DescribeImagesCommand({ repositoryName: repository, imageIds: [image] })
    )
    return imageDetails?.[0]?.imageDigest
  } catch (error) {
    if (error instanceof ImageNotFoundException || error instanceof RepositoryNotFoundException)
      return undefined
    throw error
  }
}

/**
 * Wait until ECR lists what was pushed.
 *
 * @throws DeployError if it does not
 */
export async function pushedImage(ecr: ECRClient, repository: string, tag: string): Promise<string> {
  for (const started = Date.now(); Date.now() - started < LISTED_WITHIN; await pause(500)) {
    const digest = await findImage(ecr, repository, { imageTag: tag })
    if (digest !== undefined) return digest
  }
  throw new DeployError(
    `The image was pushed, and ECR does not list ${repository}:${tag}.`,
    'Check that the registry is the one of this account and region, and run it again.'
  )
}

export interface Login {
  readonly user: string
  readonly password: string
}

/** @returns what the registry takes for the next 12 hours */
export async function registryLogin(ecr: ECRClient): Promise<Login> {
  const { authorizationData } = await ecr.send(new GetAuthorizationTokenCommand({}))
  const token = Buffer.from(authorizationData?.[0]?.authorizationToken ?? '', 'base64').toString()
  const colon = token.indexOf(':')
  return { user: token.slice(0, colon), password: token.slice(colon + 1) }
}

/**
 * Wait for the scan of an image, and start it where the push has not.
 *
 * @returns what was found, in words
 * @throws DeployError if something as bad as `scanStopsAt` was found that is not accepted
 */
export async function checkScan(
  ecr: ECRClient,
  repository: string,
  imageDigest: string,
  { scanStopsAt, scanAccepted }: Pick<Config, 'scanStopsAt' | 'scanAccepted'>
): Promise<string> {
  const found = await scanFindings(ecr, repository, imageDigest)
  const stopping = new Set<string>(SEVERITIES.slice(0, SEVERITIES.indexOf(scanStopsAt) + 1))
  const bad = found.filter(
    ({ severity = '', name = '' }) => stopping.has(severity) && !scanAccepted.includes(name)
  )
  if (bad.length > 0) {
    const names = bad.map(({ name, severity }) => `${name} (${severity})`).join(', ')
    throw new DeployError(
      `The image has known vulnerabilities of ${scanStopsAt} or worse: ${names}.`,
      'Update the base image or the package at fault and run it again; what you have looked at and can ' +
        'live with goes into scanAccepted in infra/config.json.'
    )
  }
  const counts = SEVERITIES.map((each) => [found.filter(({ severity }) => severity === each).length, each])
  const some = counts.filter(([count]) => count !== 0).map(([count, each]) => `${count} ${each}`)
  return some.length === 0 ? 'nothing known' : some.join(', ')
}

interface Finding {
  readonly name: string | undefined
  readonly severity: string | undefined
}

/** Findings of ECR's own scan, and of Amazon Inspector's, where the account has it. */
function readFindings({ imageScanFindings }: DescribeImageScanFindingsResponse): Finding[] {
  const { findings = [], enhancedFindings = [] } = imageScanFindings ?? {}
  return [
    ...findings.map(({ name, severity }) => ({ name, severity })),
    ...enhancedFindings.map(({ packageVulnerabilityDetails, title, severity }) => ({
      name: packageVulnerabilityDetails?.vulnerabilityId ?? title,
      severity
    }))
  ]
}

async function scanFindings(ecr: ECRClient, repositoryName: string, imageDigest: string): Promise<Finding[]> {
  const imageId = { imageDigest }
  for (const started = Date.now(); Date.now() - started < SCAN_WITHIN; await pause(ASK_EVERY)) {
    try {
      const page = await ecr.send(new DescribeImageScanFindingsCommand({ repositoryName, imageId }))
      const { status, description } = page.imageScanStatus ?? {}
      // ACTIVE is a finished scan that Amazon Inspector goes on with, where the account has it.
      if (status === 'COMPLETE' || status === 'ACTIVE') {
        const findings = readFindings(page)
        for (let nextToken = page.nextToken; nextToken !== undefined; ) {
          const more = await ecr.send(
            new DescribeImageScanFindingsCommand({ repositoryName, imageId, nextToken })
          )
          findings.push(...readFindings(more))
          nextToken = more.nextToken
        }
        return findings
      }
      if (status !== 'IN_PROGRESS' && status !== 'PENDING') {
        throw new DeployError(
          `ECR cannot scan the image: ${status}, ${description}.`,
          'Amazon ECR, image scanning, lists the bases it knows; run it again if it was a passing fault.'
        )
      }
    } catch (error) {
      if (!(error instanceof ScanNotFoundException)) throw error
      await startScan(ecr, repositoryName, imageDigest)
    }
  }
  throw new DeployError('The scan of the image does not end.', 'Run the same command again in a while.')
}

async function startScan(ecr: ECRClient, repositoryName: string, imageDigest: string): Promise<void> {
  try {
    await ecr.send(new StartImageScanCommand({ repositoryName, imageId: { imageDigest } }))
  } catch (error) {
    // One scan a day of an image: the one of the push is on its way.
    if (!(error instanceof LimitExceededException)) throw error
  }
}
