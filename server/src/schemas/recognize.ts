import Type from 'typebox'
import { closed, Top, UserIDSchema } from './common.ts'
import { EXAMPLE_TYPING, TypingSchema } from './typing.ts'

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
      Top(
        'So many candidates, best first; 5 if left out. Of 1,000 users and more the likeliest alone are scored'
      )
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

/** The UserID of a claim comes first: an integer or a string, as the training data has it. */
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
