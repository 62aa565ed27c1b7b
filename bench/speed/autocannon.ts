/** One bounded load, its result as JSON: node autocannon.ts URL FOLDER MODEL CONNECTIONS SECONDS. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import autocannon from 'autocannon'
import { toRequest } from '../../server/src/models/golden.ts'
import type { Input } from '../../server/src/schemas/manifest.ts'

const [url, folder, model, connections, seconds] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string
]
const { inputs } = JSON.parse(await readFile(join(folder, 'requests.json'), 'utf8')) as {
  inputs: Record<Input, number[][]>
}
const input = model === 'typing' ? 'times' : 'features'
const requests = inputs[input].map((row) => {
  const { path, body } = toRequest(model, input, row)
  const headers = { 'content-type': 'application/json' }
  return { method: 'POST' as const, path, headers, body: JSON.stringify(body) }
})

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
