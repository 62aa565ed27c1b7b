import type { Readable } from 'node:stream'
import { stringify } from 'csv-stringify/sync'
import { type CsvTypings, readCsv } from '../typings/csv.ts'
import { computeFeatures } from '../typings/features.ts'
import type { Model } from './model.ts'
import { predictAll } from './predict.ts'

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
    const features = batch.flatMap(({ typing }) => (typing ? computeFeatures(typing) : []))
    const predictions = (await predictAll(model, features)).values()
    yield stringify(
      batch.map(({ line, user, typing, error }) => [
        line,
        ...(hasUser ? [user] : []),
        typing && predictions.next().value?.UserID,
        error
      ])
    )
  }
}
