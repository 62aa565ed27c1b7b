/** Health checks, each over a connection of its own as a load balancer's are; the result as JSON: node probe.ts URL SECONDS. */
import { urlToHttpOptions } from 'node:url'
import { quantile, send } from '../load.ts'
import type { Probed } from './kinds.ts'

/** Between two checks, and for an answer, ms. */
const INTERVAL = 50
const PATIENCE = 3_000

const [url, seconds] = process.argv.slice(2) as [string, string]
const latencies: number[] = []
let asked = 0
let failed = 0
const timer = setInterval(async () => {
  asked++
  const started = performance.now()
  const answer = await send({ ...urlToHttpOptions(new URL(url)), agent: false, timeout: PATIENCE }).catch(
    () => undefined
  )
  if (answer?.status === 200) latencies.push(performance.now() - started)
  else failed++
}, INTERVAL)
setTimeout(() => {
  clearInterval(timer)
  setTimeout(() => {
    console.log(
      JSON.stringify({
        asked,
        failed,
        p50: quantile(latencies, 0.5),
        p99: quantile(latencies, 0.99)
      } satisfies Probed)
    )
    process.exit()
  }, PATIENCE + 100)
}, 1000 * Number(seconds))
