/** The thread of `HealthListener`. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parentPort, workerData } from 'node:worker_threads'
import { limitConnections } from './connections.ts'
import { beatsOf, stateOf } from './health.ts'
import type { HealthWorkerData, HealthWorkerMessage } from './health-listener.ts'

/** Without a sign of life for so long the main thread hangs, ms. The longest that it computes at once is some 20 ms. */
const LONGEST_SILENCE = 10_000

/** Between two looks for signs of life, ms. */
const LOOK = 500

/** For a request, ms, and connections at a time: checks are small and few. */
const LIMITS = { requestTimeout: 5_000, headersTimeout: 5_000, connectionsCheckingInterval: 1_000 }
const CONNECTIONS = 100

const { host, port, shared } = workerData as HealthWorkerData
const say = (message: HealthWorkerMessage) => parentPort!.postMessage(message)

let beats = beatsOf(shared)
let heard = performance.now()
setInterval(() => {
  if (beatsOf(shared) === beats) return
  beats = beatsOf(shared)
  heard = performance.now()
}, LOOK)

const server = createServer(LIMITS, ({ method, url = '' }, response) => {
  const isStuck = performance.now() - heard > LONGEST_SILENCE
  const state = stateOf(shared)
  const answers: Record<string, [isGood: boolean, status: string]> = {
    '/health/live': [!isStuck, isStuck ? 'stuck' : 'alive'],
    '/health/ready': [!isStuck && state === 'ready', isStuck ? 'stuck' : state]
  }
  const answer = method === 'GET' || method === 'HEAD' ? answers[url] : undefined
  response.setHeader('content-type', 'application/json; charset=utf-8')
  // No connection outlives its check.
  response.setHeader('connection', 'close')
  if (answer === undefined) {
    response.writeHead(404).end()
    return
  }
  const [isGood, status] = answer
  response.writeHead(isGood ? 200 : 503).end(JSON.stringify({ status }))
})
limitConnections(server, { connections: CONNECTIONS, lookTime: LIMITS.connectionsCheckingInterval })
server.on('error', ({ message, code }: NodeJS.ErrnoException) => say({ message, code }))
server.listen({ host, port }, () => say({ port: (server.address() as AddressInfo).port }))
