/** What others' rules say of the templates: cdk-nag here; cfn-lint and checkov where they are installed. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Validations } from 'aws-cdk-lib'
import { AwsSolutionsChecks } from 'cdk-nag'
import t from 'tap'
import { buildStacks } from '../../cdk/stack.ts'
import { type Config, checkConfig } from '../../config.ts'
import { CFN_LINT, CHECKOV } from './python.ts'
import { ADMIN_KEYS_ARN, API_KEYS_ARN, CERTIFICATE, DIGEST, newApp } from './synth.ts'

const CDK = join(import.meta.dirname, '..', '..', 'cdk')

const VARIANTS: [name: string, settings: Partial<Config>][] = [
  ['as it is', {}],
  ['small', { size: 'small' }],
  ['with everything on', { ...CERTIFICATE, firewall: true, alarmEmail: 'who@example.com' }]
]

function app(settings: Partial<Config>) {
  const app = newApp()
  const stacks = buildStacks(app, {
    config: checkConfig(settings),
    region: 'eu-west-1',
    release: {
      imageDigest: DIGEST,
      previousImageDigest: undefined,
      apiKeysArn: API_KEYS_ARN,
      adminKeysArn: ADMIN_KEYS_ARN
    }
  })
  return { app, ...stacks }
}

for (const [name, settings] of VARIANTS) {
  t.test(`cdk-nag finds nothing that is not accepted with a reason, ${name}`, async (t) => {
    const { app: built } = app(settings)
    Validations.of(built).addPlugins(new AwsSolutionsChecks(built))
    t.doesNotThrow(() => built.synth())
    t.equal(process.exitCode ?? 0, 0)
  })

  const missing = [CFN_LINT, CHECKOV].filter((tool) => !existsSync(tool))
  const skip = missing.length > 0 && `not here: ${missing.join(', ')}; npm run test:infra installs them`
  t.test(
    `cfn-lint and checkov find nothing that is not accepted with a reason, ${name}`,
    { skip },
    async (t) => {
      const folder = await mkdtemp(join(tmpdir(), 'keystroke-templates-'))
      t.teardown(() => rm(folder, { recursive: true, force: true }))
      const assembly = app(settings).app.synth()
      for (const { stackName, template } of assembly.stacks) {
        await writeFile(join(folder, `${stackName}.json`), JSON.stringify(template, undefined, 1))
      }
      const templates = (await readdir(folder)).map((file) => join(folder, file))
      t.equal(templates.length, 4)
      const lint = spawnSync(CFN_LINT, templates, { encoding: 'utf8' })
      t.equal(lint.status, 0, lint.stdout)
      const options = ['--framework', 'cloudformation', '--skip-download', '--compact', '--quiet']
      const scan = spawnSync(CHECKOV, [...options, '-d', folder], { encoding: 'utf8' })
      t.equal(scan.status, 0, scan.stdout)
      t.match(scan.stdout, /Passed checks: [1-9]\d+, Failed checks: 0/)
    }
  )
}

t.test('whatever is accepted says why', async (t) => {
  let accepted = 0
  for (const file of (await readdir(CDK)).filter((name) => name.endsWith('.ts'))) {
    const source = await readFile(join(CDK, file), 'utf8')
    for (const [, reason] of source.matchAll(/accept\(\s*\S+,\s*'([^']*)'/g)) {
      t.ok(reason!.length > 20, `${file}: ${reason}`)
      accepted++
    }
  }
  t.ok(accepted > 0)
})
