import type { FastifyError, FastifyInstance, FastifyRequest } from 'fastify'
import { errors } from '../errors.ts'
import { quote } from '../text.ts'

const CHARSET = /;\s*charset\s*=\s*"?([^\s";]*)/i
/** Names of UTF-8, and of its part that is ASCII. */
const UTF8 = /^(?:utf-?8|us-ascii)$/i

/** The media types that a route reads. */
export function acceptedTypes({ routeOptions }: FastifyRequest): readonly string[] {
  const { consumes } = (routeOptions.schema ?? {}) as { consumes?: readonly string[] }
  return consumes ?? ['application/json']
}

/** Say that a body's media type is not read, and which are (RFC 9110, section 15.5.16). */
export function unsupportedType(request: FastifyRequest): FastifyError {
  const { 'content-type': type } = request.headers
  const found = !type ? 'is missing' : `${quote(type)} is not supported`
  return new errors.MEDIA_TYPE(found, acceptedTypes(request).join(' or '))
}

/** Refuse bodies on `app` that are compressed, or in another encoding than UTF-8, before they are read. */
export function requirePlainUtf8(app: FastifyInstance): void {
  app.addHook('preParsing', (request, _reply, _payload, done) => {
    const { 'content-encoding': coding, 'content-type': type } = request.headers
    if (coding !== undefined && !/^(?:identity)?$/i.test(coding)) {
      return done(new errors.CONTENT_ENCODING(quote(coding)))
    }
    const charset = type === undefined ? undefined : CHARSET.exec(type)?.[1]
    if (charset !== undefined && !UTF8.test(charset)) return done(new errors.CHARSET(quote(charset)))
    done()
  })
}
