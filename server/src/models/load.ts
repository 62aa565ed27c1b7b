import type { InferenceSession, Tensor } from 'onnxruntime-node'
import { FEATURE_NAMES } from '../schemas/features.ts'
import type { Manifest, ModelFile, ModelName } from '../schemas/manifest.ts'
import { CLASSIFIER_NAMES, type ClassifierName } from '../schemas/predict.ts'
import { Enrollment, TEMPLATE_ROWS } from './enrollment.ts'
import { Templates, type UserGallery } from './gallery.ts'
import { checkGolden, goldenRows } from './golden.ts'
import { ModelsError, readManifest, readModelFile } from './manifest.ts'
import { type Answer, Model, openSession } from './model.ts'
import { TypingModel } from './typing-model.ts'

/** All that the service answers with, loaded once. */
export interface Models {
  manifest: Manifest
  byName: Record<ClassifierName, Model> & { typing: TypingModel }
  /** Of the typing model’s users, who may become more. */
  templates: Templates
  /** Makes templates. */
  enrollment: Enrollment
  /** Release the sessions' memory. */
  close(): Promise<void>
}

/** Largest difference of a template's number to the golden one, of its size; float32 has 1e-7. */
const MAX_TEMPLATE_DIFFERENCE = 1e-5

/**
 * Load the models and prove each on its golden rows.
 *
 * @param folder - of manifest.json
 * @throws ModelsError in one sentence if anything is not as the manifest says
 */
export async function loadModels(folder: string): Promise<Models> {
  const manifest = await readManifest(folder)
  const templates = await loadTemplates(folder, manifest)
  const [enrollment, typing, ...classifiers] = await Promise.all([
    loadEnrollment(folder, manifest),
    loadTyping(folder, manifest, templates.gallery()),
    ...CLASSIFIER_NAMES.map((name) => loadClassifier(folder, name, manifest))
  ])
  const byName = Object.fromEntries(CLASSIFIER_NAMES.map((name, i) => [name, classifiers[i]!]))
  return {
    manifest,
    byName: { ...(byName as Record<ClassifierName, Model>), typing },
    templates,
    enrollment,
    close: async () => {
      await Promise.all([enrollment, typing, ...classifiers].map((each) => each.close()))
    }
  }
}

async function open(folder: string, entry: ModelFile): Promise<InferenceSession> {
  const bytes = await readModelFile(folder, entry)
  return openSession(bytes).catch((error: Error) => {
    throw new ModelsError(`${entry.file} is not a valid ONNX model: ${sentence(error)}.`)
  })
}

/** The first line of what ONNX Runtime says, which may go on with where in its code. */
const sentence = ({ message }: Error): string => message.split('\n')[0]!.replace(/\.*\s*$/, '')

/** Wait for what a file is proved by; it may load and yet fail when it is run. */
function running<T>(file: string, answers: Promise<T>): Promise<T> {
  return answers.catch((error: Error) => {
    throw new ModelsError(`${file} cannot be run: ${sentence(error)}.`)
  })
}

async function loadClassifier(folder: string, name: ClassifierName, manifest: Manifest): Promise<Model> {
  const entry = manifest.models[name]
  const session = await open(folder, entry)
  const model = new Model(session, 'features', { classes: manifest.classes, templates: {} })
  return proved(model, async () => {
    checkTensors(session, name, manifest)
    checkGolden(manifest, name, await running(entry.file, model.run(goldenQuestion(manifest, name))))
  })
}

async function loadTyping(folder: string, manifest: Manifest, gallery: UserGallery): Promise<TypingModel> {
  const { typing } = manifest.models
  const [session, shortlist] = await Promise.all([open(folder, typing), open(folder, typing.shortlist)])
  const model = new TypingModel(session, shortlist, gallery)
  return proved(model, async () => {
    checkTensors(session, 'typing', manifest)
    expectTensors(shortlist, typing.shortlist.file, [
      timesTensor(manifest),
      ...templateTensors(manifest),
      { name: 'also', type: 'int64', shape: [null, null] },
      { name: 'scores', type: 'float32', shape: [null, null] },
      { name: 'users', type: 'int64', shape: [null, null] }
    ])
    const question = goldenQuestion(manifest, 'typing')
    const answers = await running(typing.file, model.run(question, gallery))
    checkGolden(manifest, 'typing', answers)
    const shortlisted = await running(typing.shortlist.file, model.runShortlisted(question))
    checkShortlist(typing, answers, shortlisted)
  })
}

const goldenQuestion = (manifest: Manifest, name: ModelName) => ({
  rows: goldenRows(manifest, name),
  wantsScores: true
})

/** Hold what the shortlist answers against what the model answers of all users. */
function checkShortlist(
  { shortlist: { file }, parity }: Manifest['models']['typing'],
  answers: readonly Answer<UserGallery>[],
  shortlisted: readonly Answer<UserGallery>[]
): void {
  for (const [row, { UserID, scores, gallery }] of shortlisted.entries()) {
    const all = answers[row]!
    if (UserID !== all.UserID) {
      throw new ModelsError(`${file} names user ${UserID} for golden row ${row}; expected ${all.UserID}.`)
    }
    for (const [i, user] of gallery.classes.entries()) {
      const expected = all.scores[all.gallery.classOf(user)!]!
      // Written so that NaN is refused too.
      if (!(Math.abs(scores[i]! - expected) <= parity.maxScoreDifference!)) {
        throw new ModelsError(
          `${file} scores ${scores[i]} for user ${user} in golden row ${row}; expected ${expected}.`
        )
      }
    }
  }
}

/** @returns the model, once it is proved; otherwise it is closed */
async function proved<M extends Model>(model: M, prove: () => Promise<void>): Promise<M> {
  try {
    await prove()
    return model
  } catch (error) {
    await model.close()
    throw error
  }
}

/** Read the trained users' templates; their graph has no input. */
async function loadTemplates(folder: string, manifest: Manifest): Promise<Templates> {
  const entry = manifest.models.typing.templates
  const session = await open(folder, entry)
  try {
    const columns = templateColumns(manifest)
    const users = usersOf(session, 'enrolled', 0)
    expectTensors(session, entry.file, [
      ...TEMPLATE_ROWS.map((name) => ({ name, type: 'float32', shape: [users, columns] })),
      { name: 'enrolled', type: 'int64', shape: [users] }
    ])
    requireUsers(entry, users, manifest)
    const { plda, laplace, enrolled } = (await running(entry.file, session.run({}))) as Record<string, Tensor>
    const counts = Array.from(enrolled!.data as BigInt64Array, Number)
    const typings = counts.reduce((sum, count) => sum + count, 0)
    if (typings !== manifest.dataset.typings) {
      throw new ModelsError(
        `${entry.file} is of ${typings} typings, and the manifest says ${manifest.dataset.typings}.`
      )
    }
    return new Templates({
      classes: manifest.classes,
      enrolled: counts,
      templates: { plda: plda!, laplace: laplace! }
    })
  } finally {
    await session.release()
  }
}

async function loadEnrollment(folder: string, manifest: Manifest): Promise<Enrollment> {
  const { enroll } = manifest.models.typing
  const session = await open(folder, enroll)
  const enrollment = new Enrollment(session)
  try {
    const columns = templateColumns(manifest)
    expectTensors(session, enroll.file, [
      timesTensor(manifest),
      ...TEMPLATE_ROWS.map((name) => ({ name, type: 'float32', shape: [1, columns] }))
    ])
    const found = await running(enroll.file, enrollment.enroll(goldenRows(manifest, 'typing')))
    for (const name of TEMPLATE_ROWS) {
      for (const [i, expected] of enroll.golden[name].entries()) {
        // Written so that NaN is refused too.
        if (!(Math.abs(found[name][i]! - expected) <= MAX_TEMPLATE_DIFFERENCE * (1 + Math.abs(expected)))) {
          throw new ModelsError(
            `${enroll.file} makes ${found[name][i]} of the golden typings for ${name}[${i}], and the manifest says ${expected}.`
          )
        }
      }
    }
  } catch (error) {
    await enrollment.close()
    throw error
  }
  return enrollment
}

/** Two for each of the 4K - 3 log timings, and an offset. */
const templateColumns = ({ dataset }: Manifest): number => 2 * (4 * dataset.keys - 3) + 1

const templateTensors = (manifest: Manifest) =>
  TEMPLATE_ROWS.map((name) => ({ name, type: 'float32', shape: [null, templateColumns(manifest)] }))

const timesTensor = ({ dataset }: Manifest) => ({
  name: 'times',
  type: 'float64',
  shape: [null, 2 * dataset.keys]
})

function checkTensors(session: InferenceSession, name: ModelName, manifest: Manifest): void {
  const entry = manifest.models[name]
  const inputs = {
    features: [{ name: 'features', type: 'float32', shape: [null, FEATURE_NAMES.length] }],
    times: [timesTensor(manifest), ...templateTensors(manifest)]
  }[entry.input]
  // A graph that is given templates scores as many users as there are of those.
  const users = entry.input === 'times' ? null : usersOf(session, 'scores', 1)
  expectTensors(session, entry.file, [
    ...inputs,
    { name: 'label', type: 'int64', shape: [null] },
    { name: 'scores', type: 'float32', shape: [null, users] }
  ])
  if (users !== null) requireUsers(entry, users, manifest)
}

/** How many users an output is of, by the size of one of its axes. */
function usersOf(session: InferenceSession, name: string, axis: number): unknown {
  const output = session.outputMetadata.find((tensor) => tensor.name === name)
  return output?.isTensor ? output.shape[axis] : undefined
}

function requireUsers({ file }: ModelFile, users: unknown, { classes }: Manifest): void {
  if (users === classes.length) return
  throw new ModelsError(`${file} scores ${users} users, and the manifest names ${classes.length}.`)
}

/** Hold a graph's inputs and outputs, in this order, against what they are to be. */
function expectTensors(session: InferenceSession, file: string, tensors: readonly object[]): void {
  const found = JSON.stringify([...session.inputMetadata, ...session.outputMetadata].map(describe))
  const expected = JSON.stringify(tensors)
  if (found !== expected) throw new ModelsError(`${file} has the tensors ${found}; expected ${expected}.`)
}

function describe(tensor: InferenceSession.ValueMetadata): object {
  if (!tensor.isTensor) return { name: tensor.name }
  const shape = tensor.shape.map((size) => (typeof size === 'number' ? size : null))
  return { name: tensor.name, type: tensor.type, shape }
}
