import { Readable } from 'node:stream'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { errors } from '../errors.ts'
import type { Models } from '../models/load.ts'
import type { UserID } from '../schemas/common.ts'
import { ERROR_REPLIES } from '../schemas/error.ts'
import {
  AddRequest,
  EnrollHeaders,
  EnrollRequest,
  UserParams,
  UserReply,
  UsersQuery,
  UsersReply
} from '../schemas/users.ts'
import { checkDistinct, checkTypings } from '../typings/check.ts'
import { toCsv } from '../users/export.ts'
import { parseUserID } from '../users/user-id.ts'
import type { Users } from '../users/users.ts'

/** Users of a page unless the query says otherwise. */
const LIMIT = 100

const tags = ['users']
const CSV = Type.Unsafe<Readable>({
  type: 'string',
  description: 'user,press-0,release-0,press-1,...: a typing a row, as npm run train takes them'
})

export const usersRoutes: FastifyPluginAsyncTypebox<{ models: () => Models; users: () => Users }> = async (
  app,
  { models, users }
) => {
  const toUserID = (text: string): UserID => parseUserID(text, models().manifest.classes)
  const keys = () => models().manifest.dataset.keys

  app.put(
    '/users/:UserID',
    {
      schema: {
        tags,
        operationId: 'enroll',
        summary: 'Enroll a user from 3 to 50 typings, or replace them',
        description: 'At once known to /identify and /verify; without any training.',
        params: UserParams,
        headers: EnrollHeaders,
        body: EnrollRequest,
        response: { 200: UserReply, 201: UserReply, ...ERROR_REPLIES }
      }
    },
    async ({ params, headers, body }, reply) => {
      checkTypings(body.Typings, keys())
      checkDistinct(body.Typings)
      const mustBeNew = headers['if-none-match'] !== undefined
      const { user, isNew } = await users().enroll(toUserID(params.UserID), body.Typings, mustBeNew)
      return reply.code(isNew ? 201 : 200).send(user)
    }
  )

  app.post(
    '/users/:UserID/typings',
    {
      schema: {
        tags,
        operationId: 'addTypings',
        summary: 'Add typings to an enrolled user; they have to match',
        params: UserParams,
        body: AddRequest,
        response: { 200: UserReply, ...ERROR_REPLIES }
      }
    },
    ({ params, body }) => {
      checkTypings(body.Typings, keys())
      checkDistinct(body.Typings)
      return users().add(toUserID(params.UserID), body.Typings)
    }
  )

  app.get(
    '/users',
    {
      schema: {
        tags,
        operationId: 'listUsers',
        summary: 'All users, trained and enrolled, by pages',
        querystring: UsersQuery,
        response: { 200: UsersReply, ...ERROR_REPLIES }
      }
    },
    async ({ query: { limit = LIMIT, after } }) => {
      const Users = users().list(limit, after === undefined ? undefined : fromCursor(after))
      const last = Users.length === limit ? Users.at(-1) : undefined
      return { Users, ...(last && { Next: toCursor(last.UserID) }) }
    }
  )

  app.get(
    '/users/export',
    {
      schema: {
        tags,
        operationId: 'exportUsers',
        summary: 'The typings of all enrolled users, to train with',
        response: {
          200: { description: 'All enrolled users', content: { 'text/csv': { schema: CSV } } },
          ...ERROR_REPLIES
        }
      }
    },
    async (_request, reply) => {
      // Before the first byte: a store that fails is answered with 503.
      const enrolled = await begin(users().export())
      const rows = Readable.from(toCsv(enrolled, keys()), { objectMode: false })
      return reply.type('text/csv; charset=utf-8').send(rows)
    }
  )

  app.get(
    '/users/:UserID',
    {
      schema: {
        tags,
        operationId: 'getUser',
        summary: 'One user: how many typings, since when, how good',
        params: UserParams,
        response: { 200: UserReply, ...ERROR_REPLIES }
      }
    },
    ({ params }) => users().get(toUserID(params.UserID))
  )

  app.delete(
    '/users/:UserID',
    {
      schema: {
        tags,
        operationId: 'deleteUser',
        summary: 'Delete a user and their typings',
        description:
          'Other processes forget them within 10 s. A trained user is hidden until the next training.',
        params: UserParams,
        response: { 204: Type.Null({ description: 'Gone' }), ...ERROR_REPLIES }
      }
    },
    async ({ params }, reply) => {
      await users().delete(toUserID(params.UserID))
      return reply.code(204).send(null)
    }
  )
}

/** A UserID as text that keeps whether it is a number, and tells nobody who reads a URL in a log who it is of. */
const toCursor = (userID: UserID): string => Buffer.from(JSON.stringify(userID)).toString('base64url')

function fromCursor(cursor: string): UserID {
  try {
    const userID: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    if (typeof userID === 'string' || Number.isSafeInteger(userID)) return userID as UserID
  } catch {}
  throw new errors.CURSOR()
}

/** Take the first of what is generated, so that what fails fails here. */
async function begin<T>(generator: AsyncGenerator<T>): Promise<AsyncGenerator<T>> {
  const first = await generator.next()
  return (async function* () {
    if (first.done) return
    yield first.value
    yield* generator
  })()
}
