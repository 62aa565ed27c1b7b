/** `npm start [-- path/to.csv]`: train where there are no models of that data, build, serve. */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join, parse, resolve } from 'node:path'
import pretty from 'pino-pretty'
import { ConfigError, readConfig } from '../server/src/config.ts'
import { goldenRequests } from '../server/src/models/golden.ts'
import { checkFiles, ModelsError, readManifest } from '../server/src/models/manifest.ts'
import type { Manifest } from '../server/src/schemas/manifest.ts'
import { build } from './build.ts'
import { CALLED_FROM, ended, ROOT, SERVICE } from './lib/processes.ts'
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

try {
  process.exitCode = await start(process.argv[2])
} catch (error) {
  if (!(error instanceof ConfigError || error instanceof ModelsError)) throw error
  console.error(error.message)
  process.exitCode = 1
}

async function start(csv?: string): Promise<number> {
  const { HOST, PORT, MODELS_DIR, API_KEY_SHA256 } = readConfig()
  const models = resolve(ROOT, MODELS_DIR)
  const wanted = csv === undefined ? undefined : resolve(CALLED_FROM, csv)

  const reason = await whyTrain(models, wanted)
  if (reason !== undefined) {
    console.error(`Training, which takes about a minute: ${reason}`)
    const code = await train([wanted ?? join(ROOT, 'data', 'sample.csv'), '--models', models])
    if (code !== 0) return code
  }

  console.error('Building ...')
  const built = await build()
  if (built !== 0) return built

  const server = spawn(process.execPath, SERVICE, {
    cwd: ROOT,
    stdio: ['inherit', process.stdout.isTTY ? 'pipe' : 'inherit', 'inherit'],
    env: { ...process.env, MODELS_DIR: models },
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

  const url = `http://${HOST === '0.0.0.0' || HOST === '::' ? 'localhost' : HOST}:${PORT}`
  const over = ended(server)
  const ready = await Promise.race([
    within(STARTS_WITHIN, () => isAnswered(`${url}/health/ready`), 50),
    over.then(() => false)
  ])
  if (ready) console.error(welcome(url, await readManifest(models), API_KEY_SHA256 !== undefined))
  return over
}

/** Say why models have to be trained; undefined if those that are there will do. */
async function whyTrain(models: string, csv?: string): Promise<string | undefined> {
  let manifest: Manifest
  try {
    manifest = await readManifest(models)
    await checkFiles(models, manifest)
  } catch (error) {
    if (!(error instanceof ModelsError)) throw error
    return error.message
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
  const text = await readFile(join(dir, `${name}.txt`), 'utf8').catch(() => null)
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
