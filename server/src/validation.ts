import { Ajv, type ErrorObject } from 'ajv'
import type { FastifySchemaCompiler } from 'fastify'
import type { FastifySchemaValidationError } from 'fastify/types/schema.js'
import { shorten } from './quote.ts'

/**
 * Nothing is coerced, filled in or dropped: what does not fit is refused (Fastify's own defaults
 * turn null into 0 and remove unknown keys). `verbose` tells errors what they were about.
 */
const strict = {
  coerceTypes: false,
  removeAdditional: false,
  useDefaults: false,
  verbose: true,
  // A UserID is an integer or a string.
  allowUnionTypes: true,
  // To compile the meta-schema takes 50 ms of every start; schemas.test.ts holds our schemas against it.
  meta: false,
  validateSchema: false
} as const

const ajv = new Ajv(strict)

/** How an integer is written in a query string; `-Infinity`, `1e999`, `0x10` and ` 5` are not integers there. */
const INTEGER = /^-?[0-9]+$/

/** Fastify's validator compiler. A query string is text and nothing else: "5" for an integer is how 5 is written there. */
export const compileValidator: FastifySchemaCompiler<QuerySchema> = ({ schema, httpPart }) => {
  const check = ajv.compile(schema)
  if (httpPart !== 'querystring') return check
  const integers = Object.entries(schema.properties ?? {}).flatMap(([name, { type }]) =>
    type === 'integer' ? [name] : []
  )
  return (query: Record<string, unknown>) => {
    for (const name of integers) {
      const value = query[name]
      if (typeof value === 'string' && INTEGER.test(value)) query[name] = Number(value)
    }
    return check(query) || { error: check.errors as FastifySchemaValidationError[] }
  }
}

type QuerySchema = { properties?: Record<string, { type?: string }> }

/**
 * Compile a schema for a document that is no request.
 *
 * @param name - what the document is called in sentences
 * @returns says the first fault in a sentence that names the field and why; undefined if there is none
 */
export function compileCheck(schema: object, name: string): (document: unknown) => string | undefined {
  const check = ajv.compile(schema)
  return (document) => (check(document) ? undefined : describe(check.errors![0]!, name))
}

/** Fastify's schema error formatter: one sentence that names the field and why, without its value. */
export function formatValidationErrors(faults: FastifySchemaValidationError[], part: string): Error {
  const fault = faults[0] as unknown as ErrorObject
  return new Error(describe(fault, part))
}

function describe({ keyword, instancePath, params, message, schema }: ErrorObject, part: string): string {
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
    case 'minimum':
    case 'maximum':
      if (Math.abs(params.limit) > Number.MAX_SAFE_INTEGER) return `${field} must fit a float32`
      return `${field} ${message}`
    default:
      return `${field} ${message}`
  }
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
