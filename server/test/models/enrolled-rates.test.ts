/**
 * How well users are recognized who are enrolled over HTTP with five typings, by models of other users, against a model
 * that was trained on all of them with the same typings.
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
import { FIRST_AND_LAST, prepareEnrolled } from '../fixtures.ts'

interface Recorded {
  UserID: UserID
  Typing: Typing
}

const folder = await prepareEnrolled(FIRST_AND_LAST)
const { enrolled, asked, rates } = JSON.parse(await readFile(join(folder, 'enrolled.json'), 'utf8')) as {
  enrolled: Recorded[]
  asked: Recorded[]
  rates: { rank1: number; pooledEER: number }
}
const models = loadModels(folder)
const app = await buildApp({ models })
await models
t.teardown(() => app.close())

async function call<T>(method: 'PUT' | 'POST', url: string, payload: object, status: number): Promise<T> {
  const reply = await app.inject({ method, url, payload })
  assert.equal(reply.statusCode, status, reply.body)
  return reply.json()
}

t.test(
  `half of the ${FIRST_AND_LAST}’s users, enrolled, are recognized as if they were trained`,
  async (t) => {
    const users = [...new Set(enrolled.map(({ UserID }) => UserID))]
    for (const user of users) {
      const Typings = enrolled.filter(({ UserID }) => UserID === user).map(({ Typing }) => Typing)
      await call('PUT', `/users/${user}`, { Typings }, 201)
    }
    const all = [...(await models).manifest.classes, ...users]
    let first = 0
    const [own, others]: [number[], number[]] = [[], []]
    for (const { UserID: typist, Typing } of asked) {
      const Typings = [Typing]
      const { UserID } = await call<{ UserID: UserID }>('POST', '/identify', { Typings }, 200)
      if (UserID === typist) first++
      for (const claimed of all) {
        const { Score } = await call<{ Score: number }>('POST', '/verify', { UserID: claimed, Typings }, 200)
        ;(claimed === typist ? own : others).push(Score)
      }
    }
    const [rank1, eer] = [first / asked.length, equalErrorRate(own, others)]
    t.comment(
      `${users.length} users enrolled beside ${all.length - users.length}: rank-1 ${rank1.toFixed(4)}, pooled EER ${eer.toFixed(4)}; ` +
        `trained: ${rates.rank1.toFixed(4)}, ${rates.pooledEER.toFixed(4)}`
    )
    t.ok(Math.abs(rank1 - rates.rank1) <= 0.02, `rank-1 ${rank1}, trained ${rates.rank1}`)
    t.ok(Math.abs(eer - rates.pooledEER) <= 0.005, `pooled EER ${eer}, trained ${rates.pooledEER}`)
  }
)
