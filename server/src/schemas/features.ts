import Type, { type Static } from 'typebox'
import { closed, MS } from './common.ts'

/** Largest finite float32, the type of the models' input (IEEE 754-2019, binary32). */
const FLOAT32_MAX = 3.4028234663852886e38

/** The four timings, in the order of the models' input. */
export const SERIES = ['HT', 'PPT', 'RRT', 'RPT'] as const

const Mean = (minimum: number) => Type.Number({ minimum, maximum: FLOAT32_MAX, description: `Mean, ${MS}` })
const STD = Type.Number({
  minimum: 0,
  maximum: FLOAT32_MAX,
  description: `Sample standard deviation (n - 1), ${MS}; 0 of a single value`
})
const Statistics = (description: string, minimum: number) =>
  Type.Object({ Mean: Mean(minimum), STD }, { ...closed, description })

export const FEATURES = {
  HT: Statistics('Hold time: a key’s release minus its press', 0),
  PPT: Statistics('Press-press time: a key’s press minus the last key’s press', -FLOAT32_MAX),
  RRT: Statistics('Release-release time: a key’s release minus the last key’s release', -FLOAT32_MAX),
  RPT: Statistics(
    'Release-press time: a key’s press minus the last key’s release; negative where keys overlap',
    -FLOAT32_MAX
  )
}

/** The challenge’s own sample. */
export const EXAMPLE_FEATURES = {
  HT: { Mean: 48.43, STD: 23.34 },
  PPT: { Mean: 120.43, STD: 37.41 },
  RRT: { Mean: 124.43, STD: 45.34 },
  RPT: { Mean: 132.56, STD: 47.12 }
}

/** What each timing is summed up by, in the order of the models' input. */
export const STATISTICS = ['Mean', 'STD'] as const

/** Columns of what the classifiers read, in their order. */
export const FEATURE_NAMES = SERIES.flatMap((series) => STATISTICS.map((of) => `${series}.${of}`))

/** The 8 features of a typing. */
export const FeaturesSchema = Type.Object(FEATURES, {
  ...closed,
  title: 'Features',
  examples: [EXAMPLE_FEATURES]
})
export type Features = Static<typeof FeaturesSchema>
