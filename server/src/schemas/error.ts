import Type, { type Static } from 'typebox'

const ErrorReply = Type.Object(
  {
    statusCode: Type.Integer(),
    code: Type.String({ description: 'For programs: stays the same between versions' }),
    error: Type.String({ description: 'The status in words' }),
    message: Type.String({ description: 'For people: which field, and why' }),
    requestID: Type.Optional(
      Type.String({
        description: 'As in x-request-id, the request’s own or a new one; the service’s log has it too'
      })
    )
  },
  {
    title: 'Error',
    description: 'What is wrong, and where'
  }
)
export type ErrorReply = Static<typeof ErrorReply>

const answeredWith = (description: string, example: ErrorReply) => ({
  description,
  content: { 'application/json': { schema: ErrorReply, example } }
})

/** What every route that reads a request may answer in place of what it was asked for. */
export const ERROR_REPLIES = {
  '4xx': answeredWith('The request is at fault', {
    statusCode: 400,
    code: 'FST_ERR_VALIDATION',
    error: 'Bad Request',
    message: 'body.HT.STD must be >= 0',
    requestID: 'b1c0f7a2-6a3c-4b6e-9d53-6f6f6a0f1c1e'
  }),
  '5xx': answeredWith('The service is at fault, or not ready', {
    statusCode: 503,
    code: 'KS_ERR_NOT_READY',
    error: 'Service Unavailable',
    message: 'the service is starting; try again shortly',
    requestID: 'b1c0f7a2-6a3c-4b6e-9d53-6f6f6a0f1c1e'
  })
}
