/** `npm start [-- path/to.csv]`: train where there are no models of that data, build, serve. */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { isIPv6 } from 'node:net'
import { join, parse, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import pretty from 'pino-pretty'
import { ConfigError, readConfig } from '../server/src/config.ts'
import { goldenRequests } from '../server/src/models/golden.ts'
import { checkFiles, ModelsError, readManifest } from '../server/src/models/manifest.ts'
import type { Manifest } from '../server/src/schemas/manifest.ts'
import { build } from './build.ts'
import { freePorts, whyNotListen } from './lib/ports.ts'
import { CALLED_FROM, ended, onOrphaned, ROOT, SERVICE } from './lib/processes.ts'
import { isAnswered, within } from './lib/wait.ts'
import { train } from './train.ts'

const STARTS_WITHIN = 60_000
/** Lines of the log for people, in a terminal; elsewhere they are JSON. */
const READABLE: pretty.PrettyOptions = {
  translateTime: 'HH:MM:ss',
  ignore: 'pid,hostname,id,method,route,status,ms,ip,code',
  messageFormat: ({ msg, method, route, status, ms, code }) =>
    msg === 'request' ? `${method} ${route} ${status} ${ms} ms ${code ?? ''}` : `${msg}`,
  sync: true
}
/** Signals closer together than this are one, ms. */
const SAME_SIGNAL = 500

const USAGE = `Usage: npm start [-- path/to.csv]

Trains on a CSV of typings (docs/csv.md), or on the synthetic sample, where there are no models of it yet; then builds
the service and serves them. Settings are environment variables: docs/settings.md.`

/** What the user can fix; the message says how. */
class StartError extends Error {}

try {
  process.exitCode = await start(process.argv.slice(2))
} catch (error) {
  const isUsers = [ConfigError, ModelsError, StartError].some((kind) => error instanceof kind)
  if (!isUsers) throw error
  console.error((error as Error).message)
  process.exitCode = 1
}

async function start(args: string[]): Promise<number> {
  const { csv, wantsHelp } = readArguments(args)
  if (wantsHelp) {
    console.log(USAGE)
    return 0
  }
  const { HOST, PORT: wanted, MODELS_DIR, API_KEY_SHA256 } = readConfig()
  // Before a training of minutes. Another process that listens there would answer for this one.
  const why = await whyNotListen(HOST, wanted, 'npm start')
  if (why !== undefined) throw new StartError(why)
  const PORT = wanted === 0 ? (await freePorts(1))[0]! : wanted
  const models = resolve(ROOT, MODELS_DIR)

  const reason = await whyTrain(models, csv)
  if (reason !== undefined) {
    console.error(`Training, which takes a minute, or some on a busy machine: ${reason}`)
    const code = await train([csv ?? join(ROOT, 'data', 'sample.csv'), '--models', models])
    if (code !== 0) return code
  }

  console.error('Building ...')
  const built = await build()
  if (built !== 0) return built

  const server = spawn(process.execPath, SERVICE, {
    cwd: ROOT,
    stdio: ['inherit', process.stdout.isTTY ? 'pipe' : 'inherit', 'inherit'],
    env: { ...process.env, PORT: `${PORT}`, MODELS_DIR: models },
    // Out of the terminal's reach: a second signal ends the server at once, and Ctrl-C comes here several
    // times over, from the terminal, from npm and from tsx.
    detached: true
  })
  server.stdout?.pipe(pretty(READABLE))
  let last = 0
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (Date.now() - last < SAME_SIGNAL) return
      last = Date.now()
      server.kill(signal)
    })
  }
  onOrphaned(() => server.kill('SIGTERM'))

  const url = `http://${nameOf(HOST)}:${PORT}`
  const over = ended(server)
  const ready = await Promise.race([
    within(STARTS_WITHIN, () => isAnswered(`${url}/health/ready`), 50),
    over.then(() => false)
  ])
  if (ready) console.error(welcome(url, await readManifest(models), API_KEY_SHA256 !== undefined))
  return over
}

/** How a browser on this machine names the address that the service listens on. */
function nameOf(host: string): string {
  if (host === '0.0.0.0' || host === '::') return 'localhost'
  return isIPv6(host) ? `[${host}]` : host
}

function readArguments(args: string[]): { csv: string | undefined; wantsHelp: boolean } {
  try {
    const options = { help: { type: 'boolean', short: 'h', default: false } } as const
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true })
    const [csv, ...others] = positionals
    if (others.length > 0)
      throw new Error(`One CSV is served at a time, and not ${others.join(', ')} as well.`)
    return { csv: csv === undefined ? undefined : resolve(CALLED_FROM, csv), wantsHelp: values.help }
  } catch (error) {
    throw new StartError(`${(error as Error).message}\n\n${USAGE}`)
  }
}

/** Say why models have to be trained; undefined if those that are there will do. */
async function whyTrain(models: string, csv?: string): Promise<string | undefined> {
  let manifest: Manifest
  try {
    manifest = await readManifest(models)
    await checkFiles(models, manifest)
  } catch (error) {
    if (!(error instanceof ModelsError)) throw error
    return error.why
  }
  if (csv === undefined) return undefined
  const bytes = await readFile(csv).catch((error: Error) => {
    throw new ModelsError(`${csv} cannot be read: ${error.message}.`)
  })
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  const { dataset } = manifest
  if (sha256 !== dataset.sha256) return `The models there are of ${dataset.name}, and not of this ${csv}.`
  if ((await readString(csv)) !== dataset.string) {
    return `The text file beside ${csv} says another string than when the models there were trained.`
  }
  return undefined
}

/** The string from the text file beside a CSV, as `notebook/keystroke/data.py` reads it; null without one. */
async function readString(csv: string): Promise<string | null> {
  const { dir, name } = parse(csv)
  const path = join(dir, `${name}.txt`)
  if (path === csv) return null
  const text = await readFile(path, 'utf8').catch(() => null)
  return text?.replace(/^\ufeff|\r?\n$/g, '').normalize('NFC') ?? null
}

function welcome(url: string, manifest: Manifest, needsKey: boolean): string {
  const { dataset } = manifest
  const key = needsKey ? `-H "x-api-key: $API_KEY" ` : ''
  const { path, body } = goldenRequests(manifest, 'RF')[0]!
  return `
Serving models of ${dataset.name}: ${dataset.users} users, ${dataset.typings} typings of ${dataset.keys} keys.

  Page  ${url}
  Docs  ${url}/docs

Try it:

  curl ${url}${path} ${key}-H 'content-type: application/json' \\
    -d '${JSON.stringify(body)}'

Ctrl-C ends it.
`
}
