import { errors } from '../errors.ts'
import type { UserID } from '../schemas/common.ts'
import type { Features } from '../schemas/features.ts'
import { heavyWork } from '../turns.ts'
import { fromFeatures } from '../typings/rows.ts'
import { type Answer, MAX_ROWS_PER_RUN, type Model } from './model.ts'
import { rank } from './rank.ts'

export interface Candidate {
  UserID: UserID
  Score: number
}

export interface Prediction {
  UserID: UserID
  Candidates?: Candidate[]
}

/**
 * Name the user of one typing, sharing a run with what else is asked at the same time.
 *
 * @param model - one that reads features
 * @param features - in float64; rounded to float32 once, as before fitting
 * @param top - how many candidates to add, best first; none if left out
 * @param isCancelled - asked just before the run
 */
export async function predict(
  model: Model,
  features: Features,
  top?: number,
  isCancelled?: () => boolean
): Promise<Prediction> {
  const question = { rows: [fromFeatures(features)], wantsScores: top !== undefined }
  const [answer] = await model.ask(question, isCancelled)
  return toPrediction(answer!, top)
}

/**
 * Name the user of each typing, however many.
 *
 * @param top - how many candidates to add to each
 * @param isCancelled - asked before each piece
 * @returns one prediction for each, in their order
 * @throws CANCELLED
 */
export async function predictAll(
  model: Model,
  features: readonly Features[],
  top?: number,
  isCancelled: () => boolean = () => false
): Promise<Prediction[]> {
  const predictions: Prediction[] = []
  for (let first = 0; first < features.length; first += MAX_ROWS_PER_RUN) {
    await heavyWork.turn()
    if (isCancelled()) throw new errors.CANCELLED()
    const rows = features.slice(first, first + MAX_ROWS_PER_RUN).map(fromFeatures)
    const answers = await model.run({ rows, wantsScores: top !== undefined })
    for (const answer of answers) predictions.push(toPrediction(answer, top))
  }
  return predictions
}

function toPrediction({ UserID, gallery, scores }: Answer, top?: number): Prediction {
  if (top === undefined) return { UserID }
  const Candidates = rank(scores, top).map((index) => ({
    UserID: gallery.classes[index]!,
    Score: scores[index]!
  }))
  return { UserID, Candidates }
}
