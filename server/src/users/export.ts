import { stringify } from 'csv-stringify/sync'
import { heavyWork } from '../turns.ts'
import { toCell } from '../typings/cells.ts'
import { fromTyping } from '../typings/rows.ts'
import type { StoredUser } from './store.ts'

/**
 * Write users as the CSV that `npm run train` takes, a user in each piece and a turn of the event loop: thousands of
 * users in one turn would stop it for seconds.
 *
 * @param users - all of one string
 * @param keys - K of the string
 */
export async function* toCsv(users: AsyncIterable<StoredUser>, keys: number): AsyncGenerator<string> {
  const columns = Array.from({ length: keys }, (_, key) => [`press-${key}`, `release-${key}`])
  yield stringify([['user', ...columns.flat()]])
  for await (const { UserID, typings } of users) {
    await heavyWork.turn()
    const name = typeof UserID === 'string' ? toCell(UserID) : UserID
    yield stringify(typings.map((typing) => [name, ...fromTyping(typing)]))
  }
}
