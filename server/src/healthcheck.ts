/** The container's health check: ends with 0 if the service on this machine is ready, and with 1 if not. */
import { isIPv6 } from 'node:net'
import { readConfig } from './config.ts'

const ANYWHERE: Record<string, string> = { '0.0.0.0': '127.0.0.1', '::': '::1' }

const { HOST, PORT, HEALTH_PORT = PORT } = readConfig()
const host = ANYWHERE[HOST] ?? HOST
const url = `http://${isIPv6(host) ? `[${host}]` : host}:${HEALTH_PORT}/health/ready`
const response = await fetch(url).catch((error: Error) => error)
if (response instanceof Error) {
  process.stdout.write(`${url} does not answer: ${(response.cause as Error | undefined)?.message}\n`)
  process.exitCode = 1
} else {
  process.stdout.write(`${await response.text()}\n`)
  process.exitCode = response.ok ? 0 : 1
}
