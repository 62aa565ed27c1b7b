import Type, { type Static } from 'typebox'

/** Times, means and standard deviations are all in this unit. */
const MS = 'ms'

/** Largest finite float32, the type of the models' input (IEEE 754-2019, binary32). */
const FLOAT32_MAX = 3.4028234663852886e38

/** Names of the models as requests give them. */
export const MODEL_NAMES = ['SVM', 'RF', 'XGB'] as const
export type ModelName = (typeof MODEL_NAMES)[number]

/** The four timings, in the order of the models' input. */
export const SERIES = ['HT', 'PPT', 'RRT', 'RPT'] as const

const closed = { additionalProperties: false }

export const ModelNameSchema = Type.Enum([...MODEL_NAMES], {
  title: 'ModelName',
  description: 'SVM, RF (random forest) or XGB (gradient-boosted trees)'
})

/** As the CSV has it; a type list rather than anyOf, which fast-json-stringify would validate at run time. */
export const UserIDSchema = Type.Unsafe<number | string>({
  title: 'UserID',
  type: ['integer', 'string'],
  description: 'Who typed, as the training data names them'
})
export type UserID = Static<typeof UserIDSchema>

const Mean = (minimum: number) => Type.Number({ minimum, maximum: FLOAT32_MAX, description: `Mean, ${MS}` })
const STD = Type.Number({
  minimum: 0,
  maximum: FLOAT32_MAX,
  description: `Sample standard deviation (n - 1), ${MS}; 0 of a single value`
})
const Statistics = (description: string, minimum: number) =>
  Type.Object({ Mean: Mean(minimum), STD }, { ...closed, description })

const FEATURES = {
  HT: Statistics('Hold time: a key’s release minus its press', 0),
  PPT: Statistics('Press-press time: a key’s press minus the last key’s press', -FLOAT32_MAX),
  RRT: Statistics('Release-release time: a key’s release minus the last key’s release', -FLOAT32_MAX),
  RPT: Statistics(
    'Release-press time: a key’s press minus the last key’s release; negative where keys overlap',
    -FLOAT32_MAX
  )
}

const EXAMPLE_FEATURES = {
  HT: { Mean: 48.43, STD: 23.34 },
  PPT: { Mean: 120.43, STD: 37.41 },
  RRT: { Mean: 124.43, STD: 45.34 },
  RPT: { Mean: 132.56, STD: 47.12 }
}

/** The 8 features of a typing. */
export const FeaturesSchema = Type.Object(FEATURES, {
  ...closed,
  title: 'Features',
  examples: [EXAMPLE_FEATURES]
})
export type Features = Static<typeof FeaturesSchema>

/** The challenge's own sample. */
const EXAMPLE_REQUEST = { Model: 'RF', ...EXAMPLE_FEATURES }

export const PredictRequest = Type.Object(
  { Model: ModelNameSchema, ...FEATURES },
  { ...closed, title: 'PredictRequest', examples: [EXAMPLE_REQUEST] }
)
export type PredictRequest = Static<typeof PredictRequest>

export const PredictQuery = Type.Object(
  {
    top: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1000,
        description: 'Add so many candidates, best first; as many as there are users at most'
      })
    )
  },
  closed
)

export const PredictReply = Type.Object(
  {
    UserID: UserIDSchema,
    Model: ModelNameSchema,
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

export const BatchQuery = Type.Object(
  {
    Model: Type.Optional(
      Type.Enum([...MODEL_NAMES], {
        description:
          'Needed with text/csv, whose rows do not name one; each request of a JSON array names the same, then',
        examples: ['RF']
      })
    ),
    top: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 1000, description: 'Candidates of each answer; JSON only' })
    )
  },
  closed
)

const Times = (description: string) =>
  Type.Array(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }), {
    minItems: 2,
    description: `${description}, whole ${MS} on any clock`
  })

/** Of user 1 of the synthetic sample that `npm start` trains on, whose models it then convinces. */
export const EXAMPLE_TYPING = {
  Press: [0, 185, 301, 526, 669, 839, 964, 1102, 1243, 1370, 1447, 1539, 1668],
  Release: [79, 290, 549, 627, 768, 915, 1068, 1173, 1298, 1513, 1560, 1653, 1754]
}

/** One typing: for each of its keys a press and a release time. */
export const TypingSchema = Type.Object(
  {
    Press: Times('When each key went down, in the order of the string'),
    Release: Times('When each key came up; one for each press')
  },
  { ...closed, title: 'Typing', examples: [EXAMPLE_TYPING] }
)
export type Typing = Static<typeof TypingSchema>

/** More of one person in a call would make its answer surer by little; ten are a minute of typing. */
const TYPINGS_MAX = 10

const Typings = Type.Array(TypingSchema, {
  minItems: 1,
  maxItems: TYPINGS_MAX,
  description: 'Of one person, each of the string that the models were trained on'
})

export const IdentifyRequest = Type.Object(
  { Typings },
  { ...closed, title: 'IdentifyRequest', examples: [{ Typings: [EXAMPLE_TYPING] }] }
)

export const IdentifyQuery = Type.Object(
  {
    top: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1000,
        description: 'So many candidates, best first; 5 if left out'
      })
    )
  },
  closed
)

export const IdentifyReply = Type.Object(
  {
    UserID: UserIDSchema,
    Known: Type.Boolean({
      description:
        'Whether the typist looks like one of the users at all: a warning where false, no guarantee where true'
    }),
    Candidates: Type.Array(
      Type.Object(
        {
          UserID: UserIDSchema,
          Probability: Type.Number({ description: 'Calibrated, if one of the users typed' })
        },
        { title: 'LikelyUser' }
      )
    )
  },
  { title: 'IdentifyReply', description: 'Who it looks like' }
)

/** The UserID of a claim stands first: an integer or a string, as the training data has it. */
export const VerifyRequest = Type.Object(
  { UserID: UserIDSchema, Typings },
  { ...closed, title: 'VerifyRequest', examples: [{ UserID: 1, Typings: [EXAMPLE_TYPING] }] }
)

export const VerifyReply = Type.Object(
  {
    UserID: UserIDSchema,
    Match: Type.Boolean({ description: 'Whether the score is above the threshold' }),
    Score: Type.Number({
      description: 'Evidence for the claim: the natural logarithm of a likelihood ratio; 0 says nothing'
    }),
    Threshold: Type.Number()
  },
  { title: 'VerifyReply', description: 'Whether it is the user' }
)

const Rates = Type.Object(
  {
    rank1: Type.Number({ description: 'Share of left-out typings whose user is named' }),
    rank5: Type.Number({ description: 'Share whose user is among the five best scored' }),
    rank1STD: Type.Number({ description: 'Sample standard deviation of rank1 over the folds' }),
    folds: Type.Integer()
  },
  closed
)

const TensorShape = Type.Array(Type.Unsafe<number | null>({ type: ['integer', 'null'] }))
const Tensor = Type.Object({ name: Type.String(), type: Type.String(), shape: TensorShape }, closed)

/** What every model's entry says of its file. */
const GRAPH = {
  file: Type.String({ pattern: '^[^/\\\\]+$' }),
  sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }),
  bytes: Type.Integer({ minimum: 1 }),
  opset: Type.Record(Type.String(), Type.Integer()),
  library: Type.Object({ name: Type.String(), version: Type.String() }, closed),
  estimator: Type.String(),
  parameters: Type.Record(
    Type.String(),
    Type.Unsafe<boolean | number | string | null>({ type: ['boolean', 'number', 'string', 'null'] })
  ),
  input: Tensor
}

const MODEL_CARD = {
  ...GRAPH,
  outputs: Type.Array(Tensor, { minItems: 2, maxItems: 2 }),
  metrics: Type.Object(
    {
      trainingAccuracy: Type.Number({
        description: 'On the rows the model was fitted on: memory, not recognition'
      }),
      repeatedStratified: Rates,
      leaveOneRepetitionOut: Rates
    },
    closed
  ),
  parity: Type.Object(
    {
      rows: Type.Integer({ description: 'On which ONNX was compared with Python' }),
      labelDifferences: Type.Integer(),
      largestProbabilityDifference: Type.Unsafe<number | null>({ type: ['number', 'null'] })
    },
    closed
  )
}

const Rate = (description: string) => Type.Number({ minimum: 0, maximum: 1, description })

const TYPING_CARD = {
  ...GRAPH,
  outputs: Type.Array(Tensor, { minItems: 1, maxItems: 1 }),
  falseAcceptanceRate: Rate('Share of strangers’ claims that thresholds let pass'),
  knownRejectionRate: Rate('Share of enrolled users’ typings that may look unknown'),
  decisions: Type.Array(
    Type.Object(
      {
        typings: Type.Integer({ minimum: 1, description: 'Of one person; their mean score is read' }),
        temperature: Type.Number({ exclusiveMinimum: 0, description: 'Divides mean scores' }),
        threshold: Type.Number({ description: 'A claim is confirmed where its evidence is above' }),
        unknownThreshold: Type.Number({
          description: 'The typist looks unknown where the best mean score is not above'
        })
      },
      closed
    ),
    { minItems: 1, description: 'Of one typing, two and so on; the last serves more typings as well' }
  ),
  metrics: Type.Object(
    {
      leaveOneRepetitionOut: Type.Object(
        {
          rank1: Rate('Share of left-out typings whose user is named'),
          rank5: Rate('Share whose user is among the five best scored'),
          pooledEER: Rate('Equal error rate with one threshold for all users'),
          averageEER: Rate('Mean of the users’ own equal error rates'),
          frrAtFar1: Rate('False rejection rate at a false acceptance rate of 1 %'),
          frrAtFar01: Rate('False rejection rate at a false acceptance rate of 0.1 %'),
          ECE: Rate('Expected calibration error of the probability of the user named'),
          rank1STD: Type.Number({ description: 'Sample standard deviation of rank1 over the folds' }),
          folds: Type.Integer(),
          cmc: Type.Array(Type.Number(), { description: 'True user among the first k, k from 1' }),
          det: Type.Array(Type.Array(Type.Number(), { minItems: 2, maxItems: 2 }), {
            description: 'Pairs of false acceptance and false rejection rate'
          }),
          reliability: Type.Array(
            Type.Object({ confidence: Type.Number(), accuracy: Type.Number(), share: Type.Number() }, closed)
          )
        },
        closed
      ),
      strangers: Type.Optional(
        Type.Object(
          {
            AUROC: Rate('Enrolled users’ best scores against those of typists not enrolled'),
            knownRejected: Rate('Share of enrolled users’ typings that look unknown'),
            strangersRejected: Rate('Share of strangers’ typings that look unknown'),
            falseAcceptanceRate: Rate('Share of strangers’ claims confirmed'),
            falseRejectionRate: Rate('Share of enrolled users’ own claims not confirmed'),
            EER: Rate('Equal error rate against strangers'),
            frrAtFar1: Rate('False rejection rate where 1 % of strangers’ claims pass')
          },
          { ...closed, description: 'A fifth of the users not enrolled, in turn; left out of two users' }
        )
      )
    },
    closed
  ),
  parity: Type.Object(
    {
      rows: Type.Integer({ description: 'On which ONNX was compared with Python' }),
      labelDifferences: Type.Integer(),
      largestScoreDifference: Type.Number()
    },
    closed
  )
}

const GoldenTyping = Type.Object(
  {
    press: Type.Array(Type.Integer({ minimum: 0 }), { minItems: 2 }),
    release: Type.Array(Type.Integer({ minimum: 0 }), { minItems: 2 }),
    userID: UserIDSchema,
    score: Type.Number({ description: 'The best score, which is this user’s' })
  },
  closed
)

const Golden = Type.Object(
  { features: Type.Array(Type.Number(), { minItems: 8, maxItems: 8 }), userID: UserIDSchema },
  closed
)

const MANIFEST = {
  createdAt: Type.String(),
  dataset: Type.Object(
    {
      name: Type.String(),
      sha256: Type.String(),
      typings: Type.Integer(),
      users: Type.Integer(),
      keys: Type.Integer({ minimum: 2, description: 'K, the keys of the string' }),
      string: Type.Unsafe<string | null>({
        type: ['string', 'null'],
        description: 'What everybody typed; null where the data does not say'
      })
    },
    closed
  ),
  features: Type.Object(
    { names: Type.Array(Type.String()), unit: Type.String(), ddof: Type.Integer() },
    closed
  )
}

const forEachModel = <T extends Type.TSchema>(schema: T) =>
  Type.Object({ SVM: schema, RF: schema, XGB: schema }, closed)

/** `models/manifest.json`, as `notebook/keystroke/manifest.py` writes it. */
export const ManifestSchema = Type.Object(
  {
    formatVersion: Type.Integer(),
    ...MANIFEST,
    classes: Type.Array(UserIDSchema, { minItems: 2 }),
    models: forEachModel(Type.Object({ ...MODEL_CARD, golden: Type.Array(Golden, { minItems: 1 }) }, closed)),
    typingModel: Type.Object({ ...TYPING_CARD, golden: Type.Array(GoldenTyping, { minItems: 1 }) }, closed)
  },
  closed
)
export type Manifest = Static<typeof ManifestSchema>

/** The manifest's public part: neither who the users are nor rows of their data. */
export const ModelsReply = Type.Object(
  {
    formatVersion: Type.Integer(),
    ...MANIFEST,
    models: forEachModel(Type.Object(MODEL_CARD)),
    typingModel: Type.Object(TYPING_CARD)
  },
  { title: 'Models', description: 'What is served' }
)

export const HealthReply = Type.Object(
  { status: Type.Enum(['alive', 'starting', 'ready', 'draining']) },
  { title: 'Health', description: 'Where the process is in its life' }
)

const ErrorReply = Type.Object(
  {
    statusCode: Type.Integer(),
    code: Type.String({ description: 'For programs: stays the same between versions' }),
    error: Type.String({ description: 'The status in words' }),
    message: Type.String({ description: 'For people: which field, and why' })
  },
  {
    title: 'Error',
    description: 'What is wrong, and where'
  }
)
export type ErrorReply = Static<typeof ErrorReply>

const answeredWith = (description: string, example: ErrorReply) => ({
  description,
  content: { 'application/json': { schema: ErrorReply, example } }
})

/** What every route that reads a request may answer in place of what it was asked for. */
export const ERROR_REPLIES = {
  '4xx': answeredWith('The request is at fault', {
    statusCode: 400,
    code: 'FST_ERR_VALIDATION',
    error: 'Bad Request',
    message: 'body.HT.STD must be >= 0'
  }),
  '5xx': answeredWith('The service is at fault, or not ready', {
    statusCode: 503,
    code: 'KS_ERR_NOT_READY',
    error: 'Service Unavailable',
    message: 'the service is starting; try again shortly'
  })
}
