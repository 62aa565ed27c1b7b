/** A bare Fastify server with the same schemas that computes nothing: node bench/floor.ts PORT. */
import Fastify from 'fastify'
import { PredictReply, PredictRequest } from '../server/src/schemas.ts'

const app = Fastify({ ajv: { customOptions: { coerceTypes: false, removeAdditional: false } } })
app.get('/health/ready', () => ({ status: 'ready' }))
app.post<{ Body: { Model: string } }>(
  '/predict',
  { schema: { body: PredictRequest, response: { 200: PredictReply } } },
  async ({ body }) => ({ UserID: 1, Model: body.Model })
)
await app.listen({ host: '127.0.0.1', port: Number(process.argv[2]) })
