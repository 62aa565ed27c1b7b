/**
 * How well the service recognizes typings that its models never saw, over HTTP, against what
 * `npm run evaluate` computes in Python: trained on the first three quarters of each user's typings,
 * asked about the last quarter.
 */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { buildApp } from '../../src/app.ts'
import { loadModels } from '../../src/models/load.ts'
import type { UserID } from '../../src/schemas/common.ts'
import type { Typing } from '../../src/schemas/typing.ts'
import { equalErrorRate } from '../equal-error-rate.ts'
import { FIRST_AND_LAST, prepareFirstAndLast } from '../fixtures.ts'

const folder = await prepareFirstAndLast(FIRST_AND_LAST)
const last = JSON.parse(await readFile(join(folder, 'last.json'), 'utf8')) as {
  press: number[][]
  release: number[][]
  true: UserID[]
  rates: { rank1: number; rank5: number; pooledEER: number; ECE: number }
}
const models = loadModels(folder)
const app = await buildApp({ models })
await models
t.teardown(() => app.close())

async function post<T>(url: string, payload: object): Promise<T> {
  const reply = await app.inject({ method: 'POST', url, payload })
  assert.equal(reply.statusCode, 200)
  return reply.json()
}

const typings: Typing[] = last.press.map((Press, row) => ({ Press, Release: last.release[row]! }))
const users = [...new Set(last.true)]

t.test(`/identify names as many of the ${FIRST_AND_LAST}’s last typings as in Python`, async (t) => {
  let first = 0
  let amongFive = 0
  for (const [row, typing] of typings.entries()) {
    const { UserID, Candidates } = await post<{ UserID: UserID; Candidates: { UserID: UserID }[] }>(
      '/identify?top=5',
      { Typings: [typing] }
    )
    if (UserID === last.true[row]) first++
    if (Candidates.some((candidate) => candidate.UserID === last.true[row])) amongFive++
  }
  const [rank1, rank5] = [first / typings.length, amongFive / typings.length]
  t.comment(`rank-1 ${rank1.toFixed(4)}, rank-5 ${rank5.toFixed(4)} of ${typings.length} typings`)
  t.equal(rank1, last.rates.rank1)
  t.equal(rank5, last.rates.rank5)
  if (FIRST_AND_LAST === 'challenge') t.ok(rank1 >= 0.845)
})

t.test('/verify, asked about every user for every typing, errs as often as in Python', async (t) => {
  const own: number[] = []
  const others: number[] = []
  for (const [row, typing] of typings.entries()) {
    for (const UserID of users) {
      const { Score } = await post<{ Score: number }>('/verify', { UserID, Typings: [typing] })
      ;(UserID === last.true[row] ? own : others).push(Score)
    }
  }
  const eer = equalErrorRate(own, others)
  t.comment(`pooled EER ${eer.toFixed(4)} of ${own.length} own and ${others.length} others’ claims`)
  t.ok(
    Math.abs(eer - last.rates.pooledEER) < 0.001,
    `pooled EER ${eer} and, in Python, ${last.rates.pooledEER}`
  )
  if (FIRST_AND_LAST === 'challenge') t.ok(eer <= 0.024)
})
