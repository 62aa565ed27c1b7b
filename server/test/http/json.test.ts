import t from 'tap'
import { parseJson } from '../../src/http/json.ts'

const refused = (message: string | RegExp) => ({ code: 'KS_ERR_JSON_INVALID', statusCode: 400, message })

t.test('JSON is parsed as JSON.parse does', async (t) => {
  for (const text of [
    '{"a":{"b":[1,{"c":":"}]},"d":"\\"x\\":\\\\"}',
    '[]',
    '3',
    'null',
    '{"a:b":1,"\\\\":2}'
  ]) {
    t.same(parseJson(text), JSON.parse(text), text)
  }
})

t.test('a duplicate key is named, at whatever depth', async (t) => {
  t.throws(() => parseJson('{"a":1,"a":1}'), refused('body has the key "a" twice in one object'))
  t.throws(
    () => parseJson('[{"x":{"b":1,"c":2,"b":3}}]'),
    refused('body has the key "b" twice in one object')
  )
  t.throws(() => parseJson('{"a":1,"\\u0061":2}'), refused('body has the key "a" twice in one object'))
  t.same(parseJson('[{"a":1},{"a":2}]'), [{ a: 1 }, { a: 2 }], 'in two objects it may')
})

t.test('what nests deeper than any request does is refused before it is parsed', async (t) => {
  const nested = (levels: number) => `${'['.repeat(levels)}"[[["${']'.repeat(levels)}`
  t.same(parseJson(nested(16)), JSON.parse(nested(16)))
  for (const levels of [17, 500_000]) {
    t.throws(() => parseJson(nested(levels)), refused('body nests more than 16 levels deep'))
  }
  for (const text of ['[}'.repeat(250_000), `${']'.repeat(250_000)}${'['.repeat(250_000)}`]) {
    t.throws(() => parseJson(text), refused(/^body is not JSON: /), 'brackets that do not match')
  }
})

t.test('__proto__ is refused', async (t) => {
  t.throws(
    () => parseJson('{"a":{"__proto__":{"b":1}}}'),
    refused('body has the key "__proto__", which is not allowed')
  )
})

t.test('what is not JSON is reported with its position and without an excerpt', async (t) => {
  t.throws(() => parseJson('  '), refused('body is empty; a JSON document was expected'))
  for (const text of [
    '{"secret":NaN}',
    '{"secret":Infinity}',
    "{'secret':1}",
    '{"secret":1',
    'secret',
    '{"secret":01}'
  ]) {
    t.throws(() => parseJson(text), { code: 'KS_ERR_JSON_INVALID', message: /^body is not JSON: / }, text)
    try {
      parseJson(text)
    } catch (error) {
      t.notMatch((error as Error).message, 'secret')
    }
  }
})
