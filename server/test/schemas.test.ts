import { Ajv } from 'ajv'
import t from 'tap'
import * as schemas from '../src/schemas.ts'

const meta = new Ajv()

/** Other exports, in capitals, are lists and examples. */
const named = Object.entries(schemas).filter(([name]) => name !== name.toUpperCase())

t.ok(named.length > 10)
for (const [name, schema] of named) {
  t.test(`${name} is a JSON Schema`, async (t) => {
    t.ok(meta.validateSchema(schema), meta.errorsText())
  })
}

t.test('the meta-schema refuses what is none', async (t) => {
  t.notOk(meta.validateSchema({ type: 'object', properties: { Mean: { minimum: '0' } } }))
})
