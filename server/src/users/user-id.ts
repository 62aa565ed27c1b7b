import { errors } from '../errors.ts'
import type { UserID } from '../schemas/common.ts'
import { quote } from '../text.ts'
import { BLANK } from '../typings/csv.ts'

/** Characters of a UserID that is enrolled. */
const LONGEST = 128

/** As an integer is written, and as somebody may write one who means it. */
const INTEGER = /^(?:0|-?[1-9][0-9]*)$/
const NUMBER = /^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?$/i

/** What neither a name nor a row of a CSV should hold. */
const CONTROL = /\p{Cc}|\p{Cs}/u

/** Joiners, marks of direction and the like: with them two names look alike (Unicode, UAX #31 and UTS #39). */
const INVISIBLE = /\p{Cf}|\p{Default_Ignorable_Code_Point}|\p{Zl}|\p{Zp}/u

/**
 * Bring a name to the one form in which it is kept (Unicode normalization form C), so that two that look alike are one
 * user. A name of the training stays as it is.
 */
export function normalize(userID: UserID, classes: readonly UserID[]): UserID {
  return typeof userID === 'number' || classes.includes(userID) ? userID : userID.normalize('NFC')
}

/**
 * Read a UserID from a path. Where the training's are integers a number is one too; anything else is a text.
 *
 * @param classes - the training's UserIDs
 * @throws USER_ID saying what is wrong with it
 */
export function parseUserID(path: string, classes: readonly UserID[]): UserID {
  if (classes.includes(path)) return path
  const text = path.normalize('NFC')
  if (text === '') throw new errors.USER_ID('is empty')
  // GET /users/export would not be about them.
  if (text === 'export') throw new errors.USER_ID('is "export", which is a path of its own')
  if (text.length > LONGEST) {
    throw new errors.USER_ID(`has ${text.length} characters; a UserID has at most ${LONGEST}`)
  }
  if (CONTROL.test(text)) throw new errors.USER_ID('has a control character')
  if (INVISIBLE.test(text)) throw new errors.USER_ID('has an invisible character')
  // The CSV of an export could not be read.
  if (text.startsWith('"')) throw new errors.USER_ID('begins with a quotation mark')
  if (BLANK.test(text)) throw new errors.USER_ID('begins or ends with a blank')
  if (classes.some((userID) => typeof userID === 'string') || !NUMBER.test(text)) return text
  const number = Number(text)
  if (!INTEGER.test(text) || !Number.isSafeInteger(number)) {
    throw new errors.USER_ID(`is ${quote(text)}; UserIDs here are integers, written as 7, or names`)
  }
  return number
}
