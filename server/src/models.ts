import { InferenceSession } from 'onnxruntime-node'
import { Batcher } from './batcher.ts'
import { ModelsError, readManifest, readModelFile } from './manifest.ts'
import { MAX_ROWS_PER_RUN, type Model, type Prediction, predict, type Question, run } from './predict.ts'
import { type Features, type Manifest, MODEL_NAMES, type ModelName, SERIES } from './schemas.ts'

// Its Linux and macOS packages otherwise tell their maker of every session. Read when the first one is made.
process.env.ORT_DISABLE_TELEMETRY = '1'

/** All that the service answers with, loaded once. */
export interface Models {
  manifest: Manifest
  /** For many typings at once. */
  byName: Record<ModelName, Model>
  /** For a typing at a time: those that arrive together share a run. */
  batchers: Record<ModelName, Batcher<Question, Prediction>>
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
  const batchers = entries.map(
    ([name, model]) =>
      [name, new Batcher((questions: Question[]) => run(model, questions), MAX_ROWS_PER_RUN)] as const
  )
  return {
    manifest,
    byName: Object.fromEntries(entries) as Models['byName'],
    batchers: Object.fromEntries(batchers) as Models['batchers'],
    close: async () => {
      await Promise.all(entries.map(([, model]) => model.session.release()))
    }
  }
}

async function loadModel(folder: string, name: ModelName, manifest: Manifest): Promise<Model> {
  const bytes = await readModelFile(folder, name, manifest)
  let session: InferenceSession
  try {
    // One thread: a row takes tens of microseconds, and sums keep the order that parity was proved in.
    session = await InferenceSession.create(bytes, { intraOpNumThreads: 1, interOpNumThreads: 1 })
  } catch (error) {
    throw new ModelsError(`${manifest.models[name].file} is no model: ${(error as Error).message}.`)
  }
  const model = { session, classes: manifest.classes }
  try {
    checkTensors(session, name, manifest)
    await selfTest(model, name, manifest)
  } catch (error) {
    await session.release()
    throw error
  }
  return model
}

function checkTensors(session: InferenceSession, name: ModelName, manifest: Manifest): void {
  const { file, input, outputs } = manifest.models[name]
  const found = JSON.stringify([...session.inputMetadata, ...session.outputMetadata].map(describe))
  const said = JSON.stringify([input, ...outputs])
  if (found !== said)
    throw new ModelsError(`${file} has the tensors ${found}, and the manifest says ${said}.`)
  if (outputs[1]!.shape[1] !== manifest.classes.length) {
    throw new ModelsError(
      `${file} scores ${outputs[1]!.shape[1]} users, and the manifest names ${manifest.classes.length}.`
    )
  }
}

function describe(tensor: InferenceSession.ValueMetadata): object {
  if (!tensor.isTensor) return { name: tensor.name }
  const shape = tensor.shape.map((size) => (typeof size === 'number' ? size : null))
  return { name: tensor.name, type: tensor.type, shape }
}

async function selfTest(model: Model, name: ModelName, manifest: Manifest): Promise<void> {
  const { golden, file } = manifest.models[name]
  const predictions = await predict(
    model,
    golden.map(({ features }) => ({ features: fromRow(features) }))
  )
  for (const [row, { userID }] of golden.entries()) {
    const named = predictions[row]!.UserID
    if (named !== userID) {
      throw new ModelsError(
        `${file} names user ${named} for golden row ${row}, and the manifest says ${userID}.`
      )
    }
  }
}

function fromRow(row: readonly number[]): Features {
  const entries = SERIES.map((series, i) => [series, { Mean: row[2 * i]!, STD: row[2 * i + 1]! }])
  return Object.fromEntries(entries) as Features
}
