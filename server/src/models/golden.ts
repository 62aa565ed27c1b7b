import type { UserID } from '../schemas/common.ts'
import type { Input, Manifest, ModelName } from '../schemas/manifest.ts'
import { toFeatures, toTyping } from '../typings/rows.ts'

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

/** A model's golden row as a call of the API. */
export function goldenRequest({ models }: Manifest, name: ModelName, row = 0): GoldenRequest {
  const { input, golden } = models[name]
  const { input: values, userID: UserID } = golden[row]!
  return { ...toRequest(name, input, values), UserID }
}

/** A row of what a model reads as a call of the API. */
export function toRequest(name: string, input: Input, row: readonly number[]): ModelRequest {
  return input === 'features'
    ? { path: '/predict', body: { Model: name, ...toFeatures(row) } }
    : { path: '/identify', body: { Typings: [toTyping(row)] } }
}
