import { gzipSync } from 'node:zlib'
import t from 'tap'
import { CLASSIFIER_NAMES } from '../../src/schemas/predict.ts'
import { csv, type FixtureName, features, oracle, REQUEST, readyApp, withoutChallenge } from '../fixtures.ts'

const app = await readyApp()
const address = await app.listen({ host: '127.0.0.1', port: 0 })
t.teardown(() => app.close())

function postJson(payload: string | object, query = '') {
  return app.inject({
    method: 'POST',
    url: `/predict/batch${query}`,
    payload,
    headers: { 'content-type': 'application/json' }
  })
}

async function postCsv(body: string | Buffer, query = '?Model=RF', from = address) {
  const response = await fetch(`${from}/predict/batch${query}`, {
    method: 'POST',
    headers: { 'content-type': 'text/csv' },
    body: typeof body === 'string' ? body : new Uint8Array(body)
  })
  return { status: response.status, type: response.headers.get('content-type'), text: await response.text() }
}

const lines = csv('sample').toString().trimEnd().split('\n')
const header = lines[0]!
const rows = lines.slice(1)

t.test('a JSON array is answered in its order, each request by its own model', async (t) => {
  const python = oracle('sample')
  const requests = Array.from({ length: 300 }, (_, row) => ({
    Model: CLASSIFIER_NAMES[row % 3]!,
    ...features(python, row)
  }))
  const response = await postJson(requests)
  t.equal(response.statusCode, 200)
  t.same(
    response.json(),
    requests.map(({ Model }, row) => ({ UserID: python.users[Model][row], Model }))
  )
  t.equal((await postJson([REQUEST], '?top=2')).json()[0].Candidates.length, 2)
})

t.test('candidates of a batch are limited in all', async (t) => {
  const { length: users } = oracle('sample').classes
  const most = Math.floor(20_000 / users)
  const requests = (count: number) => Array(count).fill(REQUEST)
  const all = (await postJson(requests(most), '?top=1000')).json()
  t.equal(all.length, most)
  t.equal(all[0].Candidates.length, users)
  t.match((await postJson(requests(most + 1), '?top=1000')).json(), {
    statusCode: 400,
    code: 'KS_ERR_BATCH_TOP',
    message: `querystring.top: 1000 candidates of each of ${most + 1} requests are more than 20000 in all; ask for fewer, or in several batches`
  })
})

t.test('one bad request among good ones is named by index, and none is answered', async (t) => {
  const bad = [REQUEST, REQUEST, { ...REQUEST, HT: { Mean: 'x', STD: 1 } }, REQUEST]
  const response = await postJson(bad)
  t.same(response.json(), {
    statusCode: 400,
    code: 'FST_ERR_VALIDATION',
    error: 'Bad Request',
    message: 'body[2].HT.Mean must be a finite number',
    requestID: response.headers['x-request-id']
  })
  t.match((await postJson([])).json(), { message: 'body needs at least one item' })
  t.match((await postJson(Array(1001).fill(REQUEST))).json(), {
    message: 'body takes at most 1000 items'
  })
  t.match((await postJson(REQUEST)).json(), { message: 'body must be an array' })
  t.match((await postJson([REQUEST, { ...REQUEST, Model: 'SVM' }], '?Model=RF')).json(), {
    code: 'KS_ERR_BATCH_MODEL',
    message: 'querystring.Model is RF and body[1].Model SVM; leave one out'
  })
  t.match((await postJson([REQUEST], '?Model=typing')).json(), {
    code: 'KS_ERR_BATCH_MODEL',
    message: 'querystring.Model is typing, which reads a CSV; send text/csv'
  })
})

for (const name of ['sample', 'challenge'] as FixtureName[]) {
  t.test(
    `the CSV of the ${name} gets, from raw typings, the predictions of Python’s models`,
    { skip: name === 'challenge' && withoutChallenge },
    async (t) => {
      const own = name === 'sample' ? app : await readyApp(name)
      const from = name === 'sample' ? address : await own.listen({ host: '127.0.0.1', port: 0 })
      if (own !== app) t.teardown(() => own.close())
      const python = oracle(name)
      for (const Model of [...CLASSIFIER_NAMES, 'typing'] as const) {
        const { status, type, text } = await postCsv(csv(name), `?Model=${Model}`, from)
        t.equal(status, 200)
        t.equal(type, 'text/csv; charset=utf-8')
        const users = Model === 'typing' ? python.typingModelUsers : python.users[Model]
        const expected = users.map((user, row) => `${row + 2},${python.true[row]},${user},`)
        t.same(text.trimEnd().split('\n'), ['Line,User,UserID,Error', ...expected], Model)
      }
    }
  )
}

t.test('a request with neither content type nor body is 415, and says what to send', async (t) => {
  for (const headers of [{}, { 'content-length': '0' }, { 'content-type': '' }]) {
    const response = await app.inject({ method: 'POST', url: '/predict/batch', headers })
    t.match(response.json(), { statusCode: 415, code: 'FST_ERR_CTP_INVALID_MEDIA_TYPE' })
    t.match(response.json().message, /send application\/json or text\/csv$/)
    t.equal(response.headers.accept, 'application/json, text/csv')
  }
})

t.test(
  'a JSON array may name its model in the query too, where all its requests name that one',
  async (t) => {
    t.equal((await postJson([REQUEST], '?Model=RF')).statusCode, 200)
  }
)

t.test('the column user may be left out', async (t) => {
  const anonymous = lines.slice(0, 4).map((line) => line.slice(line.indexOf(',') + 1))
  const python = oracle('sample')
  const { text } = await postCsv(anonymous.join('\n'))
  t.equal(
    text,
    ['Line,UserID,Error', ...[0, 1, 2].map((row) => `${row + 2},${python.users.RF[row]},`), ''].join('\n')
  )
})

t.test('byte order mark, CRLF, quotes, blank lines and a missing last line end are read', async (t) => {
  const python = oracle('sample')
  const answer = (numbers: number[]) =>
    ['Line,User,UserID,Error', ...numbers.map((line, row) => `${line},1,${python.users.RF[row]},`), ''].join(
      '\n'
    )
  const three = lines.slice(0, 4)
  t.equal((await postCsv(`\ufeff${three.join('\n')}`)).text, answer([2, 3, 4]), 'byte order mark')
  t.equal((await postCsv(`${three.join('\r\n')}\r\n`)).text, answer([2, 3, 4]), 'CRLF')
  t.equal(
    (await postCsv(`${three[0]}\r\n${three.slice(1).join('\n')}`)).text,
    answer([2, 3, 4]),
    'both line ends'
  )
  t.equal(
    (await postCsv(three.map((line) => line.replace(/[^,]+/g, '"$&"')).join('\n'))).text,
    answer([2, 3, 4])
  )
  t.equal(
    (await postCsv(`${three[0]}\n\n${three.slice(1).join('\n\n')}\n\n`)).text,
    answer([3, 5, 7]),
    'blank lines'
  )
})

t.test('a CSV that leaves nothing to answer is refused before the first row', async (t) => {
  const columns = header.split(',')
  const swapped = [columns[0], columns[2], columns[1], ...columns.slice(3)].join(',')
  const refusals: [what: string, body: string | Buffer, message: string | RegExp][] = [
    ['empty', '', 'the CSV is empty; a header comes first'],
    ['header only', `${header}\n`, 'the CSV has no row after its header'],
    ['no header', rows[0]!, /^line 1: looks like a typing; a header user,press-0,release-0,... comes first/],
    ['missing column', columns.slice(0, -1).join(','), /^line 1: column 27 should be release-12, is missing/],
    ['extra column', `${header},extra\n`, /^line 1: column 28, "extra", is one too many; .* 13 keys/],
    [
      'renamed column',
      header.replace('press-3', 'down-3'),
      /^line 1: column 8 should be press-3, is "down-3"/
    ],
    ['reordered columns', swapped, /^line 1: column 2 should be press-0, is "release-0"/],
    [
      'other K',
      'user,press-0,release-0\n1,0,1\n',
      /^line 1: column 4 should be press-1, is missing; .* 13 keys/
    ],
    ['semicolons', header.replaceAll(',', ';'), 'line 1: fields are separated by semicolons; use commas'],
    [
      'UTF-16',
      Buffer.from([0xff, 0xfe, 0x75, 0x00]),
      'the file is not a CSV: it is UTF-16; save it as UTF-8'
    ],
    ['not UTF-8', Buffer.from([0xe9, 0x75]), /^line 1: column 1 should be press-0/],
    ['gzip', gzipSync(csv('sample')), /compressed with gzip; send it uncompressed/]
  ]
  for (const [what, body, message] of refusals) {
    const { status, text } = await postCsv(body)
    t.equal(status, 400, what)
    t.match(JSON.parse(text), { statusCode: 400, code: 'KS_ERR_CSV_INVALID', message }, what)
  }
  t.match(JSON.parse((await postCsv(`${header}\n${rows[0]}`, '')).text), {
    code: 'KS_ERR_BATCH_MODEL',
    message: 'querystring.Model is missing; a CSV needs one of typing, SVM, RF, XGB'
  })
  t.match(JSON.parse((await postCsv(`${header}\n${rows[0]}`, '?Model=rf')).text), {
    message: 'querystring.Model must be one of typing, SVM, RF, XGB'
  })
})

t.test('an invalid row gets an error with line and column; the rest are answered', async (t) => {
  const good = rows[0]!
  const fields = good.split(',')
  const withField = (column: number, value: string) =>
    fields.map((f, i) => (i === column ? value : f)).join(',')
  const faults: [what: string, row: string | Buffer, error: RegExp][] = [
    ['too short', fields.slice(0, 20).join(','), /^column release-9: missing; the row has 20 of 27 fields/],
    ['too long', `${good},1`, /^column 28: one too many; the header has 27/],
    ['text in a number', withField(4, 'abc'), /^column release-1: ""abc"" is not a whole number of ms/],
    ['a fraction', withField(4, '1.5'), /^column release-1: ""1\.5"" is not a whole number/],
    ['an exponent', withField(4, '1e3'), /not a whole number/],
    ['a blank', withField(4, ' 95'), /not a whole number/],
    ['empty', withField(4, ''), /not a whole number/],
    ['negative', withField(1, '-1'), /^column press-0: ""-1"" is not a whole number/],
    ['beyond 2^53', withField(26, '9007199254740992'), /^column release-12: /],
    ['release before press', withField(26, '1'), /^column release-12: 1 is before its press, /],
    ['presses out of order', withField(3, '9999999'), /^column release-1: \d+ is before its press, 9999999/],
    ['a stray quote', withField(4, '9"5'), /not a whole number/],
    ['a field in half a quote', withField(4, '"9"5'), /not a whole number/],
    ['not UTF-8', Buffer.concat([Buffer.from([0xff]), Buffer.from(good)]), /^column user: not UTF-8/]
  ]
  const body = Buffer.concat(
    [header, good, ...faults.flatMap(([, row]) => [row, good])].map((line) =>
      Buffer.concat([Buffer.from(line as string), Buffer.from('\n')])
    )
  )
  const { status, text } = await postCsv(body)
  t.equal(status, 200)
  const answers = text.trimEnd().split('\n').slice(1)
  t.equal(answers.length, 1 + 2 * faults.length)
  const named = oracle('sample').users.RF[0]
  t.equal(answers[0], `2,1,${named},`)
  for (const [i, [what, , error]] of faults.entries()) {
    const [bad, after] = [answers[1 + 2 * i]!, answers[2 + 2 * i]!]
    const [, line, quoted] = /^(\d+),[^,]*,,(.*)$/.exec(bad) ?? []
    t.equal(line, String(3 + 2 * i), what)
    t.match(quoted!.replace(/^"|"$/g, ''), error, what)
    t.equal(after, `${4 + 2 * i},1,${named},`, `the row after: ${what}`)
  }
})

t.test('a quote that is never closed is reported where reading stopped', async (t) => {
  const lost = `${header}\n${rows[0]}\n"${rows[1]}\n${rows.slice(2).join('\n')}\n`
  const answers = (await postCsv(lost)).text.trimEnd().split('\n')
  t.equal(answers.length, 3)
  t.match(
    answers[2],
    /^3,.*a quote is opened and never closed(?:, as a row is longer than 65536 bytes)?; reading stopped here, rows that follow have no answer/
  )
})
