import { gzipSync } from 'node:zlib'
import t from 'tap'
import { CLASSIFIER_NAMES } from '../../src/schemas/predict.ts'
import { type FixtureName, features, oracle, REQUEST, readyApp, withoutChallenge } from '../fixtures.ts'

const app = await readyApp()
t.teardown(() => app.close())

function post(payload: string | object, contentType = 'application/json', url = '/predict') {
  return app.inject({ method: 'POST', url, payload, headers: { 'content-type': contentType } })
}

t.test('the challenge’s sample is answered with UserID and Model, by each model', async (t) => {
  for (const Model of CLASSIFIER_NAMES) {
    const response = await post({ ...REQUEST, Model })
    t.equal(response.statusCode, 200)
    t.match(response.headers['content-type'], 'application/json')
    t.same(Object.keys(response.json()), ['UserID', 'Model'])
    t.match(response.json(), { UserID: Number, Model })
  }
})

t.test('?top adds candidates, best first', async (t) => {
  const answer = (await post(REQUEST, undefined, '/predict?top=3')).json()
  t.equal(answer.Candidates.length, 3)
  t.equal(answer.Candidates[0].UserID, answer.UserID)
  const scores = answer.Candidates.map(({ Score }: { Score: number }) => Score)
  t.same(
    scores,
    [...scores].sort((a, b) => b - a)
  )
})

for (const name of ['sample', 'challenge'] as FixtureName[]) {
  t.test(
    `the rows of the ${name}, posted to a server that listens, get Python’s predictions`,
    { skip: name === 'challenge' && withoutChallenge },
    async (t) => {
      const listening = await readyApp(name)
      t.teardown(() => listening.close())
      const address = await listening.listen({ host: '127.0.0.1', port: 0 })
      const python = oracle(name)
      for (const Model of CLASSIFIER_NAMES) {
        const found: unknown[] = []
        for (const row of python.features.keys()) {
          const response = await fetch(`${address}/predict`, {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify({ Model, ...features(python, row) })
          })
          found.push(((await response.json()) as { UserID: unknown }).UserID)
        }
        t.same(found, python.users[Model], Model)
      }
    }
  )
}

t.test('bad input is refused with the field and the reason, and the service stays up', async (t) => {
  const { HT: _, ...withoutHT } = REQUEST
  const HT = (value: string) => JSON.stringify(REQUEST).replace('"Mean":48.43', `"Mean":${value}`)
  const refusals: [what: string, body: string | Buffer | object, code: string, message: string | RegExp][] = [
    ['missing field', withoutHT, 'FST_ERR_VALIDATION', 'body.HT is missing'],
    ['missing statistic', { ...REQUEST, HT: { Mean: 1 } }, 'FST_ERR_VALIDATION', 'body.HT.STD is missing'],
    ['missing model', { ...REQUEST, Model: undefined }, 'FST_ERR_VALIDATION', 'body.Model is missing'],
    ['extra field', { ...REQUEST, Extra: 1 }, 'FST_ERR_VALIDATION', 'body.Extra is not a known field'],
    [
      'extra statistic',
      { ...REQUEST, HT: { Mean: 1, STD: 1, Max: 2 } },
      'FST_ERR_VALIDATION',
      'body.HT.Max is not a known field'
    ],
    ['null', HT('null'), 'FST_ERR_VALIDATION', 'body.HT.Mean must be a finite number'],
    ['number in a string', HT('"48.43"'), 'FST_ERR_VALIDATION', 'body.HT.Mean must be a finite number'],
    ['boolean', HT('true'), 'FST_ERR_VALIDATION', 'body.HT.Mean must be a finite number'],
    ['array', HT('[48.43]'), 'FST_ERR_VALIDATION', 'body.HT.Mean must be a finite number'],
    ['1e400', HT('1e400'), 'FST_ERR_VALIDATION', 'body.HT.Mean must be a finite number'],
    ['beyond float32', HT('3.5e38'), 'FST_ERR_VALIDATION', 'body.HT.Mean must fit a float32'],
    [
      'below float32',
      { ...REQUEST, RPT: { Mean: -3.5e38, STD: 1 } },
      'FST_ERR_VALIDATION',
      'body.RPT.Mean must fit a float32'
    ],
    ['negative hold time', HT('-1'), 'FST_ERR_VALIDATION', 'body.HT.Mean must be >= 0'],
    [
      'negative STD',
      { ...REQUEST, PPT: { Mean: 1, STD: -0.1 } },
      'FST_ERR_VALIDATION',
      'body.PPT.STD must be >= 0'
    ],
    ['NaN', HT('NaN'), 'KS_ERR_JSON_INVALID', /^body is not JSON/],
    ['Infinity', HT('Infinity'), 'KS_ERR_JSON_INVALID', /^body is not JSON/],
    [
      'unknown model',
      { ...REQUEST, Model: 'KNN' },
      'FST_ERR_VALIDATION',
      'body.Model must be one of SVM, RF, XGB'
    ],
    [
      'model in the wrong case',
      { ...REQUEST, Model: 'rf' },
      'FST_ERR_VALIDATION',
      'body.Model must be one of SVM, RF, XGB'
    ],
    ['model as a list', { ...REQUEST, Model: ['RF'] }, 'FST_ERR_VALIDATION', /^body\.Model must be one of/],
    [
      'field in the wrong case',
      JSON.stringify(REQUEST).replace('"HT"', '"ht"'),
      'FST_ERR_VALIDATION',
      /^body\.(HT is missing|ht is not a known field)$/
    ],
    ['empty body', '', 'KS_ERR_JSON_INVALID', 'body is empty; a JSON document was expected'],
    ['not JSON', 'Model=RF', 'KS_ERR_JSON_INVALID', /^body is not JSON/],
    [
      'cut off',
      JSON.stringify(REQUEST).slice(0, 50),
      'KS_ERR_JSON_INVALID',
      'body is not JSON: it ends early'
    ],
    [
      'a word too many',
      `${JSON.stringify(REQUEST)}\n  no`,
      'KS_ERR_JSON_INVALID',
      'body is not JSON: see line 2, column 3'
    ],
    [
      'UTF-16',
      Buffer.from(JSON.stringify(REQUEST), 'utf16le'),
      'KS_ERR_JSON_INVALID',
      'body is not JSON: it is UTF-16; save it as UTF-8'
    ],
    [
      'compressed without a word',
      gzipSync(JSON.stringify(REQUEST)),
      'KS_ERR_JSON_INVALID',
      'body is not JSON: it is compressed with gzip; send it uncompressed'
    ],
    [
      'a field with a name of 6,000 letters',
      { ...REQUEST, ['x'.repeat(6_000)]: 1 },
      'FST_ERR_VALIDATION',
      `body.${'x'.repeat(60)}… is not a known field`
    ],
    [
      'a duplicate key of 6,000 letters',
      `{"${'x'.repeat(6_000)}":1,"${'x'.repeat(6_000)}":1}`,
      'KS_ERR_JSON_INVALID',
      `body has the key "${'x'.repeat(60)}…" twice in one object`
    ],
    ['an array', '[]', 'FST_ERR_VALIDATION', 'body must be an object'],
    ['a number', '3', 'FST_ERR_VALIDATION', 'body must be an object'],
    ['null alone', 'null', 'FST_ERR_VALIDATION', 'body must be an object'],
    [
      'deep nesting',
      `${'['.repeat(8_000)}${']'.repeat(8_000)}`,
      'KS_ERR_JSON_INVALID',
      'body nests more than 16 levels deep'
    ],
    [
      'duplicate key',
      JSON.stringify(REQUEST).replace('{', '{"Model":"SVM",'),
      'KS_ERR_JSON_INVALID',
      'body has the key "Model" twice in one object'
    ],
    [
      '__proto__',
      JSON.stringify(REQUEST).replace('{', '{"__proto__":{"Model":"RF"},'),
      'KS_ERR_JSON_INVALID',
      'body has the key "__proto__", which is not allowed'
    ],
    [
      'constructor',
      JSON.stringify(REQUEST).replace('{', '{"constructor":{"prototype":{}},'),
      'FST_ERR_VALIDATION',
      'body.constructor is not a known field'
    ]
  ]
  for (const [what, body, code, message] of refusals) {
    const response = await post(body)
    t.match(response.json(), { statusCode: 400, code, error: 'Bad Request', message }, what)
    t.equal(response.statusCode, 400, what)
    t.same(Object.keys(response.json()), ['statusCode', 'code', 'error', 'message', 'requestID'], what)
  }
  t.equal((await post(REQUEST)).statusCode, 200, 'and good input is answered as before')
})

t.test('a wrong content type is 415, a body over the limit 413', async (t) => {
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'text/csv', 'application/xml']) {
    t.match((await post(JSON.stringify(REQUEST), type)).json(), {
      statusCode: 415,
      code: 'FST_ERR_CTP_INVALID_MEDIA_TYPE',
      message: `content-type "${type}" is not supported; send application/json`
    })
  }
  t.equal((await post('a', 'text/plain')).headers.accept, 'application/json')
  t.match((await post('a', 'text/plain', '/predict/batch')).json(), {
    message: 'content-type "text/plain" is not supported; send application/json or text/csv'
  })
  t.match((await post(`"${'x'.repeat(2 ** 20)}"`)).json(), {
    statusCode: 413,
    code: 'FST_ERR_CTP_BODY_TOO_LARGE'
  })
})

t.test('a bad query is refused', async (t) => {
  const refusals = [
    ['top=0', 'querystring.top must be >= 1'],
    ['top=1.5', 'querystring.top must be an integer'],
    ['top=many', 'querystring.top must be an integer'],
    ['top=', 'querystring.top must be an integer'],
    ['top=1001', 'querystring.top must be <= 1000'],
    ['top=1&top=2', 'querystring.top must be an integer'],
    ...['-Infinity', 'Infinity', '-1e999', '1e999', 'NaN', '0x10', '1e1', '%205', '+5', 'true', 'null'].map(
      (top) => [`top=${top}`, 'querystring.top must be an integer'] as const
    ),
    ['top=-1', 'querystring.top must be >= 1'],
    [`top=${'9'.repeat(400)}`, 'querystring.top must be'],
    ['top[]=1', 'querystring.top[] is not a known field'],
    ['__proto__=1', 'querystring.__proto__ is not a known field'],
    ['best=1', 'querystring.best is not a known field']
  ] as const
  for (const [query, message] of refusals) {
    t.match((await post(REQUEST, undefined, `/predict?${query}`)).json(), { statusCode: 400, message }, query)
  }
})

t.test('a byte order mark before JSON is taken', async (t) => {
  t.equal((await post(`\ufeff${JSON.stringify(REQUEST)}`)).statusCode, 200)
})

t.test('a body that is compressed, or not UTF-8, is 415 and named', async (t) => {
  const body = JSON.stringify(REQUEST)
  const send = (headers: Record<string, string>, payload: string | Buffer = body) =>
    app.inject({ method: 'POST', url: '/predict', payload, headers })
  for (const coding of ['gzip', 'br', 'deflate', 'gzip, br']) {
    const response = await send(
      { 'content-type': 'application/json', 'content-encoding': coding },
      gzipSync(body)
    )
    t.same(response.json(), {
      statusCode: 415,
      code: 'KS_ERR_CONTENT_ENCODING',
      error: 'Unsupported Media Type',
      message: `content-encoding "${coding}" is not supported; send the body uncompressed`,
      requestID: response.headers['x-request-id']
    })
    t.equal(response.headers['accept-encoding'], 'identity')
  }
  for (const type of ['application/json; charset=utf-16', 'application/json;Charset="UTF-16LE"']) {
    t.match((await send({ 'content-type': type })).json(), { statusCode: 415, code: 'KS_ERR_CHARSET' }, type)
  }
  for (const type of [
    'application/json; charset=utf-8',
    'Application/JSON;charset="UTF-8"',
    'application/json ;a=b'
  ]) {
    t.equal((await send({ 'content-type': type, 'content-encoding': 'identity' })).statusCode, 200, type)
  }
})
