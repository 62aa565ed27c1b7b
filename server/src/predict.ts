import { type InferenceSession, Tensor } from 'onnxruntime-node'
import { rank } from './rank.ts'
import { type Features, SERIES, type UserID } from './schemas.ts'

/** Columns of the models' input, in their order. */
export const FEATURE_NAMES = SERIES.flatMap((series) => [`${series}.Mean`, `${series}.STD`])

/**
 * Rows a run computes at most. onnxruntime-node computes on the main thread (microsoft/onnxruntime
 * issue 19611), so this bounds how long everybody else waits: about 1 ms with the slowest model. More
 * are no faster, as SVM's tensors of 110 users then outgrow a core's cache: it takes 25 to 50 us a row of
 * 64, and 18 to 25 of 32. A worker thread would spare others this wait, for a copy of every answer and a
 * second event loop: beside a CSV of 100,000 rows `npm run bench` finds no need of it.
 */
const MAX_ROWS_PER_RUN = 32

/** An ONNX session and what its class indices mean. */
export interface Model {
  session: InferenceSession
  /** Class index to UserID. */
  classes: readonly UserID[]
}

export interface Candidate {
  UserID: UserID
  Score: number
}

export interface Prediction {
  UserID: UserID
  Candidates?: Candidate[]
}

/** A typing whose user is asked for, and how many candidates are wanted; none if left out. */
export interface Question {
  features: Features
  top?: number | undefined
}

/**
 * Name the user of each typing, however many.
 *
 * @param model - what to ask
 * @param questions - features in float64; rounded to float32 here, once, as before fitting
 * @returns one prediction for each question, in their order
 */
export async function predict(model: Model, questions: readonly Question[]): Promise<Prediction[]> {
  const predictions: Prediction[] = []
  for (let first = 0; first < questions.length; first += MAX_ROWS_PER_RUN) {
    // Others get their turn between two runs: run() gives way to the event loop before it computes.
    predictions.push(...(await run(model, questions.slice(first, first + MAX_ROWS_PER_RUN))))
  }
  return predictions
}

async function run({ session, classes }: Model, questions: readonly Question[]): Promise<Prediction[]> {
  const features = new Tensor('float32', toInput(questions), [questions.length, FEATURE_NAMES.length])
  const ranked = questions.some(({ top }) => top !== undefined)
  const outputs = await session.run({ features }, ranked ? ['label', 'scores'] : ['label'])
  const label = outputs.label!.data as BigInt64Array
  const scores = outputs.scores?.data as Float32Array
  return questions.map(({ top }, row) => {
    const UserID = classes[Number(label[row])]!
    if (top === undefined) return { UserID }
    const own = scores.subarray(row * classes.length, (row + 1) * classes.length)
    const Candidates = rank(own, top).map((index) => ({ UserID: classes[index]!, Score: own[index]! }))
    return { UserID, Candidates }
  })
}

function toInput(questions: readonly Question[]): Float32Array {
  const input = new Float32Array(questions.length * FEATURE_NAMES.length)
  let column = 0
  for (const { features } of questions) {
    for (const series of SERIES) {
      input[column++] = features[series].Mean
      input[column++] = features[series].STD
    }
  }
  return input
}
