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

/** Changes of the example's gaps between presses and of its holds, ms, from key to key. */
const GAPS = [0, 21, -17, 34, -9, 13, -28]
const HOLDS = [8, -15, 22, -6, 11]

/** The example, typed somewhat otherwise: with an offset the changes come to other keys. */
function variant(offset: number) {
  const change = (changes: readonly number[], key: number) => changes[(key + offset) % changes.length]!
  const { Press, Release } = EXAMPLE_TYPING
  const moved: number[] = []
  for (const [key, press] of Press.entries()) {
    const gap = key === 0 ? 0 : press - Press[key - 1]! + change(GAPS, key)
    moved.push((moved.at(-1) ?? 0) + gap)
  }
  return {
    Press: moved,
    Release: moved.map((press, key) => press + Release[key]! - Press[key]! + change(HOLDS, key))
  }
}

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
    examples: [{ Typings: [EXAMPLE_TYPING, variant(1), variant(3), variant(5)] }]
  }
)

export const EnrollHeaders = Type.Object({
  'if-none-match': Type.Optional(
    Type.Literal('*', { description: 'Refuses a user who is there already, in place of replacing them' })
  )
})

export const AddRequest = Type.Object(
  { Typings: Typings(1) },
  { ...closed, title: 'AddTypingsRequest', examples: [{ Typings: [variant(9)] }] }
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
