import { type InferenceSession, Tensor } from 'onnxruntime-node'
import { type Features, SERIES, type UserID } from './schemas.ts'

/** Columns of the models' input, in their order. */
export const FEATURE_NAMES = SERIES.flatMap((series) => [`${series}.Mean`, `${series}.STD`])

/**
 * Rows a run computes at most. onnxruntime-node computes on the main thread (microsoft/onnxruntime
 * issue 19611), so this bounds how long everybody else waits: about 10 ms with the slowest model.
 */
const MAX_ROWS_PER_RUN = 64

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

/**
 * Name the user of each typing.
 *
 * @param model - what to ask
 * @param rows - the typings' features, float64; rounded to float32 here, once, as before fitting
 * @param top - so many candidates to each, best first; none if left out
 * @returns one prediction a row, in their order
 */
export async function predict(model: Model, rows: readonly Features[], top?: number): Promise<Prediction[]> {
  const predictions: Prediction[] = []
  for (let first = 0; first < rows.length; first += MAX_ROWS_PER_RUN) {
    predictions.push(...(await run(model, rows.slice(first, first + MAX_ROWS_PER_RUN), top)))
  }
  return predictions
}

async function run(model: Model, rows: readonly Features[], top?: number): Promise<Prediction[]> {
  const { session, classes } = model
  const features = new Tensor('float32', toInput(rows), [rows.length, FEATURE_NAMES.length])
  const outputs = await session.run({ features }, top === undefined ? ['label'] : ['label', 'scores'])
  const label = outputs.label!.data as BigInt64Array
  const scores = outputs.scores?.data as Float32Array | undefined
  return rows.map((_, row) => {
    const prediction: Prediction = { UserID: classes[Number(label[row])]! }
    if (scores) {
      const own = scores.subarray(row * classes.length, (row + 1) * classes.length)
      prediction.Candidates = rank(own, classes, top!)
    }
    return prediction
  })
}

function toInput(rows: readonly Features[]): Float32Array {
  const input = new Float32Array(rows.length * FEATURE_NAMES.length)
  let column = 0
  for (const row of rows) {
    for (const series of SERIES) {
      input[column++] = row[series].Mean
      input[column++] = row[series].STD
    }
  }
  return input
}

/** Equal scores stay in the order of the classes, as scikit-learn's arg max has them. */
function rank(scores: Float32Array, classes: readonly UserID[], top: number): Candidate[] {
  return Array.from(scores, (Score, index) => ({ UserID: classes[index]!, Score }))
    .sort((a, b) => b.Score - a.Score)
    .slice(0, top)
}
