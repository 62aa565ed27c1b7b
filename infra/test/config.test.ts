import t from 'tap'
import { ConfigSchema, checkConfig, checkRelease, loadConfig } from '../config.ts'
import { ADMIN_KEYS_ARN, API_KEYS_ARN, CERTIFICATE, DIGEST } from './cdk/synth.ts'

t.test('the settings that are committed fit', async (t) => {
  await t.resolves(loadConfig())
})

t.test(
  'every knob says in a sentence what it does, and has a default unless it may be left out',
  async (t) => {
    for (const [name, knob] of Object.entries(ConfigSchema.properties)) {
      t.ok('description' in knob && String(knob.description).length > 20, name)
      t.ok('default' in knob || !ConfigSchema.required.includes(name as never), name)
    }
  }
)

const wrong: [what: string, settings: object, said: RegExp][] = [
  ['a setting that there is not', { minTask: 3 }, /there is no setting minTask\./],
  ['a number in words', { minTasks: '3' }, /minTasks must be integer/],
  ['a single task', { minTasks: 1 }, /minTasks must be >= 2, so that a zone can fail/],
  ['a size that there is not', { size: 'tiny' }, /size .*: standard, small/],
  ['a single zone', { zones: ['eu-west-1a'] }, /zones must not have fewer than 2/],
  ['less at most than at least', { minTasks: 5, maxTasks: 3 }, /maxTasks \(3\) must not be less than/],
  ['CPU that Fargate has not', { cpu: 300 }, /cpu must be one of 256, 512, 1024, 2048/],
  ['memory that does not go with it', { cpu: 256, memory: 4096 }, /memory must be one of 512, 1024, 2048/],
  ['a certificate without its host name', { certificateArn: CERTIFICATE.certificateArn }, /go together/],
  ['a host name without a certificate', { domainName: 'keys.example.com' }, /go together/],
  ['a severity that there is not', { scanStopsAt: 'BAD' }, /scanStopsAt .*: CRITICAL, HIGH, MEDIUM, LOW/],
  ['a drain longer than Fargate waits', { drainSeconds: 110 }, /drainSeconds must be <= 100/],
  ['a name that AWS would not take', { name: 'Key_Stroke' }, /name must match pattern/]
]
for (const [what, settings, said] of wrong) {
  t.test(`${what} is refused before anything is deployed, by name`, async (t) => {
    t.throws(() => checkConfig(settings), { message: said })
  })
}

t.test('small is a size of its own, and every setting of it can be changed', async (t) => {
  t.match(checkConfig({ size: 'small' }), {
    architecture: 'ARM64',
    cpu: 256,
    memory: 512,
    minTasks: 1,
    maxTasks: 2
  })
  t.match(checkConfig({ size: 'small', architecture: 'X86_64', memory: 1024 }), {
    architecture: 'X86_64',
    cpu: 256,
    memory: 1024
  })
  t.match(checkConfig({}), { size: 'standard', architecture: 'X86_64', cpu: 512, minTasks: 2 })
})

t.test('several faults are reported at once', async (t) => {
  t.throws(() => checkConfig({ cpu: 'a', memory: 'b' }), { message: /cpu must be .*; memory must be / })
})

t.test('an image by tag, or a secret by name, is refused: neither says which', async (t) => {
  const release = {
    imageDigest: DIGEST,
    previousImageDigest: undefined,
    apiKeysArn: API_KEYS_ARN,
    adminKeysArn: ADMIN_KEYS_ARN
  }
  t.equal(checkRelease(release), release)
  t.throws(() => checkRelease({ ...release, imageDigest: 'latest' }), { message: /imageDigest must be/ })
  t.throws(() => checkRelease({ ...release, previousImageDigest: 'v1' }), { message: /previousImageDigest/ })
  t.throws(() => checkRelease({ ...release, apiKeysArn: 'keystroke/api-keys' }), { message: /apiKeysArn/ })
  t.throws(() => checkRelease({ ...release, adminKeysArn: '' }), { message: /adminKeysArn/ })
})
