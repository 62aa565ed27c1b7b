/** The service with a typing model and no other: node server.ts FOLDER PORT. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { buildApp } from '../../server/src/app.ts'
import type { Models } from '../../server/src/models/load.ts'
import { Model, openSession } from '../../server/src/models/model.ts'

const [folder, port] = process.argv.slice(2) as [string, string]
const { keys, classes, decisions } = JSON.parse(await readFile(join(folder, 'facts.json'), 'utf8'))
const session = await openSession(await readFile(join(folder, 'typing.onnx')))
// What POST /identify asks for, and no more.
const models = {
  manifest: { dataset: { keys }, models: { typing: { decisions } } },
  byName: { typing: new Model(session, 'times', classes) },
  close: async () => {}
} as unknown as Models
const app = await buildApp({ models: Promise.resolve(models) })
await app.listen({ host: '127.0.0.1', port: Number(port) })
