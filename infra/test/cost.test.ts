import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { checkConfig } from '../config.ts'
import { costTable, monthlyCost } from '../cost.ts'

t.test('the guide’s table is the one that the script makes of the defaults', async (t) => {
  const guide = await readFile(join(import.meta.dirname, '..', '..', 'docs', 'deployment.md'), 'utf8')
  t.ok(guide.includes(`<!-- npx tsx infra/cost.ts -->\n${costTable(checkConfig({}))}\n<!-- end -->`))
})

t.test('two tasks of half a vCPU and 1 GB cost what the price list says', async (t) => {
  // 2 x (0.5 x 0.04048 + 1 x 0.004445) x 730, by hand.
  t.equal(monthlyCost(checkConfig({}))[0]![1].toFixed(2), '36.04')
})
