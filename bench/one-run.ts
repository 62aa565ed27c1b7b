/** This service with a run for each request, on the converters' plain export: node bench/one-run.ts FOLDER PORT. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { InferenceSession } from 'onnxruntime-node'
import { buildApp } from '../server/src/app.ts'
import { readManifest } from '../server/src/manifest.ts'
import type { Models } from '../server/src/models.ts'
import { predict, type Question } from '../server/src/predict.ts'
import { MODEL_NAMES } from '../server/src/schemas.ts'

const [folder, port] = process.argv.slice(2) as [string, string]

async function load(): Promise<Models> {
  const manifest = await readManifest(join(folder, 'models'))
  const entries = await Promise.all(
    MODEL_NAMES.map(async (name) => {
      const bytes = await readFile(join(folder, `${name}.onnx`))
      const options = { intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 3 } as const
      return [
        name,
        { session: await InferenceSession.create(bytes, options), classes: manifest.classes }
      ] as const
    })
  )
  const alone = entries.map(([name, model]) => {
    const ask = async (question: Question) => (await predict(model, [question]))[0]!
    return [name, { ask }] as const
  })
  // What POST /predict asks for, and no more.
  return { manifest, batchers: Object.fromEntries(alone), close: async () => {} } as unknown as Models
}

const models = load()
const app = await buildApp({ models })
await models
await app.listen({ host: '127.0.0.1', port: Number(port) })
