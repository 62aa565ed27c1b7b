import type { UserID } from '../schemas/common.ts'
import { FEATURE_NAMES } from '../schemas/features.ts'
import { type Input, type Manifest, type ModelName, NUMBERS } from '../schemas/manifest.ts'
import { toFeatures, toTyping } from '../typings/rows.ts'
import { ModelsError } from './manifest.ts'
import type { Answer, Row } from './model.ts'

/** A call of the API that asks a model. */
export interface ModelRequest {
  path: '/predict' | '/identify'
  body: object
}

/** One whose answer is known. */
export interface GoldenRequest extends ModelRequest {
  /** Whom the answer must name. */
  UserID: UserID
}

/** Numbers of a manifest, in base64. */
function unpack<N extends Int32Array | Float32Array | Float64Array>(
  packed: string,
  Numbers: { new (buffer: ArrayBuffer): N; BYTES_PER_ELEMENT: number }
): N {
  const bytes = Uint8Array.from(Buffer.from(packed, 'base64'))
  return new Numbers(bytes.buffer.slice(0, bytes.length - (bytes.length % Numbers.BYTES_PER_ELEMENT)))
}

/** The rows that a model is asked before it is served. */
export function goldenRows({ models, golden, dataset }: Manifest, name: ModelName): Row[] {
  const { input } = models[name]
  const numbers = unpack<Float32Array | Float64Array>(golden[input], NUMBERS[input])
  const columns = input === 'features' ? FEATURE_NAMES.length : 2 * dataset.keys
  const rows: Row[] = []
  for (let end = columns; end <= numbers.length; end += columns) {
    rows.push(numbers.subarray(end - columns, end))
  }
  return rows
}

/**
 * Hold a model's answers to its golden rows against the manifest's.
 *
 * @param answers - to `goldenRows`, with scores
 * @throws ModelsError naming the first row that differs, if more do than rounding explains
 */
export function checkGolden(manifest: Manifest, name: ModelName, answers: readonly Answer[]): void {
  const { file, golden } = manifest.models[name]
  const labels = unpack(golden.labels, Int32Array)
  const sums = unpack(golden.sums, Float64Array)
  if (answers.length === 0 || labels.length !== answers.length || sums.length !== answers.length) {
    throw new ModelsError(
      `The manifest has ${answers.length} golden rows for ${name}, ${labels.length} labels and ${sums.length} sums; expected as many of each.`
    )
  }
  const weights = manifest.classes.map(weightOf)
  const faults = answers.flatMap(({ UserID, scores }, row) => {
    const expected = manifest.classes[labels[row]!]
    if (UserID !== expected) {
      return [`names user ${UserID} for golden row ${row}, and the manifest says ${expected}`]
    }
    const sum = scores.reduce((total, score, index) => total + score * weights[index]!, 0)
    // Written so that NaN is refused too.
    if (Math.abs(sum - sums[row]!) <= golden.maxDifference) return []
    return [`scores golden row ${row} with a sum of ${sum}, and the manifest says ${sums[row]}`]
  })
  if (faults.length > golden.mayDiffer) throw new ModelsError(`${file} ${faults[0]}.`)
}

/** What a class's scores are multiplied by before they are added up, as in `golden_sums` of the notebook's manifest.py. */
const weightOf = (_: UserID, index: number): number => 0.5 + (((index + 1) * 0.6180339887498949) % 1) / 2

/** A model's golden rows as calls of the API. */
export function goldenRequests(manifest: Manifest, name: ModelName): GoldenRequest[] {
  const { input, golden } = manifest.models[name]
  const labels = unpack(golden.labels, Int32Array)
  return goldenRows(manifest, name).map((row, i) => {
    return { ...toRequest(name, input, row), UserID: manifest.classes[labels[i]!]! }
  })
}

/** A row of what a model reads as a call of the API. */
export function toRequest(name: string, input: Input, row: ArrayLike<number>): ModelRequest {
  return input === 'features'
    ? { path: '/predict', body: { Model: name, ...toFeatures(row) } }
    : { path: '/identify', body: { Typings: [toTyping(row)] } }
}
