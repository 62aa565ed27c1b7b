/**
 * What a file looks like that is not a CSV of typings, and what to do about it. The training says the same
 * (`notebook/keystroke/csv_looks.py`); `data/csv-cases.json` holds both to the same files.
 */
import { MAGIC_BYTES, whyNotText } from '../text.ts'

/** Names of the first column, in any case. */
export const USER_NAMES = ['user', 'userid', 'user_id', 'subject', 'participant']

export const NUMBER = /^-?[0-9]+(?:\.[0-9]+)?$/

const LOG = 'looks like a log of single keys; a row has to hold a whole typing: user,press-0,release-0,...'

/** Columns of such logs: the 136M keystrokes of Aalto, BB-MAS, KeyRecs, those written with pynput. */
const LOG_COLUMN =
  /^(?:event|timestamp|event_?type|direction|key_?code|key_?name|key_?[0-9]?|letter|keystroke_?id|(?:press|release)[ _]?time)$/i

/** A key as pynput writes it, or what it did. */
const LOG_FIELD = /^(?:'.'|key\.\w+|(?:key[ _]?)?(?:down|up|press|pressed|release|released))$/iu

/** A key, or a user of a short name. */
const KEY = /^(?:\p{L}|space|shift|enter|backspace)$/iu

/** Characters with which other files begin than `whyNotText` knows, after a byte order mark and blanks. */
const STARTS: [start: RegExp, what: string][] = [
  [/^%PDF/, 'it is a PDF'],
  [/^(?:\xef\xbb\xbf)?\s*</, 'it is HTML, such as a page in place of the download'],
  [/^(?:\xef\xbb\xbf)?\s*[{[]/, 'it is JSON']
]

/**
 * Recognize by its first bytes what is not UTF-8 text in columns.
 *
 * @param start - `MAGIC_BYTES` of it or more, or all of it
 */
export function describeStart(start: Buffer): string | undefined {
  const bytes = start.subarray(0, MAGIC_BYTES).toString('latin1')
  return whyNotText(start) ?? STARTS.find(([magic]) => magic.test(bytes))?.[1]
}

/** Say what a first line that is not the header looks like; undefined if it may be one. */
export function describeHeader(record: readonly string[]): string | undefined {
  const [first = '', second = ''] = record.map((field) => field.toLowerCase())
  const separated = describeSeparator(record.join(','))
  if (separated !== undefined) return separated
  if (first.startsWith('version https://git-lfs')) {
    return 'the file is a pointer of Git LFS; git lfs pull gets the file itself'
  }
  if (first.startsWith('sep=')) return 'sep= is read by Excel alone; remove this line'
  if (first === '' && (second === 'press-0' || USER_NAMES.includes(second))) {
    return 'column 1 has no name; it looks like a data frame index, remove it'
  }
  if (isLog(record)) return LOG
  if (record.some((field) => /^(?:h|dd|ud)\../i.test(field))) {
    return 'looks like hold (H.) and press-press (DD.) times, as in the CMU benchmark; docs/csv.md makes press and release times of them: user,press-0,release-0,...'
  }
  if (record.length > 2 && record.slice(1).every((field) => NUMBER.test(field))) {
    return 'looks like a typing; a header user,press-0,release-0,... comes first'
  }
  return undefined
}

/** Say what separates the fields of a file's first line where commas do not. */
function describeSeparator(line: string): string | undefined {
  for (const [separator, what] of [
    [';', 'semicolons'],
    ['\t', 'tabs']
  ] as const) {
    const fields = line.split(separator)
    // A sentence in one of the fields may have commas.
    if (fields.length > 2 || (fields.length === 2 && !line.includes(','))) {
      return `fields are separated by ${what}; use commas${isLog(fields) ? `; it ${LOG}` : ''}`
    }
  }
  return undefined
}

/** Whether a line is of a log of single keys, its header or a row. */
function isLog(record: readonly string[]): boolean {
  if (record.some((field) => LOG_COLUMN.test(field))) return true
  const times = record.filter((field) => NUMBER.test(field)).length
  if (times > 0 && record.some((field) => LOG_FIELD.test(field))) return true
  // A typing has one field that is not a number at most, its user, and two times for each key.
  const isTyping = times >= record.length - 1 && times % 2 === 0
  return times > 0 && !isTyping && record.some((field) => KEY.test(field))
}

/**
 * Say whether the last name of a header and the row after it have become one field.
 *
 * @param column - of the header
 * @param expected - its name
 * @param rest - the fields after it
 */
export function describeColumn(
  column: string,
  expected: string,
  rest: readonly string[]
): string | undefined {
  const isJoined = column.length > expected.length && column.toLowerCase().startsWith(expected)
  return isJoined && rest.some((field) => NUMBER.test(field)) ? NO_LINE_ENDS : undefined
}

export const NO_LINE_ENDS = 'the file has no line ends; curl keeps them with --data-binary, and not with -d'
