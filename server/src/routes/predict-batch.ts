import { Readable } from 'node:stream'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type, { type Static } from 'typebox'
import { errors } from '../errors.ts'
import type { Keys } from '../http/authentication.ts'
import { discardRest } from '../http/connections.ts'
import { unsupportedType } from '../http/media-type.ts'
import type { Models } from '../models/load.ts'
import { type Prediction, predictAll } from '../models/predict.ts'
import { predictCsv } from '../models/predict-csv.ts'
import { ERROR_REPLIES } from '../schemas/error.ts'
import {
  BatchQuery,
  BatchReply,
  BatchRequest,
  CLASSIFIER_NAMES,
  CSV_MODEL_NAMES
} from '../schemas/predict.ts'
import { EXAMPLE_TYPING } from '../schemas/typing.ts'

/** Candidates in the answer to a batch, in all; so many take as long as 1,000 requests without any. */
const MOST_CANDIDATES = 20_000

const EXAMPLE_CSV = [
  EXAMPLE_TYPING.Press.map((_, key) => `press-${key},release-${key}`),
  EXAMPLE_TYPING.Press.map((press, key) => `${press},${EXAMPLE_TYPING.Release[key]}`)
].join('\n')

const CSV_REQUEST = Type.Unsafe<Readable>({
  description:
    'Recorded typings, UTF-8: a header user,press-0,release-0,press-1,... with or without user, then a typing a row, whole ms',
  examples: [EXAMPLE_CSV]
})
const CSV_REPLY = Type.Unsafe<Readable>({
  type: 'string',
  description: 'Line, User (where the request has it), UserID, Error: a row for each row, in their order'
})

export const predictBatchRoutes: FastifyPluginAsyncTypebox<{ models: () => Models; keys: Keys }> = async (
  app,
  { models, keys }
) => {
  // The stream itself: a CSV may be larger than memory, so it is not gathered and no body limit applies.
  app.addContentTypeParser('text/csv', (_request, payload, done) => done(null, payload))

  app.post(
    '/predict/batch',
    {
      schema: {
        tags: ['predict'],
        operationId: 'predictBatch',
        summary: 'Many at once: a JSON array of requests, or a CSV of typings',
        description:
          'JSON: all or nothing; a bad request is named by its index. CSV: answered while it is read, so read ' +
          'the answer while you send (curl does); an invalid row gets an error; the rest are answered.',
        consumes: ['application/json', 'text/csv'],
        body: {
          content: {
            'application/json': { schema: BatchRequest },
            'text/csv': { schema: CSV_REQUEST }
          }
        },
        querystring: BatchQuery,
        response: {
          200: {
            description: 'An answer for each, in their order',
            content: { 'application/json': { schema: BatchReply }, 'text/csv': { schema: CSV_REPLY } }
          },
          ...ERROR_REPLIES
        }
      }
    },
    async (request, reply) => {
      const { body, query } = request
      if (body instanceof Readable) {
        reply.raw.once('finish', () => discardRest(request.raw))
        if (query.Model === undefined) {
          throw new errors.BATCH_MODEL(`is missing; a CSV needs one of ${CSV_MODEL_NAMES.join(', ')}`)
        }
        // It would identify thousands in a call, and count none of them.
        if (query.Model === 'typing') keys.requireAdmin(request, reply, 'querystring.Model typing')
        const { manifest, byName } = models()
        const answer = await predictCsv(body, manifest.dataset.keys, byName[query.Model])
        return reply.type('text/csv; charset=utf-8').send(Readable.from(answer, { objectMode: false }))
      }
      // Without a content type no schema is chosen, and so nothing was validated.
      if (!Array.isArray(body)) throw unsupportedType(request)
      if (query.Model === 'typing')
        throw new errors.BATCH_MODEL('is typing, which reads a CSV; send text/csv')
      const requests = body as Static<typeof BatchRequest>
      const other = requests.findIndex(({ Model }) => query.Model !== undefined && Model !== query.Model)
      if (other >= 0) {
        const { Model } = requests[other]!
        throw new errors.BATCH_MODEL(`is ${query.Model} and body[${other}].Model ${Model}; leave one out`)
      }
      if (query.top !== undefined) keys.requireAdmin(request, reply, 'querystring.top')
      checkTop(requests.length, query.top, models())
      return answerAll(models(), requests, query.top, () => request.raw.socket.destroyed)
    }
  )
}

/** @throws BATCH_TOP */
function checkTop(requests: number, top: number | undefined, { manifest }: Models): void {
  if (top === undefined || requests * Math.min(top, manifest.classes.length) <= MOST_CANDIDATES) return
  throw new errors.BATCH_TOP(top, requests, MOST_CANDIDATES)
}

/** Each model runs once over its own requests; answers are in the order of the requests. */
async function answerAll(
  { byName }: Models,
  requests: Static<typeof BatchRequest>,
  top: number | undefined,
  isCancelled: () => boolean
): Promise<Static<typeof BatchReply>> {
  const answers = new Map<object, Prediction>()
  for (const name of CLASSIFIER_NAMES) {
    const own = requests.filter(({ Model }) => Model === name)
    const predictions = await predictAll(byName[name], own, top, isCancelled)
    for (const [i, request] of own.entries()) answers.set(request, predictions[i]!)
  }
  return requests.map((request) => ({ ...answers.get(request)!, Model: request.Model }))
}
