import { Agent, type IncomingHttpHeaders, type RequestOptions, request } from 'node:http'
import { goldenRequests } from '../server/src/models/golden.ts'
import { readManifest } from '../server/src/models/manifest.ts'
import type { ClassifierName } from '../server/src/schemas/predict.ts'

/** A prediction whose answer is known. */
export interface Question {
  body: string
  userID: number | string
}

/** The models' own golden rows, as requests. */
export async function readQuestions(models: string, model: ClassifierName): Promise<Question[]> {
  const manifest = await readManifest(models)
  return goldenRequests(manifest, model).map(({ body, UserID }) => {
    return { body: JSON.stringify(body), userID: UserID }
  })
}

export interface Load {
  /** End it; the requests under way are waited for. */
  stop(): void
  /** Requests answered as they should be, so far. */
  answered: number
  /** What went wrong, a line for each request that was not. */
  failed: string[]
  /** Time of each answered request, ms. */
  latencies: number[]
  over: Promise<void>
}

/**
 * Ask POST /predict over and over, each connection one request at a time, until stopped.
 *
 * @param connections - kept alive as long as the other side keeps them
 */
export function startLoad(port: number, connections: number, questions: readonly Question[]): Load {
  let stopped = false
  const load: Load = {
    stop: () => {
      stopped = true
    },
    answered: 0,
    failed: [],
    latencies: [],
    over: Promise.resolve()
  }
  const workers = Array.from({ length: connections }, async (_, worker) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    for (let i = worker; !stopped; i++) {
      const question = questions[i % questions.length]!
      const started = performance.now()
      const fault = await ask(port, agent, question).catch((error: Error) => error.message)
      if (fault === undefined) {
        load.answered++
        load.latencies.push(performance.now() - started)
      } else load.failed.push(fault)
    }
    agent.destroy()
  })
  load.over = Promise.all(workers).then(() => {})
  return load
}

/** @returns what is wrong with the answer; undefined if nothing is */
async function ask(port: number, agent: Agent, { body, userID }: Question): Promise<string | undefined> {
  const headers = { 'content-type': 'application/json' }
  const answer = await send({ port, path: '/predict', method: 'POST', agent, headers }, body)
  if (answer.status !== 200) return `${answer.status} ${answer.text.slice(0, 200)}`
  const named = JSON.parse(answer.text).UserID
  return named === userID ? undefined : `named user ${named}, and not ${userID}`
}

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  text: string
}

/** Ask a server on this machine, and read its answer to the end; an error if there is none in time, 10 s by default. */
export function send(options: RequestOptions, body?: string | Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', timeout: 10_000, ...options }, (incoming) => {
      let text = ''
      incoming.setEncoding('utf8')
      incoming.on('data', (chunk) => {
        text += chunk
      })
      incoming.on('error', reject)
      incoming.on('end', () => resolve({ status: incoming.statusCode!, headers: incoming.headers, text }))
    })
    outgoing.on('timeout', () => outgoing.destroy(new Error('no answer in time')))
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

/** The value below which a share of the values lies. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
}
