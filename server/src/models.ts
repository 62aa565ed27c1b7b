import { InferenceSession } from 'onnxruntime-node'
import { Batcher } from './batcher.ts'
import { ModelsError, readManifest, readModelFile } from './manifest.ts'
import { type Model, type Prediction, predict, type Question } from './predict.ts'
import type { Recognizer } from './recognize.ts'
import { type Features, type Manifest, MODEL_NAMES, type ModelName, SERIES, type Typing } from './schemas.ts'
import { scoreQuestions, scoreTypings, type TypingModel } from './typing-model.ts'

/** What rounding to float32 explains; the notebook's `MAX_SCORE_DIFFERENCE`. */
const MAX_SCORE_DIFFERENCE = 1e-3

/** Requests answered together; with this many, one more saves nothing, and the first have waited 1 ms. */
const MAX_BATCH = 64

// Its Linux and macOS packages otherwise tell their maker of every session. Read when the first one is made.
process.env.ORT_DISABLE_TELEMETRY = '1'

/** All that the service answers with, loaded once. */
export interface Models {
  manifest: Manifest
  /** For many typings at once. */
  byName: Record<ModelName, Model>
  /** For a typing at a time: those that arrive together share a run. */
  batchers: Record<ModelName, Batcher<Question, Prediction>>
  /** From raw times to a score for every user; who asks at the same time shares a run. */
  typing: Recognizer
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
  const typing = await loadTypingModel(folder, manifest)
  const batchers = entries.map(
    ([name, model]) =>
      [name, new Batcher((questions: Question[]) => predict(model, questions), MAX_BATCH)] as const
  )
  return {
    manifest,
    byName: Object.fromEntries(entries) as Models['byName'],
    batchers: Object.fromEntries(batchers) as Models['batchers'],
    typing: toRecognizer(typing),
    close: async () => {
      await Promise.all(
        [typing, ...entries.map(([, model]) => model)].map(({ session }) => session.release())
      )
    }
  }
}

/** Have all who ask a typing model at the same time share a run. */
export function toRecognizer(model: TypingModel): Recognizer {
  const batcher = new Batcher(
    (questions: (readonly Typing[])[]) => scoreQuestions(model, questions),
    MAX_BATCH
  )
  return {
    classes: model.classes,
    decisions: model.decisions,
    score: (typings, isCancelled) => batcher.ask(typings, isCancelled)
  }
}

async function loadModel(folder: string, name: ModelName, manifest: Manifest): Promise<Model> {
  const session = await open(await readModelFile(folder, name, manifest), manifest.models[name].file)
  const model = { session, classes: manifest.classes }
  try {
    checkTensors(session, manifest.models[name], manifest)
    await selfTest(model, name, manifest)
  } catch (error) {
    await session.release()
    throw error
  }
  return model
}

async function loadTypingModel(folder: string, manifest: Manifest): Promise<TypingModel> {
  const entry = manifest.typingModel
  const session = await open(await readModelFile(folder, 'typing', manifest), entry.file)
  const model = { session, classes: manifest.classes, decisions: entry.decisions }
  try {
    checkTensors(session, entry, manifest)
    await selfTestTyping(model, manifest)
  } catch (error) {
    await session.release()
    throw error
  }
  return model
}

async function open(bytes: Buffer, file: string): Promise<InferenceSession> {
  try {
    // One thread: a row takes tens of microseconds, and sums keep the order that parity was proved in.
    return await InferenceSession.create(bytes, { intraOpNumThreads: 1, interOpNumThreads: 1 })
  } catch (error) {
    throw new ModelsError(`${file} is no model: ${(error as Error).message}.`)
  }
}

type Entry = Pick<Manifest['typingModel'], 'file' | 'input' | 'outputs'>

function checkTensors(session: InferenceSession, { file, input, outputs }: Entry, manifest: Manifest): void {
  const found = JSON.stringify([...session.inputMetadata, ...session.outputMetadata].map(describe))
  const said = JSON.stringify([input, ...outputs])
  if (found !== said)
    throw new ModelsError(`${file} has the tensors ${found}, and the manifest says ${said}.`)
  const scored = outputs.at(-1)!.shape[1]
  if (scored !== manifest.classes.length) {
    throw new ModelsError(
      `${file} scores ${scored} users, and the manifest names ${manifest.classes.length}.`
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

async function selfTestTyping(model: TypingModel, manifest: Manifest): Promise<void> {
  const { golden, file } = manifest.typingModel
  const scores = await scoreTypings(
    model,
    golden.map(({ press, release }) => ({ Press: press, Release: release }))
  )
  for (const [row, { userID, score }] of golden.entries()) {
    const found = Math.max(...scores[row]!)
    const named = model.classes[scores[row]!.indexOf(found)]
    // Written so that NaN is refused too.
    if (named !== userID || !(Math.abs(found - score) <= MAX_SCORE_DIFFERENCE)) {
      throw new ModelsError(
        `${file} scores ${found} for user ${named} in golden row ${row}, and the manifest says ${score} for ${userID}.`
      )
    }
  }
}

function fromRow(row: readonly number[]): Features {
  const entries = SERIES.map((series, i) => [series, { Mean: row[2 * i]!, STD: row[2 * i + 1]! }])
  return Object.fromEntries(entries) as Features
}
