import t from 'tap'
import { FEATURE_NAMES, SERIES } from '../../src/schemas/features.ts'
import { computeFeatures } from '../../src/typings/features.ts'
import { type FixtureName, oracle, typing, withoutChallenge } from '../fixtures.ts'

t.test('a typing of three keys has the features computed by hand', async (t) => {
  // HT 90 90 110; PPT 150 140; RRT 150 160; RPT 60 50.
  const { HT, PPT, RRT, RPT } = computeFeatures({ Press: [0, 150, 290], Release: [90, 240, 400] })
  t.match(HT, { Mean: 290 / 3, STD: Math.sqrt(400 / 3) })
  t.match(PPT, { Mean: 145, STD: Math.sqrt(50) })
  t.match(RRT, { Mean: 155, STD: Math.sqrt(50) })
  t.match(RPT, { Mean: 55, STD: Math.sqrt(50) })
})

t.test('keys that overlap have a negative release-press time', async (t) => {
  t.equal(computeFeatures({ Press: [0, 100], Release: [120, 180] }).RPT.Mean, -20)
})

t.test('a string of two keys has STD 0 where there is a single value', async (t) => {
  const { HT, PPT, RRT, RPT } = computeFeatures({ Press: [5, 100], Release: [60, 175] })
  t.equal(HT.STD, Math.sqrt(200))
  t.same([PPT.STD, RRT.STD, RPT.STD], [0, 0, 0])
})

t.test(
  'the first row of the challenge has the check values of the design',
  { skip: withoutChallenge },
  async (t) => {
    const features = computeFeatures(typing(oracle('challenge'), 0))
    const found = SERIES.map((series) => [features[series].Mean.toFixed(6), features[series].STD.toFixed(6)])
    t.same(found, [
      ['72.000000', '21.908902'],
      ['229.333333', '63.115094'],
      ['225.333333', '73.069498'],
      ['157.333333', '67.910815']
    ])
  }
)

for (const name of ['sample', 'challenge'] as FixtureName[]) {
  t.test(
    `every typing of the ${name} has the notebook’s features, to 1e-9 relative`,
    { skip: name === 'challenge' && withoutChallenge },
    async (t) => {
      const python = oracle(name)
      let worst = 0
      for (const [row, expected] of python.features.entries()) {
        const features = computeFeatures(typing(python, row))
        const found = SERIES.flatMap((series) => [features[series].Mean, features[series].STD])
        for (const [column, value] of found.entries()) {
          const scale = Math.max(Math.abs(expected[column]!), Number.MIN_VALUE)
          worst = Math.max(worst, Math.abs(value - expected[column]!) / scale)
        }
      }
      t.equal(python.features.length, 880)
      t.equal(FEATURE_NAMES.length, 8)
      t.ok(worst <= 1e-9, `largest relative difference ${worst}`)
    }
  )
}
