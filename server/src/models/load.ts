import type { InferenceSession } from 'onnxruntime-node'
import { FEATURE_NAMES } from '../schemas/features.ts'
import { type Manifest, MODEL_NAMES, type ModelName } from '../schemas/manifest.ts'
import { ModelsError, readManifest, readModelFile } from './manifest.ts'
import { Model, openSession } from './model.ts'

/** All that the service answers with, loaded once. */
export interface Models {
  manifest: Manifest
  byName: Record<ModelName, Model>
  /** Release the sessions' memory. */
  close(): Promise<void>
}

/**
 * Load the models and prove each on its golden rows.
 *
 * @param folder - of manifest.json
 * @throws ModelsError in one sentence if anything is not as the manifest says
 */
export async function loadModels(folder: string): Promise<Models> {
  const manifest = await readManifest(folder)
  const entries = await Promise.all(
    MODEL_NAMES.map(async (name) => [name, await loadModel(folder, name, manifest)] as const)
  )
  return {
    manifest,
    byName: Object.fromEntries(entries) as Models['byName'],
    close: async () => {
      await Promise.all(entries.map(([, model]) => model.close()))
    }
  }
}

async function loadModel(folder: string, name: ModelName, manifest: Manifest): Promise<Model> {
  const { file, input } = manifest.models[name]
  const bytes = await readModelFile(folder, name, manifest)
  const session = await openSession(bytes).catch((error: Error) => {
    throw new ModelsError(`${file} is not a valid ONNX model: ${error.message}.`)
  })
  const model = new Model(session, input, manifest.classes)
  try {
    checkTensors(session, name, manifest)
    await selfTest(model, name, manifest)
  } catch (error) {
    await model.close()
    throw error
  }
  return model
}

function checkTensors(
  session: InferenceSession,
  name: ModelName,
  { models, classes, dataset }: Manifest
): void {
  const { file, input } = models[name]
  const [type, columns] = {
    features: ['float32', FEATURE_NAMES.length],
    times: ['float64', 2 * dataset.keys]
  }[input]
  const found = JSON.stringify([...session.inputMetadata, ...session.outputMetadata].map(describe))
  const scored = session.outputMetadata.find((tensor) => tensor.name === 'scores')
  const users = scored?.isTensor ? scored.shape[1] : undefined
  const expected = JSON.stringify([
    { name: input, type, shape: [null, columns] },
    { name: 'label', type: 'int64', shape: [null] },
    { name: 'scores', type: 'float32', shape: [null, users] }
  ])
  if (found !== expected) throw new ModelsError(`${file} has the tensors ${found}; expected ${expected}.`)
  if (users !== classes.length) {
    throw new ModelsError(`${file} scores ${users} users, and the manifest names ${classes.length}.`)
  }
}

function describe(tensor: InferenceSession.ValueMetadata): object {
  if (!tensor.isTensor) return { name: tensor.name }
  const shape = tensor.shape.map((size) => (typeof size === 'number' ? size : null))
  return { name: tensor.name, type: tensor.type, shape }
}

async function selfTest(model: Model, name: ModelName, manifest: Manifest): Promise<void> {
  const { golden, file, parity } = manifest.models[name]
  const answers = await model.run({ rows: golden.map(({ input }) => input), wantsScores: true })
  for (const [row, { userID, score }] of golden.entries()) {
    const { UserID, scores } = answers[row]!
    if (UserID !== userID) {
      throw new ModelsError(
        `${file} names user ${UserID} for golden row ${row}, and the manifest says ${userID}.`
      )
    }
    const found = scores[manifest.classes.indexOf(userID)]!
    // Written so that NaN is refused too.
    if (parity.maxScoreDifference !== null && !(Math.abs(found - score) <= parity.maxScoreDifference)) {
      throw new ModelsError(
        `${file} scores ${found} for user ${userID} in golden row ${row}, and the manifest says ${score}.`
      )
    }
  }
}
