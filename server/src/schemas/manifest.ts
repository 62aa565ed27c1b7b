import Type, { type Static } from 'typebox'
import { closed, UserIDSchema } from './common.ts'
import { CLASSIFIER_NAMES, type ClassifierName } from './predict.ts'

/** The manifest’s version that this server reads; the notebook’s `FORMAT_VERSION`. */
export const FORMAT_VERSION = 6

/** What a model reads: the 8 features, float32, or all press and release times, float64. */
const INPUTS = ['features', 'times'] as const
export type Input = (typeof INPUTS)[number]
/** What rows of each are written as. */
export const NUMBERS = { features: Float32Array, times: Float64Array } as const

const Rate = (description: string) => Type.Number({ minimum: 0, maximum: 1, description })

/** Of typings left out of training. */
const RANKS = {
  rank1: Rate('Share of left-out typings whose user is named'),
  rank5: Rate('Share whose user is among the five best scored'),
  rank1STD: Type.Number({ description: 'Sample standard deviation of rank1 over the folds' }),
  folds: Type.Integer()
}

const RATES = {
  ...RANKS,
  pooledEER: Rate('Equal error rate with one threshold for all users'),
  averageEER: Rate('Mean of the users’ own equal error rates'),
  frrAtFar1: Rate('False rejection rate at a false acceptance rate of 1 %'),
  frrAtFar01: Rate('False rejection rate at a false acceptance rate of 0.1 %'),
  ECE: Type.Optional(Rate('Expected calibration error; only of a model with probabilities')),
  cmc: Type.Array(Type.Number(), { description: 'True user among the first k, k from 1' }),
  det: Type.Array(Type.Array(Type.Number(), { minItems: 2, maxItems: 2 }), {
    description: 'Pairs of false acceptance and false rejection rate'
  }),
  reliability: Type.Optional(
    Type.Array(
      Type.Object({ confidence: Type.Number(), accuracy: Type.Number(), share: Type.Number() }, closed)
    )
  )
}

const METRICS = {
  trainingAccuracy: Type.Number({
    description: 'On the rows the model was fitted on: memory, not recognition'
  }),
  repeatedStratified: Type.Object(RANKS, closed),
  leaveOneRepetitionOut: Type.Object(RATES, closed)
}

const Strangers = Type.Object(
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

/** An ONNX file beside the manifest. */
const FILE = {
  file: Type.String({ pattern: '^[^/\\\\]+$' }),
  sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }),
  bytes: Type.Integer({ minimum: 1 })
}

/** What every model’s entry says. */
const MODEL = {
  input: Type.Enum([...INPUTS], { description: 'What it reads' }),
  ...FILE,
  opset: Type.Record(Type.String(), Type.Integer()),
  library: Type.Object({ name: Type.String(), version: Type.String() }, closed),
  estimator: Type.String(),
  parameters: Type.Record(
    Type.String(),
    Type.Unsafe<boolean | number | string | null>({ type: ['boolean', 'number', 'string', 'null'] })
  ),
  metrics: Type.Object(METRICS, closed),
  parity: Type.Object(
    {
      rows: Type.Integer({ description: 'On which ONNX was compared with Python' }),
      labelDifferences: Type.Integer(),
      largestScoreDifference: Type.Unsafe<number | null>({ type: ['number', 'null'] }),
      maxScoreDifference: Type.Unsafe<number | null>({
        type: ['number', 'null'],
        description: 'Most that rounding explains; null where scores are not compared'
      })
    },
    closed
  )
}

/** How the typing model’s scores are read. */
const DECISIONS = {
  falseAcceptanceRate: Rate('Share of strangers’ claims that thresholds let pass'),
  knownRejectionRate: Rate('Share of enrolled users’ typings that may look unknown'),
  decisions: Type.Array(
    Type.Object(
      {
        asked: Type.Integer({ minimum: 1, description: 'Typings of one person; their mean score is read' }),
        temperature: Type.Number({ exclusiveMinimum: 0, description: 'Divides mean scores' }),
        thresholds: Type.Array(
          Type.Object(
            {
              enrolled: Type.Integer({
                minimum: 1,
                description: 'Typings the user is enrolled with, at least'
              }),
              match: Type.Number({ description: 'A claim is confirmed where its evidence is above' }),
              known: Type.Number({
                description: 'Of the best user: the typist looks unknown where the scaled score is not above'
              })
            },
            closed
          ),
          { minItems: 1, description: 'By typings enrolled, ascending; the first of 1' }
        )
      },
      closed
    ),
    { minItems: 1, description: 'Of one typing, two and so on; the last serves more typings as well' }
  ),
  metrics: Type.Object({ ...METRICS, strangers: Type.Optional(Strangers) }, closed)
}

/** Numbers in little-endian order. */
const Packed = (description: string) =>
  Type.String({ pattern: '^[A-Za-z0-9+/]+={0,2}$', contentEncoding: 'base64', description })

/** Rows of the data that every model answers as the manifest says before it is served; not public. */
const GOLDEN_ROWS = {
  golden: Type.Object(
    {
      features: Packed('float32, 8 a row: what the classifiers are asked'),
      times: Packed('float64, 2K a row: what the typing model is asked')
    },
    closed
  )
}

/** What Python’s model answers to the golden rows. */
const GOLDEN = {
  golden: Type.Object(
    {
      labels: Packed('int32, of each row: the class index'),
      sums: Packed(
        'float64, of each row: the sum of all scores, that of class c times 0.5 + frac((c + 1) 0.618...) / 2'
      ),
      maxDifference: Type.Number({ exclusiveMinimum: 0, description: 'Most that rounding changes a sum by' }),
      mayDiffer: Type.Integer({
        minimum: 0,
        description: 'Rows that may be answered otherwise, for rounding tips equal scores and votes'
      })
    },
    closed
  )
}

/** How the typing model knows its users: what makes a template, what scores the likeliest alone, and the templates of the trained users. */
const TEMPLATES = {
  enroll: Type.Object(
    {
      ...FILE,
      golden: Type.Object(
        {
          plda: Type.Array(Type.Number()),
          laplace: Type.Array(Type.Number())
        },
        { ...closed, description: 'The template that the golden typings must give, enrolled together' }
      )
    },
    closed
  ),
  shortlist: Type.Object(FILE, closed),
  templates: Type.Object(FILE, closed)
}

const MANIFEST = {
  formatVersion: Type.Integer(),
  createdAt: Type.String(),
  dataset: Type.Object(
    {
      name: Type.String(),
      sha256: Type.String(),
      typings: Type.Integer(),
      users: Type.Integer(),
      isSynthetic: Type.Boolean({
        description: 'Whether it is the project’s own sample, which no person typed'
      }),
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

/** One entry for each model; the names are those of `MODELS` in `notebook/keystroke/models/table.py`. */
function models<Classifier extends Type.TSchema, Typing extends Type.TSchema>(
  classifier: Classifier,
  typing: Typing
) {
  const classifiers = Object.fromEntries(CLASSIFIER_NAMES.map((name) => [name, classifier]))
  return Type.Object({ ...(classifiers as Record<ClassifierName, Classifier>), typing }, closed)
}

/** Each of the three in the manifest; a reference, so that it is compiled once. */
const Classifier = Type.Object({ ...MODEL, ...GOLDEN }, closed)

/** `models/manifest.json`, as `notebook/keystroke/manifest.py` writes it. */
export const ManifestSchema = Type.Object(
  {
    ...MANIFEST,
    classes: Type.Array(UserIDSchema, { minItems: 2, description: 'Class index to UserID' }),
    ...GOLDEN_ROWS,
    models: models(
      Type.Unsafe<Static<typeof Classifier>>({ $ref: '#/$defs/Classifier' }),
      Type.Object({ ...MODEL, ...DECISIONS, ...TEMPLATES, ...GOLDEN }, closed)
    )
  },
  { ...closed, $defs: { Classifier } }
)
export type Manifest = Static<typeof ManifestSchema>
export type ModelName = keyof Manifest['models']
/** What the manifest says of an ONNX file. */
export type ModelFile = Pick<Manifest['models']['typing'], keyof typeof FILE>
export type Decision = Manifest['models']['typing']['decisions'][number]
export type Threshold = Decision['thresholds'][number]

/** All four, in the manifest’s order. */
export const MODEL_NAMES = Object.keys(ManifestSchema.properties.models.properties) as ModelName[]

/** The manifest's public part: neither who the users are nor rows of their data. */
export const ModelsReply = Type.Object(
  {
    users: Type.Integer({
      minimum: 0,
      description: 'How many users there are now: trained and not deleted, and enrolled'
    }),
    ...MANIFEST,
    models: models(
      Type.Object(MODEL),
      Type.Object({
        ...MODEL,
        ...DECISIONS,
        enroll: Type.Object(FILE),
        shortlist: Type.Object(FILE),
        templates: Type.Object(FILE)
      })
    )
  },
  { title: 'Models', description: 'What is served' }
)
