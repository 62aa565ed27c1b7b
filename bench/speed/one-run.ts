/** This service with a run for each request, on the converters' plain export: node bench/speed/one-run.ts FOLDER PORT. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { InferenceSession } from 'onnxruntime-node'
import { buildApp } from '../../server/src/app.ts'
import type { Models } from '../../server/src/models/load.ts'
import { readManifest } from '../../server/src/models/manifest.ts'
import { Model, type Question } from '../../server/src/models/model.ts'
import { CLASSIFIER_NAMES } from '../../server/src/schemas/predict.ts'

const [folder, port] = process.argv.slice(2) as [string, string]

/** Shares no run. */
class Alone extends Model {
  override ask(question: Question) {
    return this.run(question)
  }
}

async function load(): Promise<Models> {
  const manifest = await readManifest(join(folder, 'models'))
  const entries = await Promise.all(
    CLASSIFIER_NAMES.map(async (name) => {
      const bytes = await readFile(join(folder, `${name}.onnx`))
      const options = { intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 3 } as const
      const session = await InferenceSession.create(bytes, options)
      return [name, new Alone(session, 'features', { classes: manifest.classes, templates: {} })] as const
    })
  )
  // What POST /predict asks for, and no more.
  return { manifest, byName: Object.fromEntries(entries), close: async () => {} } as unknown as Models
}

const models = load()
const app = await buildApp({ models })
await models
await app.listen({ host: '127.0.0.1', port: Number(port) })
