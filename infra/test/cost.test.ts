import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { checkConfig } from '../config.ts'
import { costTable, monthlyCost, totalCost } from '../cost.ts'

const guide = await readFile(join(import.meta.dirname, '..', '..', 'docs', 'deployment.md'), 'utf8')

t.test('the guide’s tables are those that the script makes of the defaults', async (t) => {
  for (const size of ['standard', 'small'] as const) {
    const table = costTable(checkConfig({ size }))
    t.ok(guide.includes(`<!-- npx tsx infra/cost.ts ${size} -->\n${table}\n<!-- end -->`), size)
  }
})

t.test('the guide opens with what the two sizes cost, and small costs at most $38', async (t) => {
  const dollars = (settings: object) => Math.round(totalCost(checkConfig(settings)))
  const [opening] = guide.split('\n## ', 1)
  t.ok(totalCost(checkConfig({ size: 'small' })) <= 38)
  t.match(opening, `$${dollars({ size: 'small' })} a month`)
  t.match(opening, `$${dollars({})} a month`)
  t.match(opening, `$${dollars({ size: 'small', architecture: 'X86_64' })} on x86`)
})

t.test('capacity of the load balancer is billed by use', async (t) => {
  // One new connection a second is 1/25 of a unit: 0.04 x 0.008 x 730, by hand.
  const [, dollars] = monthlyCost(checkConfig({})).find(([part]) => part.startsWith('Its capacity'))!
  t.equal(dollars.toFixed(2), '0.23')
})

t.test('two tasks of half a vCPU and 1 GB cost what the price list says', async (t) => {
  // 2 x (0.5 x 0.04048 + 1 x 0.004445) x 730, by hand.
  t.equal(monthlyCost(checkConfig({}))[0]![1].toFixed(2), '36.04')
})
