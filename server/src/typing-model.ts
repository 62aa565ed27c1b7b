import { type InferenceSession, Tensor } from 'onnxruntime-node'
import type { Manifest, Typing, UserID } from './schemas.ts'

/** The ONNX session of `notebook/keystroke/typing_model.py`, and how its scores are read. */
export interface TypingModel {
  session: InferenceSession
  /** Class index to UserID. */
  classes: readonly UserID[]
  /** Of one typing, two and so on; the last serves more typings as well. */
  decisions: Manifest['typingModel']['decisions']
}

/**
 * Score every user for each typing.
 *
 * @param model - what to ask
 * @param typings - each of as many keys as the model was trained on, whole ms
 * @returns for each typing a score for each class, the higher the likelier; logarithms of
 *   likelihood ratios but for the temperature
 */
export async function scoreTypings(
  { session, classes }: TypingModel,
  typings: readonly Typing[]
): Promise<Float32Array[]> {
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
