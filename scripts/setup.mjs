// @ts-check
/**
 * Install what is missing: Node packages into node_modules/, the Python environment into .venv/.
 * Plain JavaScript without imports from packages, for it runs before there are any. Done in a
 * moment when nothing has changed since the last time.
 */
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..')
const WINDOWS = process.platform === 'win32'
const NODE = '20.19'
const NPM = '10.0'
const PYTHON = '3.11'

/** Something the user can fix; the message says how. */
class SetupError extends Error {}

try {
  requireVersion('Node.js', process.versions.node, NODE, 'please update it')
  const npm = /npm\/(\S+)/.exec(process.env.npm_config_user_agent ?? '')?.[1]
  requireVersion('npm', npm, NPM, 'npm i -g npm@11')
  await installNodePackages()
  await installPythonPackages(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof SetupError)) throw error
  console.error(`\n${error.message}`)
  process.exit(1)
}

async function installNodePackages() {
  const stamp = join(ROOT, 'node_modules', '.keystroke-installed')
  const wanted = hash('package.json', 'package-lock.json')
  // An installation without development packages may have left a stamp as well.
  if (isStamped(stamp, wanted) && existsSync(join(ROOT, 'node_modules', 'tsx'))) return
  // Without development packages, which NODE_ENV=production leaves out, nothing here can start.
  await run('Node packages', 'npm', ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'])
  writeFileSync(stamp, wanted)
}

/**
 * One environment for all that is written in Python. uv says in a moment that all is there.
 *
 * @param {string[]} groups of notebook/pyproject.toml, besides the project and its checks
 */
async function installPythonPackages(groups) {
  const environment = join(ROOT, '.venv')
  const bin = join(environment, WINDOWS ? 'Scripts' : 'bin')
  const python = join(bin, WINDOWS ? 'python.exe' : 'python')
  const uv = join(bin, WINDOWS ? 'uv.exe' : 'uv')
  const locked = (/** @type {string} */ name) => ['-r', join(ROOT, 'notebook', `${name}.txt`)]
  if (!existsSync(uv)) {
    // From the start, as what is there may be half of one.
    await run('the Python environment', findPython(), ['-m', 'venv', environment, '--clear'])
    const options = [
      '--require-hashes',
      '--disable-pip-version-check',
      '--only-binary=:all:',
      '--retries=2',
      '--quiet'
    ]
    await run('uv', python, ['-m', 'pip', 'install', ...options, ...locked('uv')])
  }
  const install = ['pip', 'install', '--python', python, '--require-hashes', '--quiet']
  // What training needs is built for every platform that it runs on.
  await run('Python packages', uv, [...install, '--no-build', ...locked('uv'), ...locked('requirements')])
  for (const group of groups) await run(`Python packages of ${group}`, uv, [...install, ...locked(group)])
}

/** @returns {string} a command that starts a new enough Python */
function findPython() {
  const versions = ['3.14', '3.13', '3.12', '3.11']
  const commands = ['python3', 'python', ...versions.map((version) => `python${version}`)]
  /** @type {string[]} */
  const found = []
  for (const command of commands) {
    const { stdout, status } = spawnSync(
      command,
      ['-c', 'import sys; print("%d.%d.%d" % sys.version_info[:3])'],
      {
        encoding: 'utf8'
      }
    )
    if (status !== 0) continue
    if (isAtLeast(stdout.trim(), PYTHON)) return command
    found.push(stdout.trim())
  }
  const instead = found.length > 0 ? `, and only ${[...new Set(found)].join(', ')} is here` : ''
  throw new SetupError(
    `Python ${PYTHON} or newer is needed to train the models${instead}; install it and run the command again.`
  )
}

/**
 * Run a step that may be long, with a sign of life now and then; nothing is said of what was there already.
 *
 * @param {string} what what is installed
 * @param {string} command
 * @param {string[]} args
 */
async function run(what, command, args) {
  const started = Date.now()
  const announcement = setTimeout(() => console.error(`Installing ${what} ...`), 1_000)
  const beat = setInterval(() => {
    console.error(`  still installing ${what}, ${Math.round((Date.now() - started) / 1000)} s`)
  }, 15_000)
  let errors = ''
  const child = spawn(command, args, { cwd: ROOT, stdio: ['ignore', 'inherit', 'pipe'], shell: WINDOWS })
  child.stderr.on('data', (chunk) => {
    errors += chunk
  })
  const code = await new Promise((resolve) => {
    child.on('error', (error) => resolve(error.message))
    child.on('close', resolve)
  })
  clearTimeout(announcement)
  clearInterval(beat)
  if (code === 0) return
  if (
    /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ENETUNREACH|ETIMEDOUT|NewConnectionError|error sending request/.test(
      errors
    )
  ) {
    throw new SetupError(
      `${capitalize(what)} could not be downloaded: the package registry cannot be reached; check the network and run the command again.`
    )
  }
  // uv’s words, and pip’s for uv itself.
  const unbuilt =
    /([\w.-]+)==\S+ has no (?:usable )?wheels/.exec(errors) ??
    /No matching distribution found for ([\w.-]+)/.exec(errors)
  if (unbuilt !== null) {
    throw new SetupError(
      `${unbuilt[1]} is not built for this platform (${process.platform} ${process.arch}, as on Intel Macs and Alpine Linux); run the service in its container instead: docker compose up.`
    )
  }
  console.error(errors.trimEnd().split('\n').slice(-20).join('\n'))
  throw new SetupError(`${capitalize(what)} could not be installed; the lines above say why.`)
}

/**
 * @param {string} name
 * @param {string | undefined} version
 * @param {string} least
 * @param {string} todo
 */
function requireVersion(name, version, least, todo) {
  if (version === undefined || isAtLeast(version, least)) return
  throw new SetupError(`${name} ${least} or newer is needed, and this is ${version}: ${todo}.`)
}

/**
 * @param {string} version
 * @param {string} least
 */
function isAtLeast(version, least) {
  return version.localeCompare(least, 'en', { numeric: true }) >= 0
}

/** @param {string[]} files */
function hash(...files) {
  const digest = createHash('sha256')
  for (const file of files) digest.update(readFileSync(join(ROOT, file)))
  return digest.digest('hex')
}

/**
 * @param {string} path
 * @param {string} wanted
 */
function isStamped(path, wanted) {
  return existsSync(path) && readFileSync(path, 'utf8') === wanted
}

/** @param {string} text */
function capitalize(text) {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
