import Type, { type Static } from 'typebox'
import { closed, Top, UserIDSchema } from './common.ts'
import { EXAMPLE_TYPING, TypingSchema } from './typing.ts'

/** More of one person in a call would make its answer surer by little; ten are a minute of typing. */
const TYPINGS_MAX = 10

const Typings = Type.Array(TypingSchema, {
  minItems: 1,
  maxItems: TYPINGS_MAX,
  description: 'Of one person, each of the string that the models were trained on; none a copy of another'
})

/** How sure an answer is, for callers who do not get its score. */
const Confidence = (description: string) => Type.Enum(['low', 'medium', 'high'], { description })
export type Confidence = Static<ReturnType<typeof Confidence>>

const Regular = Type.Boolean({
  description: 'Whether a typing is more regular than people type: a program’s, perhaps. It matches nobody'
})

export const IdentifyRequest = Type.Object(
  { Typings },
  { ...closed, title: 'IdentifyRequest', examples: [{ Typings: [EXAMPLE_TYPING] }] }
)

export const IdentifyQuery = Type.Object(
  {
    top: Type.Optional(
      Top(
        'Candidates to answer, best first; 5 if left out. Of 1,000 users and more the likeliest alone are scored. For administrators alone'
      )
    )
  },
  closed
)

export const IdentifyReply = Type.Object(
  {
    UserID: Type.Optional(UserIDSchema),
    Known: Type.Boolean({
      description:
        'Whether the typist looks like one of the users at all: a warning where false, no guarantee where true'
    }),
    Confidence: Confidence(
      'Of the best candidate: high from a probability of .95 on, medium from .5 on; low where the typist is not known'
    ),
    Regular,
    Candidates: Type.Optional(
      Type.Array(
        Type.Object(
          {
            UserID: UserIDSchema,
            Probability: Type.Number({ description: 'Calibrated, if one of the users typed' })
          },
          { title: 'LikelyUser' }
        ),
        { description: 'For administrators alone' }
      )
    )
  },
  { title: 'IdentifyReply', description: 'Who it looks like' }
)

/** The UserID of a claim comes first: an integer or a string, as the training data has it. */
export const VerifyRequest = Type.Object(
  { UserID: UserIDSchema, Typings },
  { ...closed, title: 'VerifyRequest', examples: [{ UserID: 1, Typings: [EXAMPLE_TYPING] }] }
)

export const VerifyReply = Type.Object(
  {
    UserID: UserIDSchema,
    Match: Type.Boolean({
      description: 'Whether the score is above the threshold, and no typing too regular'
    }),
    Confidence: Confidence(
      'Low without a match, whatever the score; high where the evidence is ten times what a match needs'
    ),
    Regular,
    FailedClaims: Type.Optional(
      Type.Integer({
        description:
          'With a match: other claims to be this user that failed since the last match, for the site to tell its user. ' +
          'Not for administrators, whose claims are not counted'
      })
    ),
    Score: Type.Optional(
      Type.Number({
        description:
          'Evidence for the claim: the natural logarithm of a likelihood ratio; 0 says nothing. For administrators alone'
      })
    ),
    Threshold: Type.Optional(Type.Number({ description: 'For administrators alone' }))
  },
  { title: 'VerifyReply', description: 'Whether it is the user' }
)
