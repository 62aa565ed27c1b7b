import type { UserID } from '../schemas/common.ts'
import type { Manifest, ModelName } from '../schemas/manifest.ts'
import { toFeatures, toTyping } from '../typings/rows.ts'

/** A call of the API whose answer is known. */
export interface GoldenRequest {
  path: '/predict' | '/identify'
  body: object
  /** Whom the answer must name. */
  UserID: UserID
}

/** A model's golden row as a call of the API. */
export function goldenRequest({ models }: Manifest, name: ModelName, row = 0): GoldenRequest {
  const { input, golden } = models[name]
  const { input: values, userID: UserID } = golden[row]!
  return input === 'features'
    ? { path: '/predict', body: { Model: name, ...toFeatures(values) }, UserID }
    : { path: '/identify', body: { Typings: [toTyping(values)] }, UserID }
}
