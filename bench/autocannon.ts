/** One bounded load, its result as JSON: node autocannon.ts URL FOLDER MODEL CONNECTIONS SECONDS. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import autocannon from 'autocannon'

const [url, folder, model, connections, seconds] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string
]
const { features } = JSON.parse(await readFile(join(folder, 'requests.json'), 'utf8')) as {
  features: number[][]
}
const requests = features.map(([a, b, c, d, e, f, g, h]) => ({
  method: 'POST' as const,
  path: '/predict',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({
    Model: model,
    HT: { Mean: a, STD: b },
    PPT: { Mean: c, STD: d },
    RRT: { Mean: e, STD: f },
    RPT: { Mean: g, STD: h }
  })
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
