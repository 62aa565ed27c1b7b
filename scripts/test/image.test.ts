/**
 * `npm run test:image`: builds the image from a fresh clone, runs it as production does, and replaces it
 * under load. Takes about four minutes, most of them for packages and training; needs buildah, podman, haproxy
 * and the base images.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cp, lstat, mkdir, open, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { readQuestions, startLoad } from '../../bench/load.ts'
import { HOST_PLATFORM } from '../../infra/deploy/image.ts'
import { CLASSIFIER_NAMES } from '../../server/src/schemas/predict.ts'
import { missingArmBase, missingBases, missingTools, withoutThese } from '../lib/containers.ts'
import { freePorts } from '../lib/ports.ts'
import { nodeTool, ROOT, SERVICE } from '../lib/processes.ts'
import { within } from '../lib/wait.ts'

const IMAGE = process.env.KEYSTROKE_TEST_IMAGE ?? 'keystroke:test'
const [PORT, LOCAL_PORT] = (await freePorts(2)) as [number, number]
/** Of this run alone, as another may be under way. */
const NAME = `keystroke-test-${process.pid}`
const MB = 1e6
const LARGEST = 130 * MB

/** As production runs it. */
// biome-ignore format: an option and its value belong on a line
const RESTRICTED = [
  '--network', 'host', '--read-only', '--read-only-tmpfs=false', '--tmpfs', '/tmp:size=64m', '--cap-drop', 'ALL',
  '--security-opt', 'no-new-privileges', '--memory', '512m', '--pids-limit', '200'
]
const OPEN = ['--env', 'HOST=127.0.0.1', '--env', `PORT=${PORT}`]

t.setTimeout(1_800_000)

const skip = withoutThese([...missingTools('buildah', 'podman'), ...missingBases()])
const test = (name: string, body: (t: Test) => Promise<void>) => t.test(name, { skip }, body)

const folder = t.testdir()
const files = join(folder, 'files')

test('is built from a fresh clone with no Python on the host', async (t) => {
  if (process.env.KEYSTROKE_TEST_IMAGE) return t.comment(`${IMAGE} was built before`)
  const clone = join(folder, 'clone')
  must('git', ['clone', '--quiet', ROOT, clone])
  t.equal(build(IMAGE, clone), 0)
})

test('has at most 130 MB above its base, and nothing that is not run', async (t) => {
  await mkdir(files)
  const container = must('podman', ['create', IMAGE]).trim()
  t.teardown(() => run('podman', ['rm', container]))
  must('podman', ['cp', `${container}:/keystroke/.`, files])
  const added = must('podman', ['diff', container])
  const size = await measure(files)
  t.comment(`${(size / MB).toFixed(1)} MB above the base`)
  t.ok(size < LARGEST, `${size} bytes`)
  t.strictSame((await readdir(files)).sort(), ['models', 'node_modules', 'package.json', 'server', 'users'])
  t.strictSame(await readdir(join(files, 'server')), ['dist'])
  const all = await readdir(files, { recursive: true })
  // The recorder's types are for those who take it from /recorder.js.
  const unwanted =
    /darwin|win32|(?<!page\/recorder\.d)\.ts$|\.map$|\.csv$|\.ipynb$|\/(typescript|tap|tsx)$|\.npmrc|\.pem$|\.crt$/
  t.strictSame(
    all.filter((path) => unwanted.test(path)),
    []
  )
  t.equal(all.filter((path) => path.endsWith('libonnxruntime.so.1')).length, 1, 'one platform')
  t.notMatch(added, /\/run\/secrets/, 'the CA bundle left nothing')
})

test('says who it is, who runs it and how it is checked', async (t) => {
  const [{ Config, Architecture }] = JSON.parse(must('podman', ['image', 'inspect', IMAGE]))
  t.match(Architecture, /^(amd64|arm64)$/)
  t.equal(Config.User, '1000:1000', 'not root')
  const [option, main] = SERVICE
  t.strictSame(Config.Entrypoint, ['node', main], 'no shell')
  t.ok(Config.Env.includes(`NODE_OPTIONS=${option}`))
  t.notOk(Config.Cmd?.length)
  t.equal(Config.StopSignal, 'SIGTERM')
  for (const label of ['title', 'description', 'licenses', 'base.name', 'revision']) {
    t.ok(Config.Labels[`org.opencontainers.image.${label}`], label)
  }
  const [{ Healthcheck }] = JSON.parse(must('podman', ['image', 'inspect', '--format', 'json', IMAGE]))
  t.strictSame(Healthcheck?.Test, ['CMD', 'node', 'server/dist/healthcheck.js'])
})

t.test(
  'is built for ARM64 too, on a machine that cannot run it, and holds nothing for another processor',
  { skip: skip || withoutThese(missingArmBase()) },
  async (t) => {
    const arm = `${IMAGE}-arm64`
    const clone = join(folder, 'clone-for-arm64')
    must('git', ['clone', '--quiet', ROOT, clone])
    await cp(join(files, 'models'), join(clone, 'models'), { recursive: true })
    const options = ['--platform', 'linux/arm64', '--build-arg', 'MODELS=given']
    // buildah 1.28 does not set it; `infra/deploy/image.ts` says more.
    t.equal(build(arm, clone, [...options, '--build-arg', `BUILDPLATFORM=${HOST_PLATFORM}`]), 0)
    t.teardown(() => run('podman', ['rmi', '--force', arm]))
    const [{ Architecture }] = JSON.parse(must('podman', ['image', 'inspect', arm]))
    t.equal(Architecture, 'arm64')
    const container = must('buildah', ['from', '--pull=never', '--platform', 'linux/arm64', arm]).trim()
    t.teardown(() => run('buildah', ['rm', container]))
    const root = must('buildah', ['mount', container]).trim()
    const machines = new Map<string, number>()
    for (const top of ['keystroke', 'usr/local/bin']) {
      for (const path of await readdir(join(root, top), { recursive: true })) {
        const machine = await machineOf(join(root, top, path))
        if (machine !== undefined) machines.set(join(top, path), machine)
      }
    }
    const names = [...machines.keys()].join('\n')
    for (const binary of [
      /bin\/node$/m,
      /libonnxruntime\.so/,
      /onnxruntime_binding\.node$/m,
      /@libsql\/.*\.node$/m
    ]) {
      t.match(names, binary)
    }
    t.strictSame(
      [...machines].filter(([, machine]) => machine !== AARCH64),
      []
    )
    const { uid, mode } = await stat(join(root, 'keystroke', 'users'))
    t.strictSame([uid, mode & 0o777], [1000, 0o700], 'where users are kept')
  }
)

/** What ELF files for 64-bit ARM have in their header (ELF for the Arm 64-bit Architecture, e_machine). */
const AARCH64 = 183

/** @returns e_machine of an ELF file; undefined of all others */
async function machineOf(path: string): Promise<number | undefined> {
  const { isFile, size } = await lstat(path).then((found) => ({ isFile: found.isFile(), size: found.size }))
  if (!isFile || size < 20) return
  const file = await open(path)
  try {
    const { buffer } = await file.read(Buffer.alloc(20), 0, 20, 0)
    if (buffer.readUInt32BE(0) === 0x7f454c46) return buffer.readUInt16LE(18)
  } finally {
    await file.close()
  }
}

test('refuses to let others in without a key', async (t) => {
  const { code, said } = runToItsEnd([])
  t.equal(code, 1)
  t.match(said, /^HOST=0\.0\.0\.0 lets other machines in: set API_KEY_SHA256 .*$/)
})

test('names what keeps it from starting', async (t) => {
  const empty = join(folder, 'empty')
  await mkdir(empty)
  const volume = ['--volume', `${empty}:/keystroke/models:ro`]
  const { code, said } = runToItsEnd([...volume, ...OPEN])
  t.equal(code, 1)
  t.match(said, /^[^\n]*manifest\.json[^\n]*$/, 'in one sentence')
})

test('read-only, without capabilities and in 512 MB', async (t) => {
  const service = await startContainer(t)

  await t.test('is healthy', async (t) => {
    // A check that takes longer than its 3 s has failed; Docker too asks again before it says unhealthy.
    const healthy = await within(60_000, () => run('podman', ['healthcheck', 'run', NAME]).status === 0)
    t.ok(healthy)
  })

  await t.test('has the page, and the recorder for others', async (t) => {
    for (const path of ['', 'style.css', 'page.js', 'recorder.js', 'recorder.d.ts']) {
      t.equal((await fetch(`http://127.0.0.1:${PORT}/${path}`)).status, 200, path)
    }
  })

  await t.test('answers as the service outside of a container does', async (t) => {
    const local = spawn(nodeTool('tsx'), ['server/src/main.ts'], {
      cwd: ROOT,
      env: { PATH: process.env.PATH, PORT: String(LOCAL_PORT), MODELS_DIR: join(files, 'models') },
      stdio: 'ignore'
    })
    const over = once(local, 'exit')
    t.teardown(async () => {
      local.kill('SIGTERM')
      await over
    })
    await isReady(LOCAL_PORT, over)
    const csv = await readFile(join(ROOT, 'data/sample.csv'))
    for (const model of CLASSIFIER_NAMES) {
      const [inside, outside] = await Promise.all(
        [PORT, LOCAL_PORT].map((port) => predictAll(port, model, csv))
      )
      t.equal(inside!.split('\n').length, csv.toString().split('\n').length, 'a row for each')
      t.equal(inside, outside, model)
      for (const { body } of await readQuestions(join(files, 'models'), model)) {
        const [inside, outside] = await Promise.all([PORT, LOCAL_PORT].map((port) => predict(port, body)))
        t.equal(inside, outside, `${model}, with scores`)
      }
    }
  })

  await t.test('serves on with its disk full', async (t) => {
    const fill =
      "try { fs.writeFileSync('/tmp/x', Buffer.alloc(65 << 20)) } catch (e) { console.log(e.code) }"
    t.equal(must('podman', ['exec', NAME, 'node', '-e', fill]).trim(), 'ENOSPC')
    const write = "try { fs.writeFileSync('/keystroke/x', '') } catch (e) { console.log(e.code) }"
    t.equal(must('podman', ['exec', NAME, 'node', '-e', write]).trim(), 'EROFS')
    const [question] = await readQuestions(join(files, 'models'), 'RF')
    const load = startLoad(PORT, 1, [question!])
    t.ok(await within(60_000, () => load.answered > 0))
    load.stop()
    await load.over
    t.strictSame(load.failed, [])
  })

  await t.test('stops within its grace under load, with no request failed', async (t) => {
    const load = startLoad(PORT, 50, await readQuestions(join(files, 'models'), 'XGB'))
    await within(60_000, () => load.answered > 500)
    const started = performance.now()
    // Listened for before the signal is sent: it may exit before the sender does.
    const over = once(service, 'exit')
    const stopped = once(spawn('podman', ['stop', '--time', '30', NAME], { stdio: 'ignore' }), 'exit')
    t.ok(await within(60_000, async () => (await readiness(PORT)) === 503), 'not ready')
    // As a balancer that has noticed: after two failed checks 1 s apart no more requests come.
    await setTimeout(2_000)
    load.stop()
    await load.over
    t.strictSame(load.failed, [])
    t.ok(load.answered > 500, `${load.answered} requests`)
    await stopped
    t.comment(`${load.answered} requests, stopped after ${Math.round(performance.now() - started)} ms`)
    const [code] = (await over) as [number]
    t.equal(code, 0, 'of its own accord, and not killed')
  })
})

test('killed in the middle of a request: the client sees a reset, the operator 137', async (t) => {
  const service = await startContainer(t)
  const load = startLoad(PORT, 10, await readQuestions(join(files, 'models'), 'SVM'))
  await within(60_000, () => load.answered > 0)
  const over = once(service, 'exit')
  must('podman', ['kill', '--signal', 'KILL', NAME])
  const [code] = (await over) as [number]
  load.stop()
  await load.over
  t.equal(code, 137)
  t.ok(
    load.failed.some((fault) => /socket hang up|ECONNRESET/.test(fault)),
    load.failed[0] ?? 'none failed'
  )
})

t.test(
  'replaced behind a load balancer under 50 connections, again and again, it fails no request of 20,000',
  { skip: skip || withoutThese(missingTools('haproxy')) },
  async (t) => {
    const { status, stdout, stderr } = spawnSync(nodeTool('tsx'), ['bench/rolling/run.ts', IMAGE], {
      cwd: ROOT,
      encoding: 'utf8',
      env: { ...process.env, MODELS_DIR: join(files, 'models') }
    })
    t.comment(status === 0 ? stdout : stdout + stderr)
    const [, requests, failed] = /^(\d+) requests over 50 connections in .*: (\d+) failed/m.exec(stdout) ?? []
    t.ok(Number(requests) >= 20_000, `${requests} requests`)
    t.equal(failed, '0')
    t.equal(status, 0)
  }
)

/** @returns the exit code */
function build(tag: string, context: string, options: string[] = []): number | null {
  const bundle = process.env.NODE_EXTRA_CA_CERTS
  const secret = bundle ? ['--secret', `id=ca,src=${bundle}`] : []
  const all = ['--layers', '--pull=never', '--format', 'docker', ...secret, '--tag', tag, ...options]
  const { status } = spawnSync('buildah', ['build', ...all, context], {
    stdio: ['ignore', 2, 2],
    env: {
      ...process.env,
      PATH: (process.env.PATH ?? '')
        .split(':')
        .filter((path) => !path.includes('.venv'))
        .join(':')
    }
  })
  return status
}

async function startContainer(t: Test): Promise<ChildProcess> {
  const options = ['--name', NAME, ...RESTRICTED, ...OPEN, '--env', 'DRAIN_SECONDS=5']
  t.teardown(() => run('podman', ['rm', '--force', '--ignore', '--time', '0', NAME]))
  const child = spawn('podman', ['run', ...options, IMAGE], { stdio: ['ignore', 'ignore', 'inherit'] })
  await isReady(PORT, once(child, 'exit'))
  return child
}

/** Run a container that is to end by itself; podman's own log lines are left out of what it said. */
function runToItsEnd(options: string[]): { code: number | null; said: string } {
  const { status, stderr } = run('podman', ['run', '--rm', ...RESTRICTED, ...options, IMAGE])
  const lines = stderr.split('\n').filter((line) => !line.startsWith('time="'))
  return { code: status, said: lines.join('\n').trim() }
}

/** @param over - settles if what is to be ready ends; nothing is waited for then */
async function isReady(port: number, over: Promise<unknown[]>): Promise<void> {
  const ended = over.then(([code]) => {
    throw new Error(`the service on port ${port} ended with ${code} before it was ready`)
  })
  const ready = await Promise.race([within(60_000, async () => (await readiness(port)) === 200), ended])
  // It may end later, which is not a fault.
  ended.catch(() => {})
  if (!ready) throw new Error(`nothing is ready on port ${port}`)
}

/** Status of /health/ready; undefined where nothing answers. */
async function readiness(port: number): Promise<number | undefined> {
  const response = await fetch(`http://127.0.0.1:${port}/health/ready`).catch(() => undefined)
  return response?.status
}

async function predictAll(port: number, model: string, csv: Buffer): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}/predict/batch?Model=${model}`, {
    method: 'POST',
    headers: { 'content-type': 'text/csv' },
    body: new Uint8Array(csv)
  })
  if (!response.ok) throw new Error(await response.text())
  return response.text()
}

async function predict(port: number, body: string): Promise<string> {
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(`http://127.0.0.1:${port}/predict?top=5`, { method: 'POST', headers, body })
  if (!response.ok) throw new Error(await response.text())
  return response.text()
}

/** Bytes of all files below a folder. */
async function measure(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile())
  const sizes = await Promise.all(
    files.map(async (file) => (await stat(join(file.parentPath, file.name))).size)
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}

function run(command: string, args: string[]) {
  return spawnSync(command, args, { encoding: 'utf8', cwd: ROOT })
}

/** @returns what the command prints */
function must(command: string, args: string[]): string {
  const { status, stdout, stderr } = run(command, args)
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`)
  return stdout
}
