import { errors } from './errors.ts'
import type { Typing, UserID } from './schemas.ts'
import { scoreTypings, type TypingModel } from './typing-model.ts'

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
  model: TypingModel,
  typings: readonly Typing[],
  top: number
): Promise<Identification> {
  const { scores, temperature, unknownThreshold } = await read(model, typings)
  const best = Math.max(...scores)
  const shares = scores.map((score) => Math.exp((score - best) / temperature))
  const sum = shares.reduce((a, b) => a + b)
  const Candidates = Array.from(shares, (share, i) => ({
    UserID: model.classes[i]!,
    Probability: share / sum
  }))
    .sort((a, b) => b.Probability - a.Probability)
    .slice(0, top)
  return { UserID: model.classes[scores.indexOf(best)]!, Known: best > unknownThreshold, Candidates }
}

/**
 * Weigh whether a user typed, from one or more typings of the same person.
 *
 * @param userID - who the typist claims to be
 * @throws USER_UNKNOWN if the model knows no such user
 */
export async function verify(
  model: TypingModel,
  typings: readonly Typing[],
  userID: UserID
): Promise<Verification> {
  const claimed = model.classes.indexOf(userID)
  if (claimed < 0) throw new errors.USER_UNKNOWN(JSON.stringify(userID))
  const { scores, temperature, threshold } = await read(model, typings)
  const Score = evidence(scores, claimed, temperature)
  return { UserID: userID, Match: Score > threshold, Score, Threshold: threshold }
}

/** Mean scores of the typings, and how scores of so many are read. */
async function read(model: TypingModel, typings: readonly Typing[]) {
  const rows = await scoreTypings(model, typings)
  const scores = Float64Array.from(model.classes, (_, user) => {
    let sum = 0
    for (const row of rows) sum += row[user]!
    return sum / rows.length
  })
  const { decisions } = model
  return { scores, ...decisions[Math.min(typings.length, decisions.length) - 1]! }
}

/**
 * Weigh a user against everybody else: another user, or as likely a stranger, whose scaled score is 0;
 * `evidence` of `notebook/keystroke/typing_model.py`.
 */
function evidence(scores: Float64Array, user: number, temperature: number): number {
  const others = scores.filter((_, other) => other !== user)
  // The largest exponent is taken out, so that none overflows.
  const most = Math.max(0, ...others) / temperature
  let sum = 0
  for (const score of others) sum += Math.exp(score / temperature - most)
  const everybodyElse = most + Math.log((0.5 * sum) / others.length + 0.5 * Math.exp(-most))
  return scores[user]! / temperature - everybodyElse
}
