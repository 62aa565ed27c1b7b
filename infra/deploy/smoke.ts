import { request as http } from 'node:http'
import { request as https } from 'node:https'
import { text } from 'node:stream/consumers'
import { goldenRequest } from '../../server/src/models/golden.ts'
import { type Manifest, MODEL_NAMES } from '../../server/src/schemas/manifest.ts'
import { DeployError } from './steps.ts'

/** A new load balancer's name takes up to a few minutes to be known everywhere, ms. */
const ANSWERS_WITHIN = 5 * 60_000
const ASK_EVERY = 3_000

/** Longest that one request may take, ms. */
const REQUEST_TIMEOUT = 10_000

export interface Target {
  /** What clients call. */
  readonly url: string
  /** Host that answers; of a domain whose DNS entry is still to be made, the load balancer's. */
  readonly host: string
  readonly apiKey: string
}

interface Answer {
  readonly status: number
  readonly body: string
}

/**
 * Ask the service for predictions whose UserID is known.
 *
 * @param manifest - of the models it is to serve
 * @param serves - whether it must serve these very models; after a rollback it may serve older ones
 * @returns what was seen, in words
 * @throws DeployError if it does not answer, or answers otherwise
 */
export async function smokeTest(
  target: Target,
  manifest: Manifest,
  serves: 'these' | 'any'
): Promise<string> {
  await ready(target)
  const models = await ask(target, 'GET', '/models')
  const served = models.status === 200 ? (JSON.parse(models.body) as Manifest).models : undefined
  const same =
    served !== undefined && MODEL_NAMES.every((name) => served[name]?.sha256 === manifest.models[name].sha256)
  if (!same && serves === 'these') {
    throw failed(`${target.url}/models answers ${models.status} and not with the models of models/.`)
  }
  for (const name of MODEL_NAMES) {
    const golden = goldenRequest(manifest, name)
    const { status, body } = await ask(target, 'POST', golden.path, golden.body)
    if (status !== 200) throw failed(`${name}: ${golden.path} answers ${status}: ${body}`)
    const { UserID } = JSON.parse(body) as { UserID: unknown }
    if (same && UserID !== golden.UserID) {
      throw failed(`${name}: ${golden.path} answers UserID ${UserID}; expected ${golden.UserID}.`)
    }
  }
  return same
    ? `${MODEL_NAMES.join(', ')} each name the UserID that the manifest does`
    : `${MODEL_NAMES.join(', ')} each answer; they are other models than those in models/`
}

function failed(why: string): DeployError {
  return new DeployError(
    `The service is up and does not do what it should. ${why}`,
    'npm run deploy -- rollback goes back to the image before.'
  )
}

async function ready(target: Target): Promise<void> {
  let last = 'nothing'
  for (const started = Date.now(); Date.now() - started < ANSWERS_WITHIN; ) {
    try {
      const { status, body } = await ask(target, 'GET', '/health/ready')
      if (status === 200) return
      last = `${status}: ${body.slice(0, 500)}`
    } catch (error) {
      last = (error as Error).message
    }
    await new Promise((next) => setTimeout(next, ASK_EVERY))
  }
  throw new DeployError(
    `${target.url}/health/ready does not answer with 200 (${last}).`,
    'See the tasks’ log (aws logs tail) and the service’s events; npm run deploy -- rollback goes back.'
  )
}

function ask({ url, host, apiKey }: Target, method: string, path: string, body?: object): Promise<Answer> {
  const { protocol, hostname, port, host: name } = new URL(url)
  const request = protocol === 'https:' ? https : http
  return new Promise((resolve, reject) => {
    const asked = request(
      {
        host,
        port: port || (protocol === 'https:' ? 443 : 80),
        // The certificate is the domain's, whichever address is called.
        servername: hostname,
        method,
        path,
        timeout: REQUEST_TIMEOUT,
        headers: { host: name, 'x-api-key': apiKey, ...(body && { 'content-type': 'application/json' }) }
      },
      (response) => {
        text(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject)
      }
    )
    asked.on('timeout', () => asked.destroy(new Error(`no answer within ${REQUEST_TIMEOUT / 1000} s`)))
    asked.on('error', reject)
    asked.end(body && JSON.stringify(body))
  })
}
