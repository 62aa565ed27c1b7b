import { type Readable, Transform } from 'node:stream'
import { type CsvError, type Info, type Parser, parse } from 'csv-parse'
import { errors } from '../errors.ts'
import type { Typing } from '../schemas/typing.ts'
import { MAGIC_BYTES, quote } from '../text.ts'
import { heavyWork } from '../turns.ts'
import { fromCell } from './cells.ts'
import { describeLargeTime, findFault, findImplausible } from './check.ts'
import {
  describeColumn,
  describeHeader,
  describeStart,
  NO_LINE_ENDS,
  NUMBER,
  USER_NAMES
} from './csv-looks.ts'

/** Rows given together, at most; also all that is held of a file at a time. */
const ROWS_AT_A_TIME = 64

/** A row of 1,000 keys has some 14,000 characters; what is longer follows a lost quote. */
const MAX_ROW_BYTES = 65_536

/** Some programs write whole numbers as 84.0. */
const WHOLE_NUMBER = /^(?:0|[1-9][0-9]*)(?:\.0+)?$/

/** What the decoder puts where bytes are not UTF-8. */
const REPLACEMENT_CHARACTER = '\ufffd'

/** All that a name must not begin or end with: Python's white space and JavaScript's. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: Python takes them for white space
export const BLANK = /^[\s\u001c-\u001f\u0085]|[\s\u001c-\u001f\u0085]$/

/** Longer than anybody types a string, s; numbers below it are not milliseconds. */
const LONGEST_IN_SECONDS = 60

/** A record of the file, or the place from which on it can't be read. */
type Row = { info: Info; record: string[] } | { unreadable: CsvError }

/** What a row of the file holds: a typing, or why it is not one. */
export interface CsvTyping {
  /** The row's first line in the file, from 1. */
  line: number
  user?: string | undefined
  typing?: Typing
  error?: string
}

/** Typings of a CSV, as they arrive. */
export interface CsvTypings {
  /** Whether the file says who typed. */
  hasUser: boolean
  rows: AsyncGenerator<CsvTyping[], void, void>
}

/**
 * Read a CSV of typings as it arrives. The format is the training's (`notebook/keystroke/data.py`), but that the
 * column `user` may be left out; `data/csv-cases.json` holds both readers to the same files.
 *
 * @param source - the CSV's bytes; read no faster than the rows are taken
 * @param keys - K of the string that the models know
 * @throws CSV_INVALID if the header is invalid or no row follows it
 */
export async function readCsv(source: Readable, keys: number): Promise<CsvTypings> {
  const batches = readBatches(openParser(source))
  let rows = (await batches.next()).value ?? []
  const columns = checkHeader(rows[0], keys)
  rows = rows.length > 1 ? rows.slice(1) : ((await batches.next()).value ?? [])
  if (rows.length === 0) throw new errors.CSV_INVALID('the CSV has no row after its header')
  return { hasUser: columns[0] === 'user', rows: readTypings(rows, batches, columns) }
}

function openParser(source: Readable): Parser {
  const parser: Parser = parse({
    bom: true,
    info: true,
    max_record_size: MAX_ROW_BYTES,
    record_delimiter: ['\r\n', '\n', '\r'],
    relax_column_count: true,
    // Otherwise a stray quote takes the rows after it along; so it stays in its field, which is then refused.
    relax_quotes: true,
    skip_empty_lines: true,
    // Excel writes rows of nothing but commas.
    skip_records_with_empty_values: true,
    // An error event would drop rows that are parsed and not yet read; this keeps it in order among them.
    skip_records_with_error: true,
    on_skip: (unreadable) => {
      if (unreadable) parser.push({ unreadable } satisfies Row)
    }
  })
  // Before the parser has it, which would decode UTF-16 that the training refuses.
  const text = requireText()
  text.once('error', (error) => parser.destroy(error))
  source.pipe(text).pipe(paced()).pipe(parser)
  // pipe() forwards no failure: without this an aborted upload would leave the parser waiting for ever.
  source.once('error', (error) => parser.destroy(error))
  source.once('close', () => {
    if (!source.readableEnded) parser.destroy(new Error('the upload was aborted'))
  })
  return parser
}

/** Looks at the first bytes, however they arrive, and fails with CSV_INVALID where they are not a CSV's. */
function requireText(): Transform {
  let start: Buffer | undefined = Buffer.alloc(0)
  const check = (bytes: Buffer): Error | null => {
    start = undefined
    const why = describeStart(bytes)
    return why === undefined ? null : new errors.CSV_INVALID(`the file is not a CSV: ${why}`)
  }
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      if (start === undefined) return done(null, chunk)
      const bytes = Buffer.concat([start, chunk])
      if (bytes.length >= MAGIC_BYTES) return done(check(bytes), bytes)
      start = bytes
      done()
    },
    flush(done) {
      if (start === undefined) return done()
      const bytes = start
      done(check(bytes), bytes)
    }
  })
}

/** Gives a chunk a turn: to parse one of 64 kB takes some ms, and many files may come at once. */
function paced(): Transform {
  return new Transform({
    transform: (chunk, _encoding, done) => void heavyWork.turn().then(() => done(null, chunk))
  })
}

/** Gather the rows that have arrived: many of a fast file, the one of a slow one. */
async function* readBatches(parser: Parser): AsyncGenerator<Row[], void, void> {
  let rows: Row[] = []
  for await (const row of parser as AsyncIterable<Row>) {
    rows.push(row)
    if ('unreadable' in row) break
    if (rows.length === ROWS_AT_A_TIME || parser.readableLength === 0) {
      yield rows
      rows = []
    }
  }
  if (rows.length > 0) yield rows
}

async function* readTypings(
  first: Row[],
  rest: AsyncGenerator<Row[], void, void>,
  columns: readonly string[]
): AsyncGenerator<CsvTyping[], void, void> {
  const lines = new LineCounter()
  try {
    for (let rows: Row[] | undefined = first; rows; rows = (await rest.next()).value ?? undefined) {
      yield rows.map((row) => readTyping(row, columns, lines))
    }
  } finally {
    await rest.return()
  }
}

/** Says on which line a row begins. The parser says on which it ends, and counts a CRLF inside quotes twice. */
class LineCounter {
  #last = 1
  #twice = 0

  /** Where the row after the last one begins; the parser says of an unreadable one where it gave up. */
  get next(): number {
    return this.#last - this.#twice + 1
  }

  firstLineOf(ends: number, record: readonly string[]): number {
    const isNext = ends - this.#last === 1
    this.#last = ends
    const inside = isNext ? 0 : count(record, /[\r\n]/g)
    const line = ends - this.#twice - inside
    if (inside > 0) this.#twice += count(record, /\r\n/g)
    return line
  }
}

function count(record: readonly string[], what: RegExp): number {
  return record.reduce((sum, field) => sum + (field.match(what)?.length ?? 0), 0)
}

function checkHeader(row: Row | undefined, keys: number): string[] {
  if (row === undefined) throw new errors.CSV_INVALID('the CSV is empty; a header comes first')
  if ('unreadable' in row) {
    const why = explain(row.unreadable)
    const is = row.unreadable.code === 'CSV_MAX_RECORD_SIZE' ? `${why}, or ${NO_LINE_ENDS}` : why
    throw new errors.CSV_INVALID(`line 1 cannot be read: ${is}`)
  }
  const { record, info } = row
  const refuse = (why: string) => new errors.CSV_INVALID(`line ${info.lines}: ${why}`)
  while (record.at(-1) === '') record.pop()
  const what = describeHeader(record)
  if (what !== undefined) throw refuse(what)
  const found = record.map((column) => column.toLowerCase())
  const times = Array.from({ length: keys }, (_, key) => [`press-${key}`, `release-${key}`]).flat()
  const hasUser = USER_NAMES.includes(found[0]!)
  if (hasUser) found[0] = 'user'
  const expected = hasUser ? ['user', ...times] : times
  const at = expected.findIndex((column, i) => found[i] !== column)
  const known = `the models know a string of ${keys} keys`
  if (at >= 0) {
    const joined = describeColumn(record[at] ?? '', expected[at]!, record.slice(at + 1))
    if (joined !== undefined) throw refuse(joined)
    const is = record[at] === undefined ? 'is missing' : `is ${quote(record[at])}`
    throw refuse(`column ${at + 1} should be ${expected[at]}, ${is}; ${known}`)
  }
  if (record.length > expected.length) {
    throw refuse(
      `column ${expected.length + 1}, ${quote(record[expected.length]!)}, is one too many; ${known}`
    )
  }
  return expected
}

function readTyping(row: Row, columns: readonly string[], lines: LineCounter): CsvTyping {
  if ('unreadable' in row) {
    const why = `${explain(row.unreadable)}; reading stopped here, rows that follow have no answer`
    return { line: lines.next, error: why }
  }
  const { record, info } = row
  const hasUser = columns[0] === 'user'
  const user = hasUser ? fromCell(record[0]!) : undefined
  const found = { line: lines.firstLineOf(info.lines, record), user }
  const refuse = (column: number, why: string) => ({ ...found, error: `column ${columns[column]}: ${why}` })

  while (record.length > columns.length && record.at(-1) === '') record.pop()
  if (record.length < columns.length) {
    return refuse(record.length, `missing; the row has ${record.length} of ${columns.length} fields`)
  }
  if (record.length > columns.length) {
    return { ...found, error: `column ${columns.length + 1}: one too many; the header has ${columns.length}` }
  }
  const fault = user !== undefined && findUserFault(user)
  if (fault) return refuse(0, fault)

  const typing: Typing = { Press: [], Release: [] }
  const first = hasUser ? 1 : 0
  for (let column = first; column < columns.length; column++) {
    const field = record[column]!
    const time = Number(field)
    if (!WHOLE_NUMBER.test(field) || time > Number.MAX_SAFE_INTEGER) {
      const why = `${quote(field)} is not a whole number of ms from 0 to 2^53 - 1`
      return refuse(column, why + hint(field, record.slice(first)))
    }
    typing[(column - first) % 2 === 0 ? 'Press' : 'Release'].push(time)
  }
  const wrong = findFault(typing) ?? findImplausible(typing)
  if (wrong) return refuse(first + 2 * wrong.key + (wrong.event === 'Release' ? 1 : 0), wrong.why)
  return { ...found, typing }
}

function findUserFault(user: string): string | undefined {
  if (user.includes(REPLACEMENT_CHARACTER)) {
    return 'not UTF-8, or it was not where it was last saved, and has U+FFFD instead'
  }
  if (user === '' || BLANK.test(user)) return `${quote(user)} is empty or has blanks around it`
  // The parser leaves it there where text follows a closing quote.
  if (user.startsWith('"')) return `${quote(user)}: a quotation mark is misplaced`
  return undefined
}

/** What a fraction, or a number of so many digits, says of the unit. */
function hint(field: string, times: string[]): string {
  const finer = /^[0-9]+$/.test(field) ? describeLargeTime(field.length) : undefined
  if (finer) return `; ${finer}`
  if (!NUMBER.test(field) || !field.includes('.')) return ''
  const took = Math.max(...times.map(Number)) - Math.min(...times.map(Number))
  return took < LONGEST_IN_SECONDS
    ? '; the times look like seconds, multiply them by 1000 and round them'
    : '; round the times'
}

function explain({ code, message }: CsvError): string {
  if (code === 'CSV_QUOTE_NOT_CLOSED') return 'a quote is opened and never closed'
  if (code === 'CSV_MAX_RECORD_SIZE')
    return `a quote is opened and never closed, as a row is longer than ${MAX_ROW_BYTES} bytes`
  return message
}
