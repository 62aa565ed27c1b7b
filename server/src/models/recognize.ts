import { errors } from '../errors.ts'
import type { UserID } from '../schemas/common.ts'
import type { Decision } from '../schemas/manifest.ts'
import type { Typing } from '../schemas/typing.ts'
import { quote } from '../text.ts'
import { fromTyping } from '../typings/rows.ts'
import type { Models } from './load.ts'
import type { Model } from './model.ts'
import { rank } from './rank.ts'

/** The typing model, and how its scores are read. */
export interface Recognizer {
  model: Model
  /** Of one typing, two and so on; the last serves more typings as well. */
  decisions: readonly Decision[]
}

export function recognizerOf({ byName, manifest }: Models): Recognizer {
  return { model: byName.typing, decisions: manifest.models.typing.decisions }
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
  const { scores, temperature, unknownThreshold } = await read(recognizer, typings, isCancelled)
  const candidates = rank(scores, top)
  const best = scores[candidates[0]!]!
  let sum = 0
  for (const score of scores) sum += Math.exp((score - best) / temperature)
  const Candidates = candidates.map((index) => ({
    UserID: recognizer.model.classes[index]!,
    Probability: Math.exp((scores[index]! - best) / temperature) / sum
  }))
  return { UserID: Candidates[0]!.UserID, Known: best > unknownThreshold, Candidates }
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
  const { scores, temperature, threshold } = await read(recognizer, typings, isCancelled)
  const Score = evidence(scores, claimed, temperature)
  return { UserID: userID, Match: Score > threshold, Score, Threshold: threshold }
}

/** Mean scores of the typings, and how scores of so many are read. */
async function read(
  { model, decisions }: Recognizer,
  typings: readonly Typing[],
  isCancelled?: () => boolean
) {
  const question = { rows: typings.map(fromTyping), wantsScores: true }
  const answers = await model.ask(question, isCancelled)
  // Plain loops: with iterators and callbacks it took as long as the model.
  const scores = new Float64Array(model.classes.length)
  for (const answer of answers) {
    for (let user = 0; user < scores.length; user++) scores[user]! += answer.scores[user]!
  }
  for (let user = 0; user < scores.length; user++) scores[user]! /= answers.length
  return { scores, ...decisions[Math.min(typings.length, decisions.length) - 1]! }
}

/**
 * Weigh a user against everybody else: another user, or as likely a stranger, whose scaled score is 0;
 * `evidence` of `notebook/keystroke/models/decisions.py`.
 */
function evidence(scores: Float64Array, user: number, temperature: number): number {
  let others = Number.NEGATIVE_INFINITY
  for (const [other, score] of scores.entries()) if (other !== user) others = Math.max(others, score)
  // The largest exponent is taken out, so that none overflows.
  const most = Math.max(0, others) / temperature
  let sum = 0
  for (const [other, score] of scores.entries()) {
    if (other !== user) sum += Math.exp(score / temperature - most)
  }
  const everybodyElse = most + Math.log((0.5 * sum) / (scores.length - 1) + 0.5 * Math.exp(-most))
  return scores[user]! / temperature - everybodyElse
}
