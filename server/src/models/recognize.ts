import { errors } from '../errors.ts'
import type { UserID } from '../schemas/common.ts'
import type { Decision, Threshold } from '../schemas/manifest.ts'
import type { Typing } from '../schemas/typing.ts'
import { quote } from '../text.ts'
import { fromTyping } from '../typings/rows.ts'
import type { Models } from './load.ts'
import type { Model } from './model.ts'
import { rank } from './rank.ts'

/** The typing model, and how its scores are read. */
export interface Recognizer {
  model: Model
  /** Typings that the template of each of the model’s classes is made of. */
  enrolled: readonly number[]
  /** Of one typing, two and so on; the last serves more typings as well. */
  decisions: readonly Decision[]
}

export function recognizerOf({ byName, enrolled, manifest }: Models): Recognizer {
  return { model: byName.typing, enrolled, decisions: manifest.models.typing.decisions }
}

export interface Identification {
  UserID: UserID
  /** Whether the best user is likely enough for the typist to be one of the users at all. */
  Known: boolean
  Candidates: { UserID: UserID; Probability: number }[]
}

export interface Verification {
  UserID: UserID
  Match: boolean
  /** Evidence for the claim: the natural logarithm of a likelihood ratio. */
  Score: number
  Threshold: number
}

/**
 * Name who typed, from one or more typings of the same person.
 *
 * @param typings - each of as many keys as the model was trained on
 * @param top - candidates to give, best first
 */
export async function identify(
  recognizer: Recognizer,
  typings: readonly Typing[],
  top: number,
  isCancelled?: () => boolean
): Promise<Identification> {
  const { scaled, thresholds } = await read(recognizer, typings, isCancelled)
  const candidates = rank(scaled, top)
  const best = candidates[0]!
  let sum = 0
  for (const score of scaled) sum += Math.exp(score - scaled[best]!)
  const Candidates = candidates.map((index) => ({
    UserID: recognizer.model.classes[index]!,
    Probability: Math.exp(scaled[index]! - scaled[best]!) / sum
  }))
  const { known } = thresholdFor(thresholds, recognizer.enrolled[best]!)
  return { UserID: Candidates[0]!.UserID, Known: scaled[best]! > known, Candidates }
}

/**
 * Weigh whether a user typed, from one or more typings of the same person.
 *
 * @param userID - who the typist claims to be
 * @throws USER_UNKNOWN if the model knows no such user
 */
export async function verify(
  recognizer: Recognizer,
  typings: readonly Typing[],
  userID: UserID,
  isCancelled?: () => boolean
): Promise<Verification> {
  const claimed = recognizer.model.classes.indexOf(userID)
  if (claimed < 0) throw new errors.USER_UNKNOWN(quote(userID))
  const { scaled, thresholds } = await read(recognizer, typings, isCancelled)
  const Score = evidence(scaled, claimed)
  const { match } = thresholdFor(thresholds, recognizer.enrolled[claimed]!)
  return { UserID: userID, Match: Score > match, Score, Threshold: match }
}

/** Mean scores of the typings over the temperature, and the thresholds for so many typings. */
async function read(
  { model, decisions }: Recognizer,
  typings: readonly Typing[],
  isCancelled?: () => boolean
) {
  const question = { rows: typings.map(fromTyping), wantsScores: true }
  const answers = await model.ask(question, isCancelled)
  const { temperature, thresholds } = decisions[Math.min(typings.length, decisions.length) - 1]!
  // Plain loops: with iterators and callbacks it took as long as the model.
  const scaled = new Float64Array(model.classes.length)
  for (const answer of answers) {
    for (let user = 0; user < scaled.length; user++) scaled[user]! += answer.scores[user]!
  }
  for (let user = 0; user < scaled.length; user++) scaled[user]! /= answers.length * temperature
  return { scaled, thresholds }
}

/** Choose the thresholds for a user whose template is made of so many typings. */
function thresholdFor(thresholds: readonly Threshold[], enrolled: number): Threshold {
  return thresholds.findLast((threshold) => threshold.enrolled <= enrolled)!
}

/**
 * Weigh a user against everybody else: another user, or as likely a stranger, whose scaled score is 0;
 * `evidence` of `notebook/keystroke/models/decisions.py`.
 */
function evidence(scaled: Float64Array, user: number): number {
  // The largest exponent is taken out, so that none overflows.
  let most = 0
  for (const [other, score] of scaled.entries()) if (other !== user) most = Math.max(most, score)
  let sum = 0
  for (const [other, score] of scaled.entries()) if (other !== user) sum += Math.exp(score - most)
  const everybodyElse = most + Math.log((0.5 * sum) / (scaled.length - 1) + 0.5 * Math.exp(-most))
  return scaled[user]! - everybodyElse
}
