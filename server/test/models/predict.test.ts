import t, { type Test } from 'tap'
import { loadModels, type Models } from '../../src/models/load.ts'
import { predictAll } from '../../src/models/predict.ts'
import type { UserID } from '../../src/schemas/common.ts'
import { CLASSIFIER_NAMES } from '../../src/schemas/predict.ts'
import { type FixtureName, features, folder, oracle, withoutChallenge } from '../fixtures.ts'

async function load(t: Test, name: FixtureName): Promise<Models> {
  const models = await loadModels(folder(name))
  t.teardown(() => models.close())
  return models
}

for (const name of ['sample', 'challenge'] as FixtureName[]) {
  t.test(
    `every typing of the ${name} gets scikit-learn’s and XGBoost’s own prediction`,
    { skip: name === 'challenge' && withoutChallenge },
    async (t) => {
      const models = await load(t, name)
      const python = oracle(name)
      const rows = python.features.map((_, row) => features(python, row))
      for (const model of CLASSIFIER_NAMES) {
        const found = (await predictAll(models.byName[model], rows)).map(({ UserID }) => UserID)
        t.same(found, python.users[model], model)
        if (name === 'challenge') {
          const right = found.filter((user: UserID, row) => user === python.true[row]).length
          t.equal(right, model === 'SVM' ? 160 : 880, `${model} names ${right} of 880`)
        }
      }
    }
  )
}

t.test('candidates are scikit-learn’s best, with its scores', async (t) => {
  const models = await load(t, 'sample')
  const python = oracle('sample')
  const rows = python.features.map((_, row) => features(python, row))
  for (const model of CLASSIFIER_NAMES) {
    const predictions = await predictAll(models.byName[model], rows, 5)
    let worst = 0
    let inOrder = 0
    for (const [row, { Candidates }] of predictions.entries()) {
      const best = python.best[model][row]!
      t.equal(Candidates!.length, 5)
      for (const [i, { Score }] of Candidates!.entries())
        worst = Math.max(worst, Math.abs(Score - best[i]!.Score))
      if (Candidates!.every(({ UserID }, i) => UserID === best[i]!.UserID)) inOrder++
    }
    t.ok(worst < 1e-5, `${model}: scores differ by at most ${worst}`)
    // Equal votes of trees differ in the last bit of a float32 sum, and then in order.
    t.ok(inOrder > 0.95 * rows.length, `${model}: ${inOrder} of ${rows.length} in scikit-learn’s order`)
  }
})

t.test('a row is answered alike alone and among more rows than a run takes', async (t) => {
  const models = await load(t, 'sample')
  const python = oracle('sample')
  const rows = Array.from({ length: 150 }, (_, row) => features(python, row))
  for (const model of CLASSIFIER_NAMES) {
    const together = await predictAll(models.byName[model], rows, 3)
    for (const row of [0, 15, 16, 149]) {
      t.same(await predictAll(models.byName[model], [rows[row]!], 3), [together[row]], `${model}, row ${row}`)
    }
  }
})

t.test('no more candidates are given than there are users', async (t) => {
  const models = await load(t, 'sample')
  const [prediction] = await predictAll(models.byName.RF, [features(oracle('sample'), 0)], 1000)
  t.equal(prediction!.Candidates!.length, 110)
  t.equal(new Set(prediction!.Candidates!.map(({ UserID }) => UserID)).size, 110)
})

t.test('no row, no run', async (t) => {
  const models = await load(t, 'sample')
  t.same(await predictAll(models.byName.RF, []), [])
})

t.test('features far outside of all data still get an answer', async (t) => {
  const models = await load(t, 'sample')
  const far = { Mean: 3.4028234663852886e38, STD: 3.4028234663852886e38 }
  for (const model of CLASSIFIER_NAMES) {
    const [prediction] = await predictAll(
      models.byName[model],
      [{ HT: far, PPT: far, RRT: far, RPT: far }],
      1
    )
    t.type(prediction!.UserID, 'number')
    t.ok(Number.isFinite(prediction!.Candidates![0]!.Score), `${model} scores finitely`)
  }
})

t.test('a batch whose client has left is not computed to its end', async (t) => {
  const models = await load(t, 'sample')
  const python = oracle('sample')
  const rows = Array.from({ length: 1_000 }, () => features(python, 0))
  let asked = 0
  const leavesSoon = () => ++asked > 2
  await t.rejects(predictAll(models.byName.RF, rows, undefined, leavesSoon), { code: 'KS_ERR_CANCELLED' })
  t.equal(asked, 3, 'after two pieces of many')
})
