import { request as http } from 'node:http'
import { request as https } from 'node:https'
import { text } from 'node:stream/consumers'
import { goldenRequests } from '../../server/src/models/golden.ts'
import type { UserID } from '../../server/src/schemas/common.ts'
import { type Manifest, MODEL_NAMES } from '../../server/src/schemas/manifest.ts'
import { DeployError } from './steps.ts'

/** A new load balancer's name takes up to a few minutes to be known everywhere, ms. */
const ANSWERS_WITHIN = 5 * 60_000
const ASK_EVERY = 3_000

/** Longest that one request may take, ms. */
const REQUEST_TIMEOUT = 10_000

/** Node.js sends none by itself, and a firewall with AWS's common rules refuses requests without one. */
const USER_AGENT = 'keystroke-smoke-test'

export interface Target {
  /** What clients call. */
  readonly url: string
  /** Host that answers; of a domain whose DNS entry is still to be made, the load balancer's. */
  readonly host: string
  readonly apiKey: string
  readonly adminKey: string
}

interface Answer {
  readonly status: number
  readonly body: string
}

/**
 * Ask the service for predictions whose UserID is known, and for a user who is not.
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
  const admin = { ...target, apiKey: target.adminKey }
  const others: string[] = []
  for (const name of MODEL_NAMES) {
    const golden = goldenRequests(manifest, name)[0]!
    // Calling keys do not identify.
    const { status, body } = await ask(
      golden.path === '/identify' ? admin : target,
      'POST',
      golden.path,
      golden.body
    )
    if (status !== 200) throw failed(`${name}: ${golden.path} answers ${status}: ${body}`)
    const { UserID } = JSON.parse(body) as { UserID: UserID }
    if (!same || UserID === golden.UserID) continue
    // Users may have been enrolled and deleted since the training.
    if (!manifest.classes.includes(UserID)) others.push(`${name} names ${UserID}, who was enrolled`)
    else if (name === 'typing' && !(await isUser(admin, golden.UserID))) {
      others.push(`${name} names ${UserID}, for ${golden.UserID} was deleted`)
    } else throw failed(`${name}: ${golden.path} answers UserID ${UserID}; expected ${golden.UserID}.`)
  }
  // To answer, the service has to take the administrator's key and to read the table.
  await isUser(admin, 'nobody')
  return same
    ? [`${MODEL_NAMES.join(', ')} each name the UserID that the manifest does`, ...others].join('; but ')
    : `${MODEL_NAMES.join(', ')} each answer; they are other models than those in models/`
}

/** @throws DeployError if the service cannot say */
async function isUser(admin: Target, userID: UserID): Promise<boolean> {
  const { status, body } = await ask(admin, 'GET', `/users/${encodeURIComponent(userID)}`)
  if (status !== 200 && status !== 404) throw failed(`/users/${userID} answers ${status}: ${body}`)
  return status === 200
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
        headers: {
          host: name,
          'user-agent': USER_AGENT,
          'x-api-key': apiKey,
          ...(body && { 'content-type': 'application/json' })
        }
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
