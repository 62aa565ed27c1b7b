import type { Readable } from 'node:stream'
import { type CsvError, type Info, type Parser, parse } from 'csv-parse'
import { stringify } from 'csv-stringify/sync'
import { errors } from './errors.ts'
import { computeFeatures } from './features.ts'
import { type Model, predict } from './predict.ts'
import type { Typing } from './schemas.ts'
import { findFault } from './typing.ts'

/** Rows answered together, at most; also all that is held of a file at a time. */
const ROWS_AT_A_TIME = 64

/** A row of 1,000 keys has some 14,000 characters; what is longer is no row, but follows a lost quote. */
const MAX_ROW_BYTES = 65_536

const WHOLE_NUMBER = /^(?:0|[1-9][0-9]*)$/

/** What the decoder puts where bytes are not UTF-8. */
const REPLACEMENT_CHARACTER = '\ufffd'

/** A record of the file, or the place from which on it can't be read. */
type Row = { info: Info; record: string[] } | { unreadable: CsvError }

/**
 * Answer a CSV of typings, a row for a row, as it arrives. The format is the training's
 * (`notebook/keystroke/data.py`); the column `user` may be left out. A row that is no typing gets its
 * reason in its place, and the others go on.
 *
 * @param source - the CSV's bytes; read no faster than the answer is taken
 * @param keys - K of the string that the models know
 * @param model - whom to ask
 * @returns the answer in chunks: a CSV with the columns Line, User (where the file has it), UserID, Error
 * @throws CSV_INVALID, before the first chunk, if the header does not fit or no row follows it
 */
export async function predictCsv(
  source: Readable,
  keys: number,
  model: Model
): Promise<AsyncGenerator<string>> {
  const parser = openParser(source)
  const batches = readBatches(parser)
  let rows = (await batches.next()).value ?? []
  const columns = checkHeader(rows[0], keys)
  rows = rows.length > 1 ? rows.slice(1) : ((await batches.next()).value ?? [])
  if (rows.length === 0) throw new errors.CSV_INVALID('the CSV has no row after its header')
  return answer(rows, batches, columns, model)
}

function openParser(source: Readable): Parser {
  const parser: Parser = parse({
    bom: true,
    info: true,
    max_record_size: MAX_ROW_BYTES,
    record_delimiter: ['\r\n', '\n'],
    relax_column_count: true,
    // Otherwise a stray quote takes the rows after it along; so it stays in its field, which is then refused.
    relax_quotes: true,
    skip_empty_lines: true,
    // An error event would drop rows that are parsed and not yet read; this keeps it in its place among them.
    skip_records_with_error: true,
    on_skip: (unreadable) => {
      if (unreadable) parser.push({ unreadable } satisfies Row)
    }
  })
  source.pipe(parser)
  // pipe() forwards no failure: without this an aborted upload would leave the parser waiting for ever.
  source.once('error', (error) => parser.destroy(error))
  source.once('close', () => {
    if (!source.readableEnded) parser.destroy(new Error('the upload was aborted'))
  })
  return parser
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

async function* answer(
  first: Row[],
  rest: AsyncGenerator<Row[], void, void>,
  columns: readonly string[],
  model: Model
): AsyncGenerator<string> {
  const hasUser = columns[0] === 'user'
  yield stringify([['Line', ...(hasUser ? ['User'] : []), 'UserID', 'Error']])
  try {
    for (let rows: Row[] | undefined = first; rows; rows = (await rest.next()).value ?? undefined) {
      const outcomes = rows.map((row) => readTyping(row, columns))
      const questions = outcomes.flatMap(({ typing }) =>
        typing ? { features: computeFeatures(typing) } : []
      )
      const predictions = (await predict(model, questions)).values()
      yield stringify(
        outcomes.map(({ line, user, typing, error }) => [
          line,
          ...(hasUser ? [user] : []),
          typing && predictions.next().value?.UserID,
          error
        ])
      )
    }
  } finally {
    await rest.return()
  }
}

function checkHeader(row: Row | undefined, keys: number): string[] {
  if (row === undefined) throw new errors.CSV_INVALID('the CSV is empty; a header comes first')
  if ('unreadable' in row) throw new errors.CSV_INVALID(`line 1 cannot be read: ${explain(row.unreadable)}`)
  const { record } = row
  if (record.length === 1 && record[0]!.includes(';')) {
    throw new errors.CSV_INVALID('line 1: fields are separated by semicolons; use commas')
  }
  const times = Array.from({ length: keys }, (_, key) => [`press-${key}`, `release-${key}`]).flat()
  const expected = record[0] === 'user' ? ['user', ...times] : times
  const at = expected.findIndex((column, i) => record[i] !== column)
  if (at >= 0) {
    const found = record[at] === undefined ? 'is missing' : `is ${JSON.stringify(record[at])}`
    throw new errors.CSV_INVALID(
      `line 1: column ${at + 1} should be ${expected[at]}, ${found}; the models know a string of ${keys} keys`
    )
  }
  if (record.length > expected.length) {
    throw new errors.CSV_INVALID(
      `line 1: column ${expected.length + 1}, ${JSON.stringify(record[expected.length])}, is one too many; ` +
        `the models know a string of ${keys} keys`
    )
  }
  return expected
}

interface Outcome {
  line: number
  user?: string | undefined
  typing?: Typing
  error?: string
}

function readTyping(row: Row, columns: readonly string[]): Outcome {
  if ('unreadable' in row) {
    const why = `${explain(row.unreadable)}; reading stopped here, rows that follow have no answer`
    return { line: row.unreadable.lines as number, error: why }
  }
  const { record, info } = row
  const hasUser = columns[0] === 'user'
  const outcome = { line: info.lines, user: hasUser ? record[0] : undefined }
  const refuse = (column: number, why: string) => ({ ...outcome, error: `column ${columns[column]}: ${why}` })

  if (record.length < columns.length) {
    return refuse(record.length, `missing; the row has ${record.length} of ${columns.length} fields`)
  }
  if (record.length > columns.length) {
    return {
      ...outcome,
      error: `column ${columns.length + 1}: one too many; the header has ${columns.length}`
    }
  }
  if (hasUser && record[0]!.includes(REPLACEMENT_CHARACTER)) return refuse(0, 'not UTF-8')

  const typing: Typing = { Press: [], Release: [] }
  const first = hasUser ? 1 : 0
  for (let column = first; column < columns.length; column++) {
    const field = record[column]!
    const time = Number(field)
    if (!WHOLE_NUMBER.test(field) || time > Number.MAX_SAFE_INTEGER) {
      return refuse(column, `${JSON.stringify(field)} is not a whole number of ms from 0 to 2^53 - 1`)
    }
    typing[(column - first) % 2 === 0 ? 'Press' : 'Release'].push(time)
  }
  const fault = findFault(typing)
  if (fault) return refuse(first + 2 * fault.key + (fault.event === 'Release' ? 1 : 0), fault.why)
  return { ...outcome, typing }
}

function explain({ code, message }: CsvError): string {
  if (code === 'CSV_QUOTE_NOT_CLOSED') return 'a quote is opened and never closed'
  if (code === 'CSV_MAX_RECORD_SIZE')
    return `a row is longer than ${MAX_ROW_BYTES} bytes; is a quote missing?`
  return message
}
