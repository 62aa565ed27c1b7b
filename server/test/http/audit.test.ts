import { createHash, createHmac } from 'node:crypto'
import t from 'tap'
import { oracle, readyApp, typing } from '../fixtures.ts'

const SECRET = 'a secret of the deployment'
const python = oracle('sample')
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const hashOf = (user: string) => createHmac('sha256', SECRET).update(user).digest('hex').slice(0, 16)

t.test('claims, enrollments, deletions and refusals are a line each, and name nobody', async (t) => {
  const lines: string[] = []
  const app = await readyApp('sample', {
    auditSecret: SECRET,
    keyHashes: { ask: [sha256('calling')], administer: [sha256('admin')] },
    // The audit is written all the same.
    logger: { level: 'warn', stream: { write: (line: string) => void lines.push(line) } }
  })
  t.teardown(() => app.close())
  const ask = (method: 'POST' | 'PUT' | 'DELETE' | 'GET', url: string, key?: string, payload?: object) =>
    app.inject({ method, url, ...(payload && { payload }), ...(key && { headers: { 'x-api-key': key } }) })

  // The first user's typings are rows 0 to 7.
  const Typings = [0, 1, 2].map((row) => typing(python, row))
  await ask('PUT', '/users/grace', 'admin', { Typings })
  await ask('POST', '/verify', 'calling', { UserID: python.classes[1], Typings: [typing(python, 8)] })
  await ask('POST', '/verify', 'calling', { UserID: 'grace', Typings: [typing(python, 80)] })
  await ask('POST', '/verify', 'calling', { UserID: python.classes[0], Typings: [typing(python, 80)] })
  await ask('POST', '/verify', 'calling', { UserID: 'nobody', Typings: [typing(python, 80)] })
  await ask('POST', '/identify', 'calling', { Typings: [typing(python, 3)] })
  await ask('POST', '/identify', 'guessed', { Typings: [typing(python, 3)] })
  await ask('DELETE', '/users/grace', 'calling')
  await ask('DELETE', '/users/grace/pause', 'admin')
  await ask('DELETE', '/users/grace', 'admin')
  await ask('GET', '/users/export', 'admin')

  const audit = lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'audit')
  const grace = hashOf('grace')
  t.match(audit[0], { id: String, ip: '127.0.0.1' })
  t.strictSame(
    audit.map(({ call, user, outcome }) => [call, user, outcome]),
    [
      ['enroll', grace, 'done'],
      ['verify', hashOf(String(python.classes[1])), 'match'],
      ['verify', grace, 'no match'],
      ['verify', hashOf(String(python.classes[0])), 'no match'],
      ['verify', hashOf('nobody'), 'KS_ERR_USER_UNKNOWN'],
      ['identify', undefined, 'KS_ERR_IDENTIFY_KEY'],
      ['identify', undefined, 'KS_ERR_API_KEY'],
      ['deleteUser', grace, 'KS_ERR_ADMIN_KEY'],
      ['liftPause', grace, 'done'],
      ['deleteUser', grace, 'done'],
      ['exportUsers', undefined, 'done']
    ]
  )
  t.notMatch(lines.join(''), /grace|nobody|Press|calling|guessed/, 'neither users nor typings nor keys')
})

t.test('without a secret each process has its own, and a silent log stays silent', async (t) => {
  const audit = async (level: string) => {
    const lines: { user?: string }[] = []
    const stream = { write: (line: string) => void lines.push(JSON.parse(line)) }
    const app = await readyApp('sample', { logger: { level, stream } })
    await app.inject({ method: 'DELETE', url: '/users/grace' })
    await app.close()
    return lines.map(({ user }) => user)
  }
  const [[first], [second]] = [await audit('error'), await audit('error')]
  t.match(first, /^[0-9a-f]{16}$/)
  t.match(second, /^[0-9a-f]{16}$/)
  t.not(first, second)
  t.same(await audit('silent'), [])
})
