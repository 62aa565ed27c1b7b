import type { ErrorObject } from 'ajv'
import type { FastifySchemaCompiler } from 'fastify'
import type { FastifySchemaValidationError } from 'fastify/types/schema.js'
import { ajv, describe } from '../schemas/check.ts'

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

/** Fastify's schema error formatter: one sentence that names the field and why, without its value. */
export function formatValidationErrors(faults: FastifySchemaValidationError[], part: string): Error {
  const fault = faults[0] as unknown as ErrorObject
  return new Error(describe(fault, part))
}
