import Type from 'typebox'
import { closed, UserIDSchema } from './common.ts'
import { EXAMPLE_TYPING, TypingSchema } from './typing.ts'

/** Typings that are kept of a user, the newest: people’s typing changes. */
export const MOST_TYPINGS = 50

/** What to do next with a user, in words that a page can show. */
export const ADVICE = ['enough', 'type two more', 'start again'] as const
export type Advice = (typeof ADVICE)[number]

/** Fewer do not tell how a user’s typings vary. */
const ENROLLED_MIN = 3

/** Pages of more would be seen whole by nobody. */
const PAGE_MAX = 1000

/** As the example, typed somewhat otherwise: slower or faster, and with other hold times, ms. */
const variant = (stretch: number, shift: number) => ({
  Press: EXAMPLE_TYPING.Press.map((time) => Math.round(time * stretch)),
  Release: EXAMPLE_TYPING.Release.map((time) => Math.round(time * stretch) + shift)
})

const Typings = (minItems: number) =>
  Type.Array(TypingSchema, {
    minItems,
    maxItems: MOST_TYPINGS,
    description: 'Of the user, each of the string that the models were trained on; none a copy of another'
  })

export const UserParams = Type.Object(
  { UserID: Type.String({ description: 'Who; a number where UserIDs are integers', examples: ['ada'] }) },
  closed
)

export const EnrollRequest = Type.Object(
  { Typings: Typings(ENROLLED_MIN) },
  {
    ...closed,
    title: 'EnrollRequest',
    examples: [{ Typings: [EXAMPLE_TYPING, variant(1.02, 15), variant(0.97, -15), variant(1.1, -1)] }]
  }
)

export const EnrollHeaders = Type.Object({
  'if-none-match': Type.Optional(
    Type.Literal('*', { description: 'Refuses a user who is there already, in place of replacing them' })
  )
})

export const AddRequest = Type.Object(
  { Typings: Typings(1) },
  { ...closed, title: 'AddTypingsRequest', examples: [{ Typings: [variant(0.9, 2)] }] }
)

const Share = (description: string) => Type.Number({ minimum: 0, maximum: 1, description })

export const UserReply = Type.Object(
  {
    UserID: UserIDSchema,
    Typings: Type.Integer({ description: 'How many the user is known by' }),
    Source: Type.Enum(['trained', 'enrolled'], {
      description: 'From the training data, or added since'
    }),
    EnrolledAt: Type.Optional(Type.String({ description: 'ISO 8601, UTC' })),
    UpdatedAt: Type.Optional(Type.String({ description: 'ISO 8601, UTC' })),
    Quality: Type.Optional(
      Type.Object(
        {
          Alike: Share('Share of the typings that match the others'),
          Distinct: Share('Share of the typings that no trained user is likelier to have typed'),
          Advice: Type.Enum([...ADVICE], { description: 'What to do next' })
        },
        { title: 'EnrollmentQuality', description: 'Of an enrolled user' }
      )
    )
  },
  { title: 'User', description: 'Never times' }
)

export const UsersQuery = Type.Object(
  {
    limit: Type.Optional(
      Type.Integer({ minimum: 1, maximum: PAGE_MAX, description: 'So many users; 100 if left out' })
    ),
    after: Type.Optional(Type.String({ description: '`Next` of the page before' }))
  },
  closed
)

export const UsersReply = Type.Object(
  {
    Users: Type.Array(UserReply),
    Next: Type.Optional(Type.String({ description: 'For the next page; left out of the last' }))
  },
  { title: 'Users', description: 'In the order of their UserIDs' }
)
