import type { InferenceSession, Tensor } from 'onnxruntime-node'
import { type Row, toTensor } from './model.ts'

/** What the typing model keeps of a user, a row of each of the two matrices that it scores. */
export const TEMPLATE_ROWS = ['plda', 'laplace'] as const
export type Template = Record<(typeof TEMPLATE_ROWS)[number], Float32Array>

/** Makes templates of typings: the typing model's second graph, with what is common to all users. */
export class Enrollment {
  readonly #session: InferenceSession

  /** @param session - from times to the rows of a template */
  constructor(session: InferenceSession) {
    this.#session = session
  }

  /**
   * Make a user's template.
   *
   * @param rows - one at least: all press and release times of each typing
   */
  async enroll(rows: readonly Row[]): Promise<Template> {
    const found = await this.#session.run({ times: toTensor('times', rows) })
    const row = (name: keyof Template) => (found[name] as Tensor).data as Float32Array
    return { plda: row('plda'), laplace: row('laplace') }
  }

  /** Release the session's memory. */
  close(): Promise<void> {
    return this.#session.release()
  }
}
