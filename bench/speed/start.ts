/** What the service's parts take of start and memory, loaded one after the other, as JSON: node start.js DIST MODELS. */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const [dist, folder] = process.argv.slice(2) as [string, string]
const own = (file: string) => import(pathToFileURL(join(dist, file)).href)

const parts: { part: string; ms: number; mb: number }[] = []
let time = 0
let memory = 0
note('Node itself')
await import('fastify')
note('Fastify')
await own('schemas/manifest.js')
note('TypeBox, and the schemas')
await import('ajv')
note('Ajv')
await Promise.all([import('@fastify/swagger'), import('@fastify/swagger-ui'), import('@fastify/static')])
note('the OpenAPI page')
await import('onnxruntime-node')
note('ONNX Runtime')
const { buildApp } = (await own('app.js')) as typeof import('../../server/src/app.ts')
const { loadModels } = (await own('models/load.js')) as typeof import('../../server/src/models/load.ts')
note('the service’s own modules, and CSV')
const models = loadModels(folder)
await models
note('four models, read and proved')
const app = await buildApp({ models })
await app.listen({ host: '127.0.0.1', port: 0 })
note('routes, schemas, listening')
console.log(JSON.stringify(parts))
process.exit()

function note(part: string): void {
  const now = performance.now()
  const rss = process.memoryUsage.rss() / 1024 ** 2
  parts.push({ part, ms: now - time, mb: rss - memory })
  time = now
  memory = rss
}
