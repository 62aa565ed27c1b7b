import { type InferenceSession, Tensor } from 'onnxruntime-node'
import type { Manifest, Typing, UserID } from './schemas.ts'

/** Rows a run computes at most: 64 take half a millisecond with 110 users, and more are no faster. */
const MAX_ROWS_PER_RUN = 64

/** The ONNX session of `notebook/keystroke/typing_model.py`, and how its scores are read. */
export interface TypingModel {
  session: InferenceSession
  /** Class index to UserID. */
  classes: readonly UserID[]
  /** Of one typing, two and so on; the last serves more typings as well. */
  decisions: Manifest['typingModel']['decisions']
}

/**
 * Score every user for each typing of each question, all together.
 *
 * @param model - what to ask
 * @param questions - each of one typing or more
 * @returns for each question what `scoreTypings` gives of its typings
 */
export async function scoreQuestions(
  model: TypingModel,
  questions: readonly (readonly Typing[])[]
): Promise<Float32Array[][]> {
  const rows = await scoreTypings(model, questions.flat())
  let first = 0
  return questions.map(({ length }) => {
    first += length
    return rows.slice(first - length, first)
  })
}

/**
 * Score every user for each typing, however many.
 *
 * @param model - what to ask
 * @param typings - each of as many keys as the model was trained on, whole ms
 * @returns for each typing a score for each class, the higher the likelier; logarithms of
 *   likelihood ratios but for the temperature
 */
export async function scoreTypings(model: TypingModel, typings: readonly Typing[]): Promise<Float32Array[]> {
  const rows: Float32Array[] = []
  for (let first = 0; first < typings.length; first += MAX_ROWS_PER_RUN) {
    rows.push(...(await run(model, typings.slice(first, first + MAX_ROWS_PER_RUN))))
  }
  return rows
}

async function run({ session, classes }: TypingModel, typings: readonly Typing[]): Promise<Float32Array[]> {
  const keys = typings[0]!.Press.length
  const times = new Float64Array(typings.length * 2 * keys)
  let column = 0
  for (const { Press, Release } of typings) {
    for (let key = 0; key < keys; key++) {
      times[column++] = Press[key]!
      times[column++] = Release[key]!
    }
  }
  const outputs = await session.run({ times: new Tensor('float64', times, [typings.length, 2 * keys]) })
  const scores = outputs.scores!.data as Float32Array
  return typings.map((_, row) => scores.subarray(row * classes.length, (row + 1) * classes.length))
}
