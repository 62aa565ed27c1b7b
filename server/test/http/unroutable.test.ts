import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { type Test, test } from 'tap'
import { buildApp } from '../../src/app.ts'

async function listen(t: Test): Promise<{ port: number; lines: () => Record<string, unknown>[] }> {
  const lines: string[] = []
  const app = await buildApp({
    models: new Promise(() => {}),
    corsOrigins: ['https://good.example'],
    logger: { level: 'info', stream: { write: (line: string) => void lines.push(line) } }
  })
  t.teardown(() => app.close())
  await app.listen({ host: '127.0.0.1', port: 0 })
  return {
    port: (app.server.address() as AddressInfo).port,
    lines: () => lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'request')
  }
}

async function ask(port: number, request: string): Promise<{ head: string; body: Record<string, unknown> }> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  socket.write(request)
  const [head, body] = (await text(socket)).split('\r\n\r\n') as [string, string]
  return { head, body: JSON.parse(body) }
}

const HEADERS = 'Host: x\r\nOrigin: https://good.example\r\nConnection: close\r\n'

const REFUSALS: [what: string, request: string, statusCode: number, code: string, error: string][] = [
  [
    'a stray percent sign',
    `GET /users/%zz HTTP/1.1\r\n${HEADERS}\r\n`,
    400,
    'KS_ERR_URL_INVALID',
    'Bad Request'
  ],
  ['Latin-1', `GET /users/Jos%E9 HTTP/1.1\r\n${HEADERS}\r\n`, 400, 'KS_ERR_URL_INVALID', 'Bad Request'],
  [
    'an unknown Expect',
    `POST /features HTTP/1.1\r\n${HEADERS}Expect: nonsense\r\nContent-Length: 0\r\n\r\n`,
    417,
    'KS_ERR_EXPECTATION',
    'Expectation Failed'
  ],
  [
    'no Host',
    'GET /models HTTP/1.1\r\nOrigin: https://good.example\r\n\r\n',
    400,
    'KS_ERR_HOST',
    'Bad Request'
  ],
  [
    'If-Match of another version',
    `GET /recorder.js HTTP/1.1\r\n${HEADERS}If-Match: "0"\r\n\r\n`,
    412,
    'KS_ERR_PRECONDITION',
    'Precondition Failed'
  ],
  [
    'a range that is not there',
    `GET /recorder.js HTTP/1.1\r\n${HEADERS}Range: bytes=9999999-\r\n\r\n`,
    416,
    'KS_ERR_RANGE',
    'Range Not Satisfiable'
  ]
]

for (const [what, request, statusCode, code, error] of REFUSALS) {
  test(`${what} is answered in the documented form, with headers and a line in the log`, async (t) => {
    const { port, lines } = await listen(t)
    const { head, body } = await ask(port, request)
    const id = /^x-request-id: (.+)$/im.exec(head)?.[1]?.trim()
    t.match(head, new RegExp(`^HTTP/1.1 ${statusCode} `))
    t.match(head, /^x-content-type-options: nosniff/im, 'security headers')
    t.match(head, /^access-control-allow-origin: https:\/\/good\.example/im, 'CORS headers')
    t.strictSame(Object.keys(body), ['statusCode', 'code', 'error', 'message', 'requestID'])
    t.match(body, { statusCode, code, error, requestID: id })
    t.match(lines(), [{ id, status: statusCode, code }])
    t.notMatch(JSON.stringify(lines()), /Jos/, 'who it is about is not in the log')
  })
}

test('a long UserID is refused by name, and good requests pass as before', async (t) => {
  const { port } = await listen(t)
  const long = await ask(port, `GET /users/${'x'.repeat(3000)} HTTP/1.1\r\n${HEADERS}\r\n`)
  t.match(long.body, { statusCode: 503, code: 'KS_ERR_NOT_READY' }, 'as far as the models')
  const found = await ask(port, `GET /health/l%69ve?x=%zz HTTP/1.1\r\n${HEADERS}\r\n`)
  t.match(found.head, /^HTTP\/1\.1 200 /)
  const expected = await ask(
    port,
    `POST /features HTTP/1.1\r\n${HEADERS}Expect: 100-continue\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`
  ).catch(() => undefined)
  t.ok(expected === undefined || expected.body.statusCode === 400, 'Expect: 100-continue is known')
})
