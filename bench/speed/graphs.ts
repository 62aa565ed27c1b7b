/** What ONNX Runtime takes by itself, as JSON: node graphs.ts FOLDER. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readManifest } from '../../server/src/models/manifest.ts'
import { FEATURE_NAMES } from '../../server/src/schemas/features.ts'
import { CLASSIFIER_NAMES } from '../../server/src/schemas/predict.ts'

const RUNS = 300
const ROWS = [1, 16, 32] as const

const rss = () => process.memoryUsage.rss() / 1024 ** 2
const before = rss()
const { InferenceSession, Tensor } = await import('onnxruntime-node')
const [folder] = process.argv.slice(2) as [string]
const manifest = await readManifest(join(folder, 'models'))
const {
  inputs: { features }
} = JSON.parse(await readFile(join(folder, 'requests.json'), 'utf8')) as {
  inputs: { features: number[][] }
}

const graphs: { model: string; export: string; rows: number; microseconds: number }[] = []
const sessions = []
for (const model of CLASSIFIER_NAMES)
  sessions.push([model, 'own', await open(join('models', manifest.models[model].file))] as const)
const memory = rss() - before
for (const model of CLASSIFIER_NAMES) sessions.push([model, 'plain', await open(`${model}.onnx`)] as const)

for (const [model, kind, session] of sessions) {
  for (const rows of ROWS) {
    const times: number[] = []
    for (let run = 0; run < RUNS; run++) {
      const batch = Array.from({ length: rows }, (_, row) => features[(run * rows + row) % features.length]!)
      const input = new Tensor('float32', Float32Array.from(batch.flat()), [rows, FEATURE_NAMES.length])
      const started = performance.now()
      await session.run({ features: input }, ['label'])
      times.push(performance.now() - started)
    }
    const median = times.sort((a, b) => a - b)[RUNS / 2]!
    graphs.push({ model, export: kind, rows, microseconds: (1000 * median) / rows })
  }
}
console.log(JSON.stringify({ graphs, memory }))

async function open(file: string) {
  const options = { intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 3 } as const
  return InferenceSession.create(await readFile(join(folder, file)), options)
}
