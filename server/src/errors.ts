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

  /** A batch that asks for more candidates in all than are answered at once. */
  BATCH_TOP: createError<[top: number, requests: number, most: number]>(
    'KS_ERR_BATCH_TOP',
    'querystring.top: %s candidates of each of %s requests are more than %s in all; ask for fewer, or in several batches',
    400
  ),

  /** A batch that says its model in the wrong place. */
  BATCH_MODEL: createError<[why: string]>('KS_ERR_BATCH_MODEL', 'querystring.Model %s', 400),

  /** A missing or unknown key; the answer does not say which key it resembles. */
  API_KEY: createError<[why: string]>('KS_ERR_API_KEY', 'the API key %s', 401),

  /** A key whose scopes do not include identifying. */
  IDENTIFY_KEY: createError<[why: string]>(
    'KS_ERR_IDENTIFY_KEY',
    'this call needs a key that may identify; %s',
    403
  ),

  /** A key whose scopes do not include administering. */
  ADMIN_KEY: createError<[why: string]>(
    'KS_ERR_ADMIN_KEY',
    'this call needs an administrator’s key; %s',
    403
  ),

  /** A user that is neither trained nor enrolled, or was deleted. */
  USER_UNKNOWN: createError<[field: string, user: string]>(
    'KS_ERR_USER_UNKNOWN',
    '%s: there is no user %s',
    404
  ),

  /** A text that cannot be a UserID here. */
  USER_ID: createError<[why: string]>('KS_ERR_USER_ID', 'params.UserID %s', 400),

  /** A page's cursor that is not from the page before. */
  CURSOR: createError('KS_ERR_CURSOR', 'querystring.after is not the `Next` of a page', 400),

  /** Enrolling with If-None-Match: * who is a user already. */
  USER_EXISTS: createError<[user: string]>(
    'KS_ERR_USER_EXISTS',
    'params.UserID: there is a user %s already; leave out If-None-Match to replace them',
    412
  ),

  /** Typings cannot be added to those of a training, of which the service has the template alone. */
  USER_TRAINED: createError<[user: string]>(
    'KS_ERR_USER_TRAINED',
    'params.UserID: the typings of user %s are not kept here or are of another string; enroll them with PUT',
    409
  ),

  /** Two calls changed one user at the same time, again and again. */
  USER_CHANGED: createError<[user: string]>(
    'KS_ERR_USER_CHANGED',
    'params.UserID: user %s was changed by another call at the same time; try again',
    409
  ),

  /** Typings to be added to a user that do not look like theirs. */
  TYPINGS_MISMATCH: createError<[why: string]>('KS_ERR_TYPINGS_MISMATCH', 'body.Typings%s', 409),

  /** Too many calls by one key, or from one address without a key; `Retry-After` says when the next is answered. */
  CALLS_LIMITED: createError<[most: number, seconds: number]>(
    'KS_ERR_CALLS_LIMITED',
    'more than %s calls in a minute by one key, or from one address without a key; the next is answered in %s s',
    429
  ),

  /** Too many identifications of one caller ended unknown; `Retry-After` says when the next is answered. */
  SEARCHES_LIMITED: createError<[most: number, seconds: number]>(
    'KS_ERR_SEARCHES_LIMITED',
    'more than %s identifications by one key, or from one address without a key, ended unknown in an hour; the next is answered in %s s',
    429
  ),

  /** Too many claims to be one user failed; `Retry-After` says when the next is answered. */
  CLAIM_PAUSED: createError<[user: string, seconds: number]>(
    'KS_ERR_CLAIM_PAUSED',
    'body.UserID: too many claims to be user %s failed; the next is answered in %s s',
    429
  ),

  /** A typing that would match, and is a copy of one that was enrolled or accepted. */
  TYPING_REPLAYED: createError<[index: number]>(
    'KS_ERR_TYPING_REPLAYED',
    'body.Typings[%s] is a copy of one that was enrolled or accepted before, or nearly one; type again',
    409
  ),

  /** Enrolled users cannot be read or written; the log says why. */
  STORE: createError(
    'KS_ERR_STORE',
    'enrolled users cannot be read or written right now; try again shortly',
    503
  ),

  /** All users were deleted. */
  NO_USERS: createError('KS_ERR_NO_USERS', 'there are no users to choose from', 404),

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

  /** A path with a percent sign that no two hexadecimal digits follow, or whose bytes are not UTF-8. */
  URL_INVALID: createError('KS_ERR_URL_INVALID', 'the path cannot be decoded as UTF-8 (RFC 3986)', 400),

  HOST: createError('KS_ERR_HOST', 'the header Host is missing', 400),

  EXPECTATION: createError('KS_ERR_EXPECTATION', 'the header Expect asks for what is not known here', 417),

  /** A file of the page has another ETag or date than a conditional request names. */
  PRECONDITION: createError('KS_ERR_PRECONDITION', 'the file is not the one that the request names', 412),

  RANGE: createError('KS_ERR_RANGE', 'the file does not have the range that the request names', 416),

  /** The request is not HTTP. */
  HTTP_INVALID: createError('KS_ERR_HTTP_INVALID', 'the request is not HTTP/1.1 as RFC 9112 has it', 400),

  /** A body that did not arrive whole in time; its connection is closed. */
  BODY_TIMEOUT: createError('KS_ERR_BODY_TIMEOUT', 'the body took too long to arrive', 408),

  REQUEST_TIMEOUT: createError('KS_ERR_REQUEST_TIMEOUT', 'the request took too long to arrive', 408),

  HEADERS_TOO_LARGE: createError('KS_ERR_HEADERS_TOO_LARGE', 'the headers are larger than allowed', 431),

  /** The client left before it was answered; for the log alone. 499 is nginx's number for it. */
  CANCELLED: createError('KS_ERR_CANCELLED', 'the client closed the connection', 499),

  /** Sessions still load, or the process is about to end. */
  NOT_READY: createError<[state: string]>('KS_ERR_NOT_READY', 'the service is %s; try again shortly', 503),

  /** More is asked than can be answered in time; `Retry-After` says when to ask again. */
  OVERLOADED: createError('KS_ERR_OVERLOADED', 'the service is busy; try again after Retry-After', 503),

  /** What the client gets of any fault of ours; the log has the rest. */
  INTERNAL: createError('KS_ERR_INTERNAL', 'the service failed; the request was not at fault', 500)
}

/** What errors that come without a code are, those of the page's files, by their status. */
const WITHOUT_CODE: Partial<Record<number, () => FastifyError>> = {
  412: errors.PRECONDITION,
  416: errors.RANGE
}

/** Give an error of another package, which has a status alone, a code and a sentence of ours. */
export function named(error: FastifyError): FastifyError {
  const known = error.code === undefined && WITHOUT_CODE[error.statusCode ?? 0]
  return known ? known() : error
}

/** An error that passes by itself. */
export interface Passing {
  /** s, for the header `Retry-After`. */
  retryAfter: number
}

export const passing = <E extends Error>(error: E, retryAfter: number): E & Passing =>
  Object.assign(error, { retryAfter })

/** Of the statuses that Node.js has no name for. */
const NAMES: Record<number, string> = { ...STATUS_CODES, 499: 'Client Closed Request' }

/**
 * The one form in which errors are answered.
 *
 * @param requestID - left out of what never became a request
 */
export function toErrorReply(
  { statusCode = 500, code, message }: FastifyError,
  requestID?: string
): ErrorReply {
  const reply = { statusCode, code, error: NAMES[statusCode]!, message }
  return requestID === undefined ? reply : { ...reply, requestID }
}
