import { createRequire } from 'node:module'
import { isDeepStrictEqual } from 'node:util'
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import { SECURITY_SCHEMES } from './authentication.ts'

const { version } = createRequire(import.meta.url)('../../../package.json') as { version: string }

/**
 * Describe every route that is registered after this at /openapi.json, and show it at /docs.
 *
 * @param needsKey - whether calls need a key, which /docs then asks for under "Authorize"
 */
export async function registerOpenapi(
  app: FastifyInstance,
  { needsKey }: { needsKey: boolean }
): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Keystroke recognition',
        version,
        description:
          'Tells who is typing from how they type. Errors all have one form; `code` is for programs, `message` for people.',
        license: { name: 'MIT', identifier: 'MIT' }
      },
      ...(needsKey && {
        components: { securitySchemes: SECURITY_SCHEMES },
        security: Object.keys(SECURITY_SCHEMES).map((scheme) => ({ [scheme]: [] }))
      }),
      tags: [
        { name: 'predict', description: 'Who typed? By the challenge’s 8 features' },
        { name: 'recognize', description: 'Who typed, and is it who they say? By every single time' },
        { name: 'models', description: 'What answers' },
        { name: 'health', description: 'For load balancers' }
      ]
      // Without servers: the service does not know its address, and generated clients take "." for a host.
    },
    transformObject: (document) => nameSchemas('openapiObject' in document ? document.openapiObject : {})
  })
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: true,
    // Over plain HTTP it asks for all by HTTPS, which nobody answers, unless the host is localhost.
    transformStaticCSP: (policy) => policy.replace(/ *upgrade-insecure-requests;?/, ''),
    // The page has the document from /docs/json.
    transformSpecification: (document) => ({ ...document, servers: [{ url: '..' }] }),
    transformSpecificationClone: false,
    uiHooks: {
      // Its links are relative to /docs/; those that it writes without the slash know no proxy's prefix.
      onRequest: (request, reply, next) => {
        if (/\/docs(?:$|\?)/.test(request.url)) reply.redirect('docs/')
        else next()
      }
    }
  })
  app.get('/openapi.json', { schema: { hide: true } }, () => app.swagger())
}

/**
 * Put every schema that has a title under `components.schemas` by that name, so that clients generated from the
 * document have names for their types, and refer to it where it was.
 *
 * @throws Error if two different schemas have one title
 */
function nameSchemas<T extends object>(document: T): T {
  const named: Record<string, unknown> = {}
  const visit = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(visit)
    if (value === null || typeof value !== 'object') return value
    const visited = Object.fromEntries(Object.entries(value).map(([key, each]) => [key, visit(each)]))
    if (typeof visited.title !== 'string' || !('type' in visited || 'enum' in visited)) return visited
    // Those of a whole body are its media type's already.
    const { title, examples: _, ...described } = visited
    const schema = separateTypes(described)
    named[title] ??= schema
    if (!isDeepStrictEqual(named[title], schema)) throw new Error(`two schemas are called ${title}`)
    return { $ref: `#/components/schemas/${title}` }
  }
  const visited = visit(document) as { components?: object }
  visited.components = { ...visited.components, schemas: named }
  return visited as T
}

/** Generators of clients name a type that is one of several schemas, and few know a list of types. */
function separateTypes(schema: Record<string, unknown>): object {
  const { type, minimum, maximum, ...rest } = schema
  if (!Array.isArray(type)) return schema
  return {
    ...rest,
    anyOf: type.map((each) => (each === 'integer' ? { type: each, minimum, maximum } : { type: each }))
  }
}
