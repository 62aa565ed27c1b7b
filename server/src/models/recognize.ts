import { errors } from '../errors.ts'
import type { UserID } from '../schemas/common.ts'
import type { Decision, Threshold } from '../schemas/manifest.ts'
import type { Confidence } from '../schemas/recognize.ts'
import type { Typing } from '../schemas/typing.ts'
import { quote } from '../text.ts'
import { isRegular } from '../typings/regular.ts'
import { fromTyping } from '../typings/rows.ts'
import type { UserGallery } from './gallery.ts'
import type { Models } from './load.ts'
import { rank } from './rank.ts'
import type { TypingModel } from './typing-model.ts'

/** The typing model, and how its scores are read. */
export interface Recognizer {
  model: TypingModel
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
  Confidence: Confidence
  /** Whether a typing is more regular than people type. */
  Regular: boolean
  Candidates: { UserID: UserID; Probability: number }[]
}

export interface Verification {
  UserID: UserID
  Match: boolean
  Confidence: Confidence
  /** Whether a typing is more regular than people type; such do not match. */
  Regular: boolean
  /** Evidence for the claim: the natural logarithm of a likelihood ratio. */
  Score: number
  Threshold: number
}

/** Least probabilities of the best candidate, and evidence over what a match needs, for each confidence. */
const PROBABLE = { high: 0.95, medium: 0.5 }
const TEN_TIMES = Math.log(10)

/**
 * Name who typed, from one or more typings of the same person.
 *
 * @param typings - each of as many keys as the model was trained on
 * @param top - candidates to give, best first; of very many users there are no more than the shortlist
 */
export async function identify(
  recognizer: Recognizer,
  typings: readonly Typing[],
  top: number,
  isCancelled?: () => boolean
): Promise<Identification> {
  const { scaled, gallery, thresholds } = await read(recognizer, { typings }, isCancelled)
  const candidates = rank(scaled, Math.min(top, gallery.listed))
  const [best] = candidates
  if (best === undefined) throw new errors.NO_USERS()
  let sum = 0
  for (const score of scaled) sum += Math.exp(score - scaled[best]!)
  const Candidates = candidates.map((index) => ({
    UserID: gallery.classes[index]!,
    Probability: Math.exp(scaled[index]! - scaled[best]!) / sum
  }))
  const { known } = thresholdFor(thresholds, gallery.enrolled[best]!)
  const { UserID, Probability } = Candidates[0]!
  const Known = scaled[best]! > known
  const isMedium = Known && Probability >= PROBABLE.medium
  const Confidence = isMedium ? (Probability >= PROBABLE.high ? 'high' : 'medium') : 'low'
  return { UserID, Known, Confidence, Regular: typings.some(isRegular), Candidates }
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
  const { scaled, gallery, thresholds } = await read(recognizer, { typings, claimed: userID }, isCancelled)
  const claimed = gallery.classOf(userID)
  if (claimed === undefined) throw unknownUser('body.UserID', userID, gallery)
  // Replaced while the model ran: what it scored was the template before.
  if (claimed >= scaled.length) return verify(recognizer, typings, userID, isCancelled)
  const Score = evidence(scaled, claimed, gallery.users)
  const { match } = thresholdFor(thresholds, gallery.enrolled[claimed]!)
  const weighed = { UserID: userID, Regular: typings.some(isRegular), Score }
  return decide(weighed, match)
}

/** Decide about a claim, with the evidence that a match needs. */
export function decide(
  { UserID, Regular, Score }: Pick<Verification, 'UserID' | 'Regular' | 'Score'>,
  Threshold: number
): Verification {
  const Match = Score > Threshold && !Regular
  // Without a match it is always low: how near a claim came would tell an attacker which way to go on.
  const Confidence = Match ? (Score > Threshold + TEN_TIMES ? 'high' : 'medium') : 'low'
  return { UserID, Match, Confidence, Regular, Score, Threshold }
}

/** The error for a user who is not there; says so where the same number or text of the other kind is. */
export function unknownUser(field: string, userID: UserID, { classOf }: Pick<UserGallery, 'classOf'>): Error {
  const other = typeof userID === 'string' ? Number(userID) : `${userID}`
  const isOther = `${other}` === `${userID}` && classOf(other) !== undefined
  const kind = typeof other === 'number' ? 'integers' : 'strings'
  const hint = isOther ? `; UserIDs here are ${kind}: send ${quote(other)}` : ''
  return new errors.USER_UNKNOWN(field, `${quote(userID)}${hint}`)
}

/** Mean scores of the typings over the temperature, whose they are, and the thresholds for so many typings. */
async function read(
  { model, decisions }: Recognizer,
  { typings, claimed }: { typings: readonly Typing[]; claimed?: UserID },
  isCancelled?: () => boolean
) {
  const question = {
    rows: typings.map(fromTyping),
    wantsScores: true,
    ...(claimed !== undefined && { claimed })
  }
  const answers = await model.ask(question, isCancelled)
  const { temperature, thresholds } = decisions[Math.min(typings.length, decisions.length) - 1]!
  // Plain loops: with iterators and callbacks it took as long as the model.
  const scaled = new Float64Array(answers[0]!.scores.length)
  for (const { scores } of answers) {
    for (let user = 0; user < scaled.length; user++) scaled[user]! += scores[user]!
  }
  for (let user = 0; user < scaled.length; user++) scaled[user]! /= answers.length * temperature
  return { scaled, gallery: answers[0]!.gallery, thresholds }
}

/** Choose the thresholds for a user whose template is made of so many typings. */
export function thresholdFor(thresholds: readonly Threshold[], enrolled: number): Threshold {
  return thresholds.findLast((threshold) => threshold.enrolled <= enrolled)!
}

/**
 * Weigh a user against everybody else: another user, or as likely a stranger, whose scaled score is 0;
 * `evidence` of `notebook/keystroke/models/decisions.py`. Classes that are no longer users score too little to count.
 *
 * @param users - how many users there are, scored or not
 */
export function evidence(scaled: ArrayLike<number>, user: number, users: number): number {
  // The largest exponent is taken out, so that none overflows.
  let most = 0
  for (let other = 0; other < scaled.length; other++)
    if (other !== user) most = Math.max(most, scaled[other]!)
  let sum = 0
  for (let other = 0; other < scaled.length; other++)
    if (other !== user) sum += Math.exp(scaled[other]! - most)
  const everybodyElse = most + Math.log((0.5 * sum) / Math.max(users - 1, 1) + 0.5 * Math.exp(-most))
  return scaled[user]! - everybodyElse
}
