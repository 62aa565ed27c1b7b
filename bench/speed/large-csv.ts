/** How others fare while one client's CSV of 100,000 rows is answered. */
import { request } from 'node:http'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'

export interface LargeCsv {
  model: string
  rowsPerSecond: number
  /** Of /health/live, asked every 5 ms, in ms. */
  healthP50: number
  healthP99: number
  healthMost: number
  /** Single predictions answered meanwhile, one after another. */
  predictionsPerSecond: number
}

/**
 * Post a large CSV and ask for health and single predictions until it is answered.
 *
 * @param url - of the service
 * @param lines - of a CSV of typings, the header first; its rows are sent over and over
 * @param rows - to send
 * @param body - of a single prediction
 */
export async function measureLargeCsv(
  url: string,
  model: string,
  lines: string[],
  rows: number,
  body: string
): Promise<LargeCsv> {
  const [header, ...typings] = lines
  const chunk = `${typings.join('\n')}\n`
  const started = performance.now()
  let over = false
  const upload = request(`${url}/predict/batch?Model=${model}`, {
    method: 'POST',
    headers: { 'content-type': 'text/csv' }
  })
  const answered = new Promise<void>((resolve, reject) => {
    upload.on('error', reject)
    upload.on('response', (response) => {
      response.on('error', reject)
      response.on('end', resolve)
      response.resume()
    })
  }).finally(() => {
    over = true
  })
  const body100k = function* () {
    yield `${header}\n`
    for (let sent = 0; sent < rows; sent += typings.length) yield chunk
  }
  Readable.from(body100k()).pipe(upload)

  const health: number[] = []
  const askHealth = async () => {
    while (!over) {
      const asked = performance.now()
      await (await fetch(`${url}/health/live`)).arrayBuffer()
      health.push(performance.now() - asked)
      await sleep(5)
    }
  }
  let predictions = 0
  const predict = async () => {
    while (!over) {
      const headers = { 'content-type': 'application/json' }
      const response = await fetch(`${url}/predict`, { method: 'POST', headers, body })
      if (!response.ok) throw new Error(`/predict answered ${response.status}`)
      await response.arrayBuffer()
      predictions++
    }
  }
  await Promise.all([answered, askHealth(), predict()])
  const seconds = (performance.now() - started) / 1000
  health.sort((a, b) => a - b)
  return {
    model,
    rowsPerSecond: rows / seconds,
    healthP50: health[Math.floor(health.length * 0.5)]!,
    healthP99: health[Math.floor(health.length * 0.99)]!,
    healthMost: health.at(-1)!,
    predictionsPerSecond: predictions / seconds
  }
}
