/** The typing model with more users than it scores: held against the same model with all of them. */
import { createHash } from 'node:crypto'
import t from 'tap'
import type { UserGallery } from '../../src/models/gallery.ts'
import { loadModels } from '../../src/models/load.ts'
import type { Answer } from '../../src/models/model.ts'
import { evidence, identify, recognizerOf, verify } from '../../src/models/recognize.ts'
import type { Typing } from '../../src/schemas/typing.ts'
import { fromTyping } from '../../src/typings/rows.ts'
import { folder, oracle, typing } from '../fixtures.ts'

const USERS = 2_000

const python = oracle('sample')
const models = await loadModels(folder('sample'))
t.teardown(() => models.close())
const { templates, enrollment, manifest } = models
const { typing: model } = models.byName
const recognizer = recognizerOf(models)

/** Between 0 and 1, the same for the same two numbers, and evenly spread. */
const spread = (a: number, b: number): number =>
  createHash('sha1').update(`${a} ${b}`).digest().readUInt32LE() / 2 ** 32

/** A typing of an enrolled user: one of the sample’s, with habits of theirs on every interval and hold. */
const enrolledTyping = (user: number, row: number): Typing => {
  const { Press, Release } = typing(python, 8 * (user % 110) + row)
  const habit = (place: number) => 0.7 * 2 ** spread(user, place)
  const press: number[] = []
  for (const [key, time] of Press.entries()) {
    press.push(key === 0 ? time : Math.round(press[key - 1]! + (time - Press[key - 1]!) * habit(key)))
  }
  const held = Release.map((time, key) => Math.round((time - Press[key]!) * habit(100 + key)))
  return { Press: press, Release: press.map((time, key) => time + held[key]!) }
}

for (let user = 0; user < USERS; user++) {
  const rows = [0, 1, 2, 3].map((row) => fromTyping(enrolledTyping(user, row)))
  templates.set(`user-${user}`, await enrollment.enroll(rows), rows.length)
}
model.gallery = templates.gallery()

/** What all users score, without a shortlist. */
const scoreAll = (...typings: Typing[]): Promise<Answer<UserGallery>[]> =>
  model.run({ rows: typings.map(fromTyping), wantsScores: true }, model.gallery)

const asked = Array.from({ length: 60 }, (_, i) => enrolledTyping(i * 31, 5))

t.test('names whom it would name of all users, with probabilities within .02', async (t) => {
  let right = 0
  for (const [i, one] of asked.entries()) {
    const [all] = await scoreAll(one)
    const found = await identify(recognizer, [one], 5)
    t.equal(found.UserID, all!.UserID)
    if (found.UserID === `user-${i * 31}`) right++
    const { temperature } = manifest.models.typing.decisions[0]!
    const likely = [...all!.scores].sort((a, b) => b - a)
    const sum = likely.reduce((sum, score) => sum + Math.exp((score - likely[0]!) / temperature), 0)
    for (const [place, { Probability }] of found.Candidates.entries()) {
      const expected = Math.exp((likely[place]! - likely[0]!) / temperature) / sum
      t.ok(Math.abs(Probability - expected) < 0.02, `${Probability}, and ${expected} of all users`)
    }
  }
  t.ok(right > 40, `${right} of 60 are named, so these typings say something`)
})

t.test('weighs a claim as it would beside all users, however unlikely it is', async (t) => {
  const [one, two] = [enrolledTyping(1234, 5), enrolledTyping(1234, 6)]
  for (const typings of [[one], [one, two]]) {
    const all = await scoreAll(...typings)
    const { temperature } = manifest.models.typing.decisions[typings.length - 1]!
    const mean = Float64Array.from(
      all[0]!.scores,
      (_, user) => all.reduce((sum, { scores }) => sum + scores[user]!, 0) / all.length / temperature
    )
    for (const claimed of ['user-1234', 'user-7', 'user-1999', 1, 110]) {
      const { Score } = await verify(recognizer, typings, claimed)
      const expected = evidence(mean, model.gallery.classOf(claimed)!, model.gallery.users)
      t.ok(Math.abs(Score - expected) < 0.01, `${claimed}: ${Score}, and ${expected} beside all`)
    }
  }
  t.match(await verify(recognizer, [one, two], 'user-1234'), { Match: true })
  t.match(await verify(recognizer, [one, two], 'user-7'), { Match: false })
  await t.rejects(verify(recognizer, [one], 'user-2000'), { code: 'KS_ERR_USER_UNKNOWN' })
})

t.test('answers many at the same time, each its own', async (t) => {
  const found = await Promise.all(asked.map((one) => identify(recognizer, [one], 1)))
  const alone = []
  for (const one of asked) alone.push(await identify(recognizer, [one], 1))
  for (const [i, { UserID, Candidates }] of found.entries()) {
    t.equal(UserID, alone[i]!.UserID)
    // Sums have another order in a larger run.
    t.ok(Math.abs(Candidates[0]!.Probability - alone[i]!.Candidates[0]!.Probability) < 1e-4)
  }
  const labels = await model.run({ rows: asked.map(fromTyping), wantsScores: false })
  t.same(
    labels.map(({ UserID }) => UserID),
    alone.map(({ UserID }) => UserID),
    'and so does a CSV'
  )
})

t.test(
  'the deleted are named no longer, trained or enrolled, however many candidates are asked for',
  async (t) => {
    const gone = enrolledTyping(62, 5)
    t.equal((await identify(recognizer, [gone], 1)).UserID, 'user-62')
    templates.delete('user-62')
    templates.delete(1)
    model.gallery = templates.gallery()
    const { Candidates } = await identify(recognizer, [gone], 1000)
    const names = Candidates.map(({ UserID }) => UserID)
    t.ok(names.length > 150)
    t.notOk(names.includes('user-62'))
    t.notOk(names.includes(1))
    t.equal(new Set(names).size, names.length)
    await t.rejects(verify(recognizer, [gone], 'user-62'), { code: 'KS_ERR_USER_UNKNOWN' })
  }
)

t.test('one who is replaced while they are asked about is weighed by one of the templates', async (t) => {
  const one = enrolledTyping(700, 5)
  const before = await verify(recognizer, [one], 'user-700')
  const asking = verify(recognizer, [one], 'user-700')
  const rows = [4, 5, 6].map((row) => fromTyping(enrolledTyping(700, row)))
  templates.set('user-700', await enrollment.enroll(rows), rows.length)
  model.gallery = templates.gallery()
  const after = await verify(recognizer, [one], 'user-700')
  t.not(after.Score, before.Score)
  const { Score } = await asking
  t.ok(Score === before.Score || Math.abs(Score - after.Score) < 1e-6, `${Score}`)
})
