import { STATUS_CODES } from 'node:http'
import createError, { type FastifyError } from '@fastify/error'
import type { ErrorReply } from './schemas/error.ts'

/** Fastify's own code for a media type that it does not read. */
export const MEDIA_TYPE_CODE = 'FST_ERR_CTP_INVALID_MEDIA_TYPE'

/**
 * Every error of our own that a client can get: code, message, status. Fastify's own codes
 * (FST_ERR_VALIDATION, FST_ERR_CTP_BODY_TOO_LARGE, ...) come on top, in the same shape.
 */
export const errors = {
  /** The body is not JSON, or JSON that would not survive parsing as it was written. */
  JSON_INVALID: createError<[why: string]>('KS_ERR_JSON_INVALID', 'body %s', 400),

  /** A typing that cannot have happened. */
  TYPING_INVALID: createError<[why: string]>('KS_ERR_TYPING_INVALID', '%s', 400),

  /** A CSV whose header, or whose lack of rows, leaves nothing to answer. */
  CSV_INVALID: createError<[why: string]>('KS_ERR_CSV_INVALID', '%s', 400),

  /** A batch that says its model in the wrong place. */
  BATCH_MODEL: createError<[why: string]>('KS_ERR_BATCH_MODEL', 'querystring.Model %s', 400),

  /** A missing or unknown key; the answer does not say which key it resembles. */
  API_KEY: createError<[why: string]>('KS_ERR_API_KEY', 'the API key %s', 401),

  /** A claim to be somebody the models were not trained on. */
  USER_UNKNOWN: createError<[user: string]>('KS_ERR_USER_UNKNOWN', 'body.UserID: there is no user %s', 404),

  NOT_FOUND: createError<[method: string, path: string]>(
    'KS_ERR_NOT_FOUND',
    'there is no %s %s; see /docs',
    404
  ),

  /** A path that is there, and takes other methods. */
  METHOD: createError<[method: string, path: string, allowed: string]>(
    'KS_ERR_METHOD',
    'there is no %s %s; it takes %s',
    405
  ),

  /** A body of a media type that the route does not read. */
  MEDIA_TYPE: createError<[found: string, accepted: string]>(
    MEDIA_TYPE_CODE,
    'content-type %s; send %s',
    415
  ),

  CHARSET: createError<[charset: string]>(
    'KS_ERR_CHARSET',
    'content-type: charset %s is not supported; send UTF-8',
    415
  ),

  CONTENT_ENCODING: createError<[coding: string]>(
    'KS_ERR_CONTENT_ENCODING',
    'content-encoding %s is not supported; send the body uncompressed',
    415
  ),

  /** The request is not HTTP. */
  HTTP_INVALID: createError('KS_ERR_HTTP_INVALID', 'the request is not HTTP/1.1 as RFC 9112 has it', 400),

  REQUEST_TIMEOUT: createError('KS_ERR_REQUEST_TIMEOUT', 'the request took too long to arrive', 408),

  HEADERS_TOO_LARGE: createError('KS_ERR_HEADERS_TOO_LARGE', 'the headers are larger than allowed', 431),

  /** Sessions still load, or the process is about to end. */
  NOT_READY: createError<[state: string]>('KS_ERR_NOT_READY', 'the service is %s; try again shortly', 503),

  /** What the client gets of any fault of ours; the log has the rest. */
  INTERNAL: createError('KS_ERR_INTERNAL', 'the service failed; the request was not at fault', 500)
}

/** The one form in which errors are answered. */
export function toErrorReply({ statusCode = 500, code, message }: FastifyError): ErrorReply {
  return { statusCode, code, error: STATUS_CODES[statusCode]!, message }
}
