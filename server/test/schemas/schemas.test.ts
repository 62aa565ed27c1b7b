import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Ajv } from 'ajv'
import t from 'tap'
import { manifestSchema } from '../../../scripts/schema.ts'
import { ConfigSchema } from '../../src/config.ts'

const folder = join(import.meta.dirname, '../../src/schemas')
const modules = await Promise.all(
  (await readdir(folder)).filter((file) => file !== 'check.ts').map((file) => import(join(folder, file)))
)

const meta = new Ajv()

/** Other exports, in capitals, are lists and examples. */
const named = [{ ConfigSchema }, ...modules]
  .flatMap((module) => Object.entries(module))
  .filter(([name]) => name !== name.toUpperCase() && !['Top', 'closed'].includes(name)) as [string, object][]

t.ok(named.length > 10)
for (const [name, schema] of named) {
  t.test(`${name} is a JSON Schema`, async (t) => {
    t.ok(meta.validateSchema(schema), meta.errorsText())
  })
}

t.test('the meta-schema refuses an invalid schema', async (t) => {
  t.notOk(meta.validateSchema({ type: 'object', properties: { Mean: { minimum: '0' } } }))
})

t.test('models/manifest.schema.json is the schema by which the server reads the manifest', async (t) => {
  const committed = await readFile(join(import.meta.dirname, '../../../models/manifest.schema.json'), 'utf8')
  t.equal(committed, manifestSchema(), 'npm run schema writes it anew')
})
