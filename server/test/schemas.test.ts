import { Ajv } from 'ajv'
import t from 'tap'
import * as schemas from '../src/schemas.ts'

const meta = new Ajv()

for (const [name, schema] of Object.entries(schemas)) {
  if (typeof schema !== 'object' || Array.isArray(schema)) continue
  t.test(`${name} is a JSON Schema`, async (t) => {
    t.ok(meta.validateSchema(schema), meta.errorsText())
  })
}

t.test('the meta-schema refuses what is none', async (t) => {
  t.notOk(meta.validateSchema({ type: 'object', properties: { Mean: { minimum: '0' } } }))
})
