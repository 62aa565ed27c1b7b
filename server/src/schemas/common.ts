import Type, { type Static } from 'typebox'

/** Times, means and standard deviations are all in this unit. */
export const MS = 'ms'

/** Objects with no other fields. */
export const closed = { additionalProperties: false } as const

/** As the CSV has it; a type list rather than anyOf, which fast-json-stringify would validate at run time. */
export const UserIDSchema = Type.Unsafe<number | string>({
  title: 'UserID',
  type: ['integer', 'string'],
  // Beyond, two integers are read as one.
  minimum: Number.MIN_SAFE_INTEGER,
  maximum: Number.MAX_SAFE_INTEGER,
  description: 'Who typed, as the training data names them'
})
export type UserID = Static<typeof UserIDSchema>

/** How many candidates a query asks for; more than there are users gives all. */
export const Top = (description: string) => Type.Integer({ minimum: 1, maximum: 1000, description })
