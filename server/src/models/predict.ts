import type { UserID } from '../schemas/common.ts'
import type { Features } from '../schemas/features.ts'
import { fromFeatures } from '../typings/rows.ts'
import type { Answer, Model } from './model.ts'
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
 * @returns one prediction for each, in their order
 */
export async function predictAll(
  model: Model,
  features: readonly Features[],
  top?: number
): Promise<Prediction[]> {
  const answers = await model.run({ rows: features.map(fromFeatures), wantsScores: top !== undefined })
  return answers.map((answer) => toPrediction(answer, top))
}

function toPrediction({ UserID, gallery, scores }: Answer, top?: number): Prediction {
  if (top === undefined) return { UserID }
  const Candidates = rank(scores, top).map((index) => ({
    UserID: gallery.classes[index]!,
    Score: scores[index]!
  }))
  return { UserID, Candidates }
}
