import Type, { type Static } from 'typebox'
import { closed, Top, UserIDSchema } from './common.ts'
import { EXAMPLE_FEATURES, FEATURES } from './features.ts'
import type { ModelName } from './manifest.ts'

/** The challenge’s three models, which read the 8 features, as requests name them. */
export const CLASSIFIER_NAMES = ['SVM', 'RF', 'XGB'] as const
export type ClassifierName = (typeof CLASSIFIER_NAMES)[number]

export const ClassifierNameSchema = Type.Enum([...CLASSIFIER_NAMES], {
  title: 'ModelName',
  description: 'SVM, RF (random forest) or XGB (gradient-boosted trees)'
})

const EXAMPLE_REQUEST = { Model: 'RF', ...EXAMPLE_FEATURES }

export const PredictRequest = Type.Object(
  { Model: ClassifierNameSchema, ...FEATURES },
  { ...closed, title: 'PredictRequest', examples: [EXAMPLE_REQUEST] }
)
export type PredictRequest = Static<typeof PredictRequest>

export const PredictQuery = Type.Object(
  {
    top: Type.Optional(
      Top('Candidates to add, best first; as many as there are users at most. For administrators alone')
    )
  },
  closed
)

export const PredictReply = Type.Object(
  {
    UserID: UserIDSchema,
    Model: ClassifierNameSchema,
    Candidates: Type.Optional(
      Type.Array(
        Type.Object(
          {
            UserID: UserIDSchema,
            Score: Type.Number({
              description:
                'Probability of RF and XGB. Of SVM, which has none, the one-versus-rest decision value; ' +
                'where votes are equal its best may be another user than UserID, as in scikit-learn'
            })
          },
          { title: 'ScoredUser' }
        ),
        { description: 'Only with ?top' }
      )
    )
  },
  { title: 'PredictReply', description: 'Who typed' }
)
export type PredictReply = Static<typeof PredictReply>

/** 1,000 requests are about 170 kB of JSON, well inside the body limit, and 0.2 s of the slowest model. */
const BATCH_MAX = 1000

export const BatchRequest = Type.Array(PredictRequest, {
  title: 'BatchRequest',
  minItems: 1,
  maxItems: BATCH_MAX,
  examples: [[EXAMPLE_REQUEST, EXAMPLE_REQUEST]]
})
export const BatchReply = Type.Array(PredictReply, {
  title: 'BatchReply',
  description: 'Who typed each, in their order'
})

/** The models that read a CSV of typings: all of them. */
export const CSV_MODEL_NAMES = ['typing', ...CLASSIFIER_NAMES] as const satisfies ModelName[]

export const BatchQuery = Type.Object(
  {
    Model: Type.Optional(
      Type.Enum([...CSV_MODEL_NAMES], {
        description:
          'Needed with text/csv, whose rows do not name one; each request of a JSON array names the same, then. ' +
          'typing, the typing model, is the most accurate, reads a CSV only and is for administrators alone',
        examples: ['RF']
      })
    ),
    top: Type.Optional(Top('Candidates of each answer; JSON only, for administrators alone'))
  },
  closed
)
