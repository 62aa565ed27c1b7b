/**
 * `npm run test:deploy`: the deployment, end to end, against stand-ins on this machine, with the models that
 * the server's tests ask. It runs where moto, docker-registry, buildah and podman are, and says what is
 * missing where it does not.
 */

import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CreateBucketCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { GetSecretValueCommand } from '@aws-sdk/client-secrets-manager'
import t, { type Test } from 'tap'
import { missingBases, missingTools, withoutThese } from '../../../scripts/lib/containers.ts'
import { ended, nodeTool, ROOT } from '../../../scripts/lib/processes.ts'
import type { Typing } from '../../../server/src/schemas/typing.ts'
import { folder, oracle, prepareFixtures, typing } from '../../../server/test/fixtures.ts'
import { findEngine } from '../../deploy/image.ts'
import { MOTO } from '../cdk/python.ts'
import { deployedTemplate, imageDigestOf, type StandIns, startStandIns, taskOf } from './stand-ins.ts'

const STEPS = 9

const BUCKET = 'people-data'

/** Those that other programs do, and what lasts longer than a moment; they are interrupted at work. */
const LONG_STEPS = [2, 4, 5, 7]

t.setTimeout(3_600_000)

const missing = missingTools('buildah', 'podman', 'docker-registry')
if (!existsSync(MOTO)) missing.push(`${MOTO} (npm run test:deploy installs it)`)
// Docker keeps, and fetches, images of its own.
if (findEngine() !== 'docker') missing.push(...missingBases())
const skip = withoutThese(missing)

let project: string
let standIns: StandIns
if (!skip) {
  project = await makeProject()
  t.teardown(() => rm(project, { recursive: true, force: true }))
  standIns = await startStandIns(MOTO)
  t.teardown(() => standIns.stop())
}

/** A project of its own, for its models and settings change. */
async function makeProject(): Promise<string> {
  const project = await mkdtemp(join(tmpdir(), 'keystroke-deploy-'))
  const { stdout } = spawnSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: ROOT,
    encoding: 'utf8'
  })
  for (const file of stdout.split('\0').filter((name) => name !== '' && existsSync(join(ROOT, name)))) {
    await cp(join(ROOT, file), join(project, file))
  }
  await prepareFixtures()
  const models = folder('sample')
  await cp(models, join(project, 'models'), {
    recursive: true,
    filter: (path) => path === models || /manifest\.json$|\.onnx$/.test(path)
  })
  for (const installed of ['node_modules', '.venv'])
    await symlink(join(ROOT, installed), join(project, installed))
  return project
}

interface Run {
  readonly code: number
  readonly output: string
}
/** Run a command of the project; ended by force when it begins the step given. */
const command = async (
  script: 'deploy' | 'destroy' | 'models',
  args: string[] = [],
  { killAt, input = '', environment = {} }: { killAt?: number; input?: string; environment?: object } = {}
): Promise<Run> => {
  const child = spawn(nodeTool('tsx'), [`infra/deploy/${script}.ts`, ...args], {
    cwd: project,
    env: { ...process.env, ...standIns.environment, ...environment },
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true
  })
  child.stdin.end(input)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk
      process.stderr.write(chunk)
      // The engine numbers its own steps alike: [5/7].
      if (killAt === undefined || !chunk.includes(`[${killAt}/${STEPS}]`)) return
      setTimeout(
        () => child.exitCode === null && process.kill(-child.pid!, 'SIGKILL'),
        LONG_STEPS.includes(killAt) ? 1_000 : 0
      )
    })
  }
  const code = await ended(child)
  t.comment(
    `${script} ${args.join(' ')} ${killAt === undefined ? '' : `killed at step ${killAt} `}-> ${code}`
  )
  return { code, output }
}
// Each test goes on where the one before it ended, and cannot where that failed.
const inTurn = (name: string, test: (t: Test) => Promise<void>) =>
  t.test(name, { skip: skip || (!t.passing() && 'an earlier one failed') }, test)
const template = () => deployedTemplate(standIns.cloudFormation)
const tags = async () => {
  const answer = await fetch(`http://${standIns.registry}/v2/keystroke/tags/list`)
  return ((await answer.json()) as { tags: string[] }).tags
}
const keys = async (which = 'api-keys'): Promise<{ keys: string[]; sha256: string }> => {
  const secret = await standIns.secrets.send(new GetSecretValueCommand({ SecretId: `keystroke/${which}` }))
  return JSON.parse(secret.SecretString!)
}
/** Ask about the user ada; with typings, enroll her. */
const ada = async (Typings?: Typing[]): Promise<number> => {
  const response = await fetch(`${standIns.url}/users/ada`, {
    headers: {
      'x-api-key': (await keys('admin-keys')).keys[0]!,
      ...(Typings && { 'content-type': 'application/json' })
    },
    ...(Typings && { method: 'PUT', body: JSON.stringify({ Typings }) })
  })
  return response.status
}

await inTurn('a dry run on an empty account says what would be made, and makes nothing', async (t) => {
  const { code, output } = await command('deploy', ['--dry-run'])
  t.equal(code, 0)
  t.match(output, /would be made by the stack keystroke-repository/)
  t.match(output, /would be made by the stack keystroke-users/)
  t.match(output, /would be made by the stack keystroke-logs/)
  t.match(output, /would be made in the secret keystroke\/admin-keys/)
  t.match(output, /would be built, pushed and scanned/)
  await t.rejects(template(), { message: /does not exist/ })
  t.same(standIns.pushes, { manifests: 0, blobs: 0 })
})

let first = ''
await inTurn(
  'the first deployment makes everything, and the service names the UserID of the manifest',
  async (t) => {
    const { code, output } = await command('deploy')
    t.equal(code, 0)
    t.match(output, /SVM, RF, XGB, typing each name the UserID that the manifest does/)
    t.match(output, /curl http:\/\/.+\/predict/)
    const [tag, ...others] = await tags()
    t.same(others, [])
    const manifest = await fetch(`http://${standIns.registry}/v2/keystroke/manifests/${tag}`, {
      method: 'HEAD',
      headers: { accept: 'application/vnd.docker.distribution.manifest.v2+json' }
    })
    first = imageDigestOf(await template())
    t.equal(first, manifest.headers.get('docker-content-digest'), 'the digest is the one of the registry')
    const { keys: all, sha256 } = await keys()
    t.equal(sha256, createHash('sha256').update(all[0]!).digest('hex'))
    t.notMatch(output, new RegExp(all[0]!), 'the key is not printed')
    const answer = await fetch(`${standIns.url}/predict`, { method: 'POST' })
    t.equal(answer.status, 401, 'and nobody gets in without it')
  }
)

await inTurn('people are enrolled with the administrator’s key, and with no other', async (t) => {
  const python = oracle('sample')
  const typings = [0, 1, 2].map((row) => typing(python, row))
  t.equal(await ada(typings), 201)
  t.equal(await ada(), 200)
  const answer = await fetch(`${standIns.url}/users/ada`, {
    headers: { 'x-api-key': (await keys()).keys[0]! }
  })
  t.equal(answer.status, 403)
})

await inTurn('the second deployment pushes nothing and changes nothing', async (t) => {
  const before = { ...standIns.pushes }
  const { code, output } = await command('deploy')
  t.equal(code, 0)
  t.match(output, /nothing to push/)
  t.same(standIns.pushes, before)
  t.equal(imageDigestOf(await template()), first)
})

let second = ''
await inTurn('models trained anew give a new digest, and the one before is remembered', async (t) => {
  await upload('typings/half.csv', await halfOfUsers())
  const trained = await command('models', [`s3://${BUCKET}/typings/half.csv`])
  t.equal(trained.code, 0)
  t.match(trained.output, /Training on half\.csv/)
  t.notOk(existsSync(join(project, 'half.csv')), 'the data is not kept')
  const { code } = await command('deploy')
  t.equal(code, 0)
  second = imageDigestOf(await template())
  t.not(second, first)
  t.equal((await template()).Outputs.PreviousImageDigest?.Value, first)
  t.equal(await ada(), 200, 'who was enrolled is there in the new task')
})

await inTurn('models that were trained elsewhere are taken from a bucket, and no damaged ones', async (t) => {
  const models = join(project, 'models')
  const names = (await readdir(models)).filter((name) => /manifest\.json$|\.onnx$/.test(name))
  const before = new Map<string, Buffer>()
  for (const name of names) {
    before.set(name, await readFile(join(models, name)))
    await upload(`models/v1/${name}`, before.get(name)!)
    await rm(join(models, name))
  }
  const taken = await command('models', [`s3://${BUCKET}/models/v1/`])
  t.equal(taken.code, 0)
  for (const [name, bytes] of before) t.ok(bytes.equals(await readFile(join(models, name))), name)

  const svm = names.find((name) => name.startsWith('svm-'))!
  await upload(`models/v1/${svm}`, 'not a model')
  const damaged = await command('models', [`s3://${BUCKET}/models/v1/`])
  t.equal(damaged.code, 1)
  t.match(damaged.output, /The models in the bucket are invalid: .*svm-\w+\.onnx has 11 bytes/)
  t.ok(before.get(svm)!.equals(await readFile(join(models, svm))), 'those before stay')
  t.match((await command('models', [`s3://${BUCKET}/none.csv`])).output, /s3:\/\/.*none\.csv does not exist/)
  t.match((await command('models', [`s3://${BUCKET}/models`])).output, /neither a CSV nor a folder/)
})

await inTurn('a rollback goes back to the digest before, and a second one forth again', async (t) => {
  t.equal((await command('deploy', ['rollback'])).code, 0)
  t.equal(imageDigestOf(await template()), first)
  const forth = await command('deploy', ['rollback'])
  t.equal(forth.code, 0)
  t.equal(imageDigestOf(await template()), second)
})

await inTurn('a rotated key is valid at once, and the one before it still is', async (t) => {
  const before = (await keys()).keys[0]!
  t.equal((await command('deploy', ['rotate-key'])).code, 0)
  const after = (await keys()).keys
  t.equal(after.length, 2)
  t.equal(after[1], before)
  for (const key of after) {
    const answer = await fetch(`${standIns.url}/models`, { headers: { 'x-api-key': key } })
    t.equal(answer.status, 200)
  }
  t.equal((await command('deploy', ['rotate-admin-key'])).code, 0)
  t.equal((await keys('admin-keys')).keys.length, 2)
  t.equal((await keys()).keys.length, 2, 'each kind is rotated on its own')
  t.equal(await ada(), 200)
})

await inTurn(
  'the small size is deployed in place of the standard one, with a firewall before it',
  async (t) => {
    const config = join(project, 'infra', 'config.json')
    const before = await readFile(config)
    // The default of small is ARM64, which this machine cannot run.
    await writeFile(config, JSON.stringify({ size: 'small', architecture: 'X86_64', firewall: true }))
    t.equal((await command('deploy')).code, 0)
    const small = await template()
    t.match(taskOf(small), { Cpu: '256', Memory: '512' })
    t.ok(Object.values(small.Resources).some(({ Type }) => Type === 'AWS::WAFv2::WebACL'))
    t.equal(await ada(), 200, 'who was enrolled is there')
    await writeFile(config, before)
    t.equal((await command('deploy')).code, 0, 'and back')
  }
)

await inTurn(
  'a restored table is served once it is named, and is given what AWS restored without',
  async (t) => {
    const config = join(project, 'infra', 'config.json')
    const before = await readFile(config)
    const restored = 'keystroke-users-restored'
    await writeFile(config, JSON.stringify({ usersTable: restored }))
    const missing = await command('deploy')
    t.equal(missing.code, 1)
    t.match(missing.output, `There is no table ${restored}`)

    await standIns.copyTable('keystroke-users', restored)
    const { code, output } = await command('deploy')
    t.equal(code, 0)
    for (const said of ['items expire again', 'can be restored again', 'protected from deletion again'])
      t.match(output, said)
    t.match(await standIns.tableSettings(restored), {
      expires: 'ENABLED',
      recovery: 'ENABLED',
      isProtected: true
    })
    t.equal(await ada(), 200, 'who was enrolled is in it')
    const again = await command('deploy')
    t.notMatch(again.output, /again/)
    await writeFile(config, before)
    t.equal((await command('deploy')).code, 0)
  }
)

await inTurn('a vulnerability at the threshold stops the deployment before the stack', async (t) => {
  const config = join(project, 'infra', 'config.json')
  const before = await readFile(config)
  await writeFile(config, JSON.stringify({ scanStopsAt: 'HIGH' }))
  const { code, output } = await command('deploy')
  t.equal(code, 1)
  t.match(output, /CVE-9999-9999 \(HIGH\)/)
  t.notMatch(output, /Deploy the stack/)
  await writeFile(config, JSON.stringify({ scanStopsAt: 'HIGH', scanAccepted: ['CVE-9999-9999'] }))
  t.equal((await command('deploy')).code, 0, 'and one that was accepted does not')
  await writeFile(config, before)
})

await inTurn('an expired session is distinguished from other faults, with what to do', async (t) => {
  const aws = createServer((_, response) => {
    response.writeHead(403, { 'content-type': 'text/xml' })
    response.end(
      '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>' +
        '<Code>ExpiredToken</Code><Message>The security token included in the request is expired</Message>' +
        '</Error><RequestId>1</RequestId></ErrorResponse>'
    )
  }).listen(0, '127.0.0.1')
  await once(aws, 'listening')
  t.teardown(() => aws.close())
  const { port } = aws.address() as AddressInfo
  const { code, output } = await command('deploy', [], {
    environment: { AWS_ENDPOINT_URL: `http://127.0.0.1:${port}` }
  })
  t.equal(code, 1)
  t.match(output, /Sign in again/)
})

await inTurn('all that is missing is said at once', async (t) => {
  const manifest = join(project, 'models', 'manifest.json')
  const before = await readFile(manifest)
  await rm(manifest)
  // Engines are installed beside Node as often as not.
  const onlyNode = t.testdir({ node: t.fixture('symlink', process.execPath) })
  const { code, output } = await command('deploy', [], {
    environment: { AWS_ENDPOINT_URL: 'http://127.0.0.1:1', PATH: onlyNode }
  })
  await writeFile(manifest, before)
  t.equal(code, 1)
  for (const line of [/AWS cannot be reached/, /Nothing here builds images/, /npm run train/])
    t.match(output, line)
})

await inTurn('destroy does nothing unless the name is typed, and deletes nobody unasked', async (t) => {
  t.equal((await command('destroy', [], { input: 'yes\n' })).code, 1)
  t.equal(imageDigestOf(await template()), second)
  await standIns.emptyRepository()
  const kept = await command('destroy', [], { input: 'keystroke\nyes\n' })
  t.equal(kept.code, 0)
  t.match(kept.output, /Enrolled users in the table keystroke-users: 1\./)
  t.match(kept.output, /The table keystroke-users is left, and nothing else/)
  await t.rejects(template(), { message: /does not exist/ })
  await t.rejects(keys(), { name: 'ResourceNotFoundException' })
  await t.rejects(keys('admin-keys'), { name: 'ResourceNotFoundException' })

  const gone = await command('destroy', [], { input: 'keystroke\ndelete 1\n' })
  t.equal(gone.code, 0)
  t.match(gone.output, /Nothing is left/)
  for (const stack of ['keystroke-users', 'keystroke-logs']) {
    await t.rejects(deployedTemplate(standIns.cloudFormation, stack), { message: /does not exist/ })
  }
  t.match((await command('deploy', ['rollback'])).output, /There is no service keystroke/)
})

await inTurn('interrupted in every step, it goes on where it was', async (t) => {
  await standIns.stop()
  standIns = await startStandIns(MOTO)
  for (let step = 1; step <= STEPS; step++) {
    const { output } = await command('deploy', [], { killAt: step })
    t.match(output, `[${step}/${STEPS}]`, `step ${step} was reached`)
    if (LONG_STEPS.includes(step)) t.notMatch(output, `[${step + 1}/${STEPS}]`, 'and was not done')
    t.notMatch(output, /Deployed\./)
  }
  const { code } = await command('deploy')
  t.equal(code, 0)
  t.equal((await tags()).length, 1)
  t.equal(imageDigestOf(await template()), second, 'the same files give the same image')
  t.equal((await keys()).keys.length, 1)
  t.equal((await keys('admin-keys')).keys.length, 1)
})

/** Typings of the first half of the sample's users, of which other models are made in seconds. */
async function halfOfUsers(): Promise<string> {
  const rows = (await readFile(join(project, 'data', 'sample.csv'), 'utf8')).trimEnd().split('\n')
  const users = [...new Set(rows.slice(1).map((row) => row.split(',')[0]))]
  const kept = new Set(users.slice(0, users.length / 2))
  return `${[rows[0], ...rows.slice(1).filter((row) => kept.has(row.split(',')[0]))].join('\n')}\n`
}

/** Put an object into the bucket of the people who deploy. */
async function upload(Key: string, Body: string | Buffer): Promise<void> {
  await standIns.s3
    .send(
      new CreateBucketCommand({
        Bucket: BUCKET,
        CreateBucketConfiguration: { LocationConstraint: 'eu-west-1' }
      })
    )
    .catch((error: Error) => {
      if (error.name !== 'BucketAlreadyOwnedByYou') throw error
    })
  await standIns.s3.send(new PutObjectCommand({ Bucket: BUCKET, Key, Body }))
}
