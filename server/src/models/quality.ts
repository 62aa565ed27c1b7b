import { Tensor } from 'onnxruntime-node'
import type { UserID } from '../schemas/common.ts'
import type { Typing } from '../schemas/typing.ts'
import type { Advice } from '../schemas/users.ts'
import { fromTyping } from '../typings/rows.ts'
import { TEMPLATE_ROWS, type Template } from './enrollment.ts'
import type { Models } from './load.ts'
import { evidence, thresholdFor } from './recognize.ts'

/** How well typings will serve to recognize their user. */
export interface Quality {
  Alike: number
  Distinct: number
  Advice: Advice
}

/** Shares of typings that match the others, from which on they are enough, or worth adding to. */
const ENOUGH = 0.75
const SOME = 0.25

/**
 * Hold each typing against a template of the others, beside the trained users.
 *
 * @param userID - whose they are, who may be a trained user as well
 * @param typings - two at least
 */
export async function assess(
  { manifest, byName: { typing: model }, enrollment }: Models,
  userID: UserID,
  typings: readonly Typing[]
): Promise<Quality> {
  const rows = typings.map(fromTyping)
  const templates: Template[] = []
  for (const left of rows) templates.push(await enrollment.enroll(rows.filter((row) => row !== left)))
  const trained = manifest.classes.length
  const { gallery } = model
  const matrix = (name: keyof Template) => {
    const columns = templates[0]![name].length
    const numbers = new Float32Array((trained + templates.length) * columns)
    numbers.set((gallery.templates[name]!.data as Float32Array).subarray(0, trained * columns))
    for (const [i, template] of templates.entries()) numbers.set(template[name], (trained + i) * columns)
    return [name, new Tensor(numbers, [trained + templates.length, columns])] as const
  }
  const answers = await model.run(
    { rows, wantsScores: true },
    { ...gallery, templates: Object.fromEntries(TEMPLATE_ROWS.map(matrix)) }
  )

  const { temperature, thresholds } = manifest.models.typing.decisions[0]!
  const { match } = thresholdFor(thresholds, typings.length - 1)
  const others = manifest.classes.flatMap((other, index) => (other === userID ? [] : [index]))
  let alike = 0
  let distinct = 0
  for (const [i, { scores }] of answers.entries()) {
    const scaled = [...others, trained + i].map((index) => scores[index]! / temperature)
    const own = scaled.pop()!
    if (evidence([own, ...scaled], 0, scaled.length + 1) > match) alike++
    if (own > Math.max(...scaled)) distinct++
  }
  const Alike = alike / typings.length
  return {
    Alike,
    Distinct: distinct / typings.length,
    Advice: Alike >= ENOUGH ? 'enough' : Alike >= SOME ? 'type two more' : 'start again'
  }
}
