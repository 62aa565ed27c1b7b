import t from 'tap'
import { parseJson as parseBody } from '../../src/http/json.ts'

const parseJson = (text: string) => parseBody(Buffer.from(text))

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
    t.throws(() => parseJson(text), refused(/^body has \d+ arrays and objects/), 'brackets that do not match')
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

t.test('what is not UTF-8 is refused, and said to be what it is', async (t) => {
  const refusals: [bytes: number[] | Buffer, message: string][] = [
    [Buffer.from('{"UserID":"Jos\xe9"}', 'latin1'), 'body is not UTF-8'],
    [Buffer.from('{"a":1}', 'utf16le'), 'body is not JSON: it is UTF-16; save it as UTF-8'],
    [[0xff, 0xfe, 0x7b, 0x00], 'body is not JSON: it is UTF-16; save it as UTF-8'],
    [[0x1f, 0x8b, 0x08, 0x00], 'body is not JSON: it is compressed with gzip; send it uncompressed'],
    [[0x1f], 'body is not JSON: it is compressed with gzip; send it uncompressed'],
    [
      [0x50, 0x4b, 0x03, 0x04],
      'body is not JSON: it is a ZIP archive, as Excel workbooks are; export it as CSV'
    ]
  ]
  for (const [bytes, message] of refusals) t.throws(() => parseBody(Buffer.from(bytes)), refused(message))
  t.same(parseBody(Buffer.from('\ufeff{"a":"\u00e9"}')), { a: 'é' }, 'a byte order mark is taken')
})

t.test('more parts than any request has are refused before they are parsed', async (t) => {
  const refusals: [text: string, message: string][] = [
    [
      `{${Array.from({ length: 90_000 }, (_, i) => `"${i}":1`).join()},"0":1}`,
      'has an object of more than 100 members'
    ],
    [
      `[${`{${Array.from({ length: 100 }, (_, i) => `"${i}":1`).join()}},`.repeat(200)}x]`,
      'has 20000 members; 16000 are the most'
    ],
    [`[${'[],'.repeat(300_000)}[]]`, 'has 300002 arrays and objects; 8000 are the most'],
    [`[${'{"a":1},'.repeat(9_000)}x]`, 'has 9001 arrays and objects; 8000 are the most'],
    [`[${'1,'.repeat(500_000)}1]`, 'has 500000 commas; 120000 are the most']
  ]
  for (const [text, message] of refusals) t.throws(() => parseJson(text), refused(`body ${message}`))
  const typing = { Press: Array(1000).fill(1), Release: Array(1000).fill(2) }
  t.doesNotThrow(
    () => parseJson(JSON.stringify({ Typings: Array(50).fill(typing) })),
    'the largest enrollment'
  )
  const features = Object.fromEntries(['HT', 'PPT', 'RRT', 'RPT'].map((name) => [name, { Mean: 1, STD: 2 }]))
  t.doesNotThrow(
    () => parseJson(JSON.stringify(Array(1000).fill({ Model: 'RF', ...features }))),
    'the largest batch'
  )
})

t.test('the first fault ends the scan', async (t) => {
  t.throws(() => parseJson('{"a":1,"a":2,"b":3,"b":4}'), refused('body has the key "a" twice in one object'))
  t.throws(
    () => parseJson('{"x":"a:","\\"{":"\\"", "a" : ":a", "a"\n:2}'),
    refused('body has the key "a" twice in one object')
  )
  t.throws(() => parseJson('[1,\n x, y'), refused('body is not JSON: see line 2, column 2'))
})
