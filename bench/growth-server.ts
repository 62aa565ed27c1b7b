/** The service with a typing model and no other: node growth-server.ts FOLDER PORT. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { InferenceSession } from 'onnxruntime-node'
import { buildApp } from '../server/src/app.ts'
import { type Models, toRecognizer } from '../server/src/models.ts'

const [folder, port] = process.argv.slice(2) as [string, string]
const { keys, classes, decisions } = JSON.parse(await readFile(join(folder, 'facts.json'), 'utf8'))
const session = await InferenceSession.create(await readFile(join(folder, 'typing.onnx')), {
  intraOpNumThreads: 1,
  interOpNumThreads: 1
})
// What POST /identify asks for, and no more.
const models = {
  manifest: { dataset: { keys } },
  typing: toRecognizer({ session, classes, decisions }),
  close: async () => {}
} as unknown as Models
const app = await buildApp({ models: Promise.resolve(models) })
await app.listen({ host: '127.0.0.1', port: Number(port) })
