import { type Test, test } from 'tap'
import { buildApp } from '../../src/app.ts'
import { addressOf } from '../../src/http/address.ts'

const at = (ip: string) =>
  addressOf({ ip, socket: { remoteAddress: '10.0.0.1' } } as Parameters<typeof addressOf>[0])

test('an address is taken without its port, and anything else is the peer’s', async (t) => {
  const found = {
    '203.0.113.10': '203.0.113.10',
    '203.0.113.10:50001': '203.0.113.10',
    '2001:db8::7': '2001:db8::7',
    '[2001:db8::7]': '2001:db8::7',
    '[2001:db8::7]:443': '2001:db8::7',
    unknown: '10.0.0.1',
    '_hidden:80': '10.0.0.1',
    '': '10.0.0.1'
  }
  for (const [ip, address] of Object.entries(found)) t.equal(at(ip), address, ip)
})

test('connections of one address behind a proxy are one caller', async (t: Test) => {
  const lines: string[] = []
  const app = await buildApp({
    models: new Promise(() => {}),
    trustedProxies: 1,
    callsPerMinute: 3,
    logger: { level: 'info', stream: { write: (line: string) => void lines.push(line) } }
  })
  t.teardown(() => app.close())
  const statuses: number[] = []
  for (let port = 50_001; port < 50_006; port++) {
    const headers = { 'x-forwarded-for': `203.0.113.10:${port}` }
    statuses.push((await app.inject({ url: '/models', headers })).statusCode)
  }
  t.same(statuses, [503, 503, 503, 429, 429])
  t.match(lines.join(''), '"ip":"203.0.113.10"')
  t.notMatch(lines.join(''), ':5000')
})
