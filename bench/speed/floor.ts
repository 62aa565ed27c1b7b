/** A bare Fastify server with the same schemas that computes nothing: node bench/speed/floor.ts PORT. */
import Fastify from 'fastify'
import { PredictReply, PredictRequest } from '../../server/src/schemas/predict.ts'
import { IdentifyReply, IdentifyRequest } from '../../server/src/schemas/recognize.ts'

const app = Fastify({ ajv: { customOptions: { coerceTypes: false, removeAdditional: false } } })
app.get('/health/ready', () => ({ status: 'ready' }))
app.post<{ Body: { Model: string } }>(
  '/predict',
  { schema: { body: PredictRequest, response: { 200: PredictReply } } },
  async ({ body }) => ({ UserID: 1, Model: body.Model })
)
app.post(
  '/identify',
  { schema: { body: IdentifyRequest, response: { 200: IdentifyReply } } },
  // As many candidates as the service gives unless asked for more.
  async () => ({
    UserID: 1,
    Known: true,
    Confidence: 'high' as const,
    Regular: false,
    Candidates: [1, 2, 3, 4, 5].map((UserID) => ({ UserID, Probability: 0.2 }))
  })
)
await app.listen({ host: '127.0.0.1', port: Number(process.argv[2]) })
