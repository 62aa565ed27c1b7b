import Type, { type Static } from 'typebox'
import { closed, MS } from './common.ts'

/** Of a string; a page of text is typed as several. A longer array is refused before its items are looked at. */
const MOST_KEYS = 1000

const Times = (description: string) =>
  Type.Array(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }), {
    minItems: 2,
    maxItems: MOST_KEYS,
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
