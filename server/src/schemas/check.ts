import { Ajv, type ErrorObject } from 'ajv'
import { shorten } from '../text.ts'

/**
 * Options of Ajv that leave out what a start need not wait for, some 0.1 s: the meta-schema, which schemas.test.ts holds
 * our schemas against, is not compiled; what is compiled is not made shorter, as it then runs no faster; and a schema is
 * compiled once for all references to it.
 */
export const FAST_START = {
  meta: false,
  validateSchema: false,
  inlineRefs: false,
  code: { optimize: false }
} as const

/**
 * Nothing is coerced, filled in or dropped: invalid input is refused (Fastify's own defaults
 * turn null into 0 and remove unknown keys). `verbose` tells errors what they were about.
 */
const strict = {
  ...FAST_START,
  coerceTypes: false,
  removeAdditional: false,
  useDefaults: false,
  verbose: true,
  // A UserID is an integer or a string.
  allowUnionTypes: true
} as const

export const ajv = new Ajv(strict)

/**
 * Compile a schema for a document other than a request.
 *
 * @param name - what the document is called in sentences
 * @returns says the first fault in a sentence that names the field and why; undefined without one
 */
export function compileCheck(schema: object, name: string): (document: unknown) => string | undefined {
  const check = ajv.compile(schema)
  return (document) => (check(document) ? undefined : describe(check.errors![0]!, name))
}

/** Say in a sentence which field is at fault and why, without its value. */
export function describe(
  { keyword, instancePath, params, message, schema, parentSchema }: ErrorObject,
  part: string
): string {
  const field = toField(part, instancePath)
  switch (keyword) {
    case 'required':
      return `${field}.${params.missingProperty} is missing`
    case 'additionalProperties':
      return `${field}.${shorten(params.additionalProperty)} is not a known field`
    case 'enum':
      return `${field} must be one of ${params.allowedValues.join(', ')}`
    case 'type':
      return `${field} must be ${TYPES[String(schema)] ?? `of type ${schema}`}`
    case 'minItems':
      return `${field} needs at least ${count(params.limit, parentSchema?.items)}`
    case 'maxItems':
      return `${field} takes at most ${count(params.limit, parentSchema?.items)}`
    case 'minimum':
    case 'maximum':
      if (Math.abs(params.limit) > Number.MAX_SAFE_INTEGER) return `${field} must fit a float32`
      return `${field} ${message}`
    default:
      return `${field} ${message}`
  }
}

/** So many items of a list, by what the list is of. */
function count(limit: number, of?: { title?: string }): string {
  const noun = of?.title === 'Typing' ? 'typing' : 'item'
  return limit === 1 ? `one ${noun}` : `${limit} ${noun}s`
}

const TYPES: Record<string, string> = {
  array: 'an array',
  integer: 'an integer',
  number: 'a finite number',
  object: 'an object',
  string: 'a string',
  'integer,string': 'an integer or a string'
}

/** `/3/HT/Mean` of the body becomes `body[3].HT.Mean`. */
function toField(part: string, instancePath: string): string {
  const steps = instancePath.split('/').slice(1)
  return part + steps.map((step) => (/^[0-9]+$/.test(step) ? `[${step}]` : `.${step}`)).join('')
}
