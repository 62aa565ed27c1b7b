/** One bounded load, its result as JSON: node autocannon.ts URL FOLDER QUESTION CONNECTIONS SECONDS. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import autocannon from 'autocannon'
import { toFeatures } from '../../server/src/typings/rows.ts'

const [url, folder, question, connections, seconds] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string
]
const { features, typings } = JSON.parse(await readFile(join(folder, 'requests.json'), 'utf8')) as {
  features: number[][]
  typings: { Press: number[]; Release: number[] }[]
}
const bodies =
  question === 'identify'
    ? typings.map((typing) => ({ Typings: [typing] }))
    : features.map((row) => ({ Model: question, ...toFeatures(row) }))
const requests = bodies.map((body) => ({
  method: 'POST' as const,
  path: question === 'identify' ? '/identify' : '/predict',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body)
}))

const result = await autocannon({
  url,
  connections: Number(connections),
  duration: Number(seconds),
  requests
})
const { latency, errors, timeouts, non2xx } = result
console.log(
  JSON.stringify({
    requests: result['2xx'],
    seconds: result.duration,
    failed: errors + timeouts + non2xx,
    p50: latency.p50,
    p99: latency.p99,
    mean: latency.average
  })
)
