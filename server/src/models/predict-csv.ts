import type { Readable } from 'node:stream'
import { stringify } from 'csv-stringify/sync'
import type { Input } from '../schemas/manifest.ts'
import type { Typing } from '../schemas/typing.ts'
import { heavyWork } from '../turns.ts'
import { toCell } from '../typings/cells.ts'
import { type CsvTypings, readCsv } from '../typings/csv.ts'
import { computeFeatures } from '../typings/features.ts'
import { fromFeatures, fromTyping } from '../typings/rows.ts'
import type { Model, Row } from './model.ts'

/** What a model reads of a typing. */
const ROWS: Record<Input, (typing: Typing) => Row> = {
  features: (typing) => fromFeatures(computeFeatures(typing)),
  times: fromTyping
}

/**
 * Answer a CSV of typings, a row for a row, as it arrives. An invalid row gets an error; the rest are answered.
 *
 * @param source - the CSV's bytes; read no faster than the answer is taken
 * @param keys - K of the string that the models know
 * @param model - whom to ask
 * @returns the answer in chunks: a CSV with the columns Line, User (where the file has it), UserID, Error
 * @throws CSV_INVALID, before the first chunk, if the header is invalid or no row follows it
 */
export async function predictCsv(
  source: Readable,
  keys: number,
  model: Model
): Promise<AsyncGenerator<string>> {
  return answer(await readCsv(source, keys), model)
}

async function* answer({ hasUser, rows }: CsvTypings, model: Model): AsyncGenerator<string> {
  yield stringify([['Line', ...(hasUser ? ['User'] : []), 'UserID', 'Error']])
  for await (const batch of rows) {
    await heavyWork.turn()
    const toRow = ROWS[model.input]
    const rows = batch.flatMap(({ typing }) => (typing ? [toRow(typing)] : []))
    const answers = (await model.run({ rows, wantsScores: false })).values()
    yield stringify(
      batch.map(({ line, user, typing, error }) => [
        line,
        ...(hasUser ? [toCell(user ?? '')] : []),
        typing && answers.next().value?.UserID,
        error
      ])
    )
  }
}
