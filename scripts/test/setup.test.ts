import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ROOT } from '../lib/processes.ts'

/** What uv says where a package has no wheel for the platform. */
const UNBUILT = {
  'an Intel Mac':
    'cause: Because onnxruntime==1.32.0 has no wheels with a matching platform tag (e.g., `macosx_13_0_x86_64`) and',
  'Alpine Linux':
    'cause: Because onnxruntime==1.32.0 has no usable wheels and you require onnxruntime==1.32.0, we can'
}

/** Set up a folder in which all is there but the Python packages, for which uv says something and fails. */
function setUp(folder: string, uv: string, npm = '10.8.2', hasTools = true) {
  for (const name of ['scripts', 'notebook', 'node_modules', 'bin']) mkdirSync(join(folder, name))
  if (hasTools) mkdirSync(join(folder, 'node_modules', 'tsx'))
  copyFileSync(join(ROOT, 'scripts', 'setup.mjs'), join(folder, 'scripts', 'setup.mjs'))
  writeFileSync(join(folder, 'notebook', 'requirements.txt'), 'onnxruntime==1.32.0\n')
  for (const file of ['package.json', 'package-lock.json']) writeFileSync(join(folder, file), '{}')
  const stamp = createHash('sha256').update('{}{}').digest('hex')
  writeFileSync(join(folder, 'node_modules', '.keystroke-installed'), stamp)
  const bin = join(folder, 'bin')
  writeScript(
    join(bin, 'npm'),
    `echo "npm $*" >&2; mkdir -p '${join(folder, 'node_modules', 'tsx')}'; exit 1`
  )
  writeScript(join(bin, 'uv'), `cat >&2 <<'END'\n${uv}\nEND\nexit 1`)
  // Makes an environment of itself, and installs the uv above.
  writeScript(
    join(bin, 'python3'),
    `case "$2" in
  venv) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  pip) cp '${join(bin, 'uv')}' "$(dirname "$0")" ;;
  *) echo 3.12.1 ;;
esac`
  )
  return spawnSync(process.execPath, [join(folder, 'scripts', 'setup.mjs')], {
    encoding: 'utf8',
    env: {
      NODE_ENV: 'production',
      PATH: `${bin}:/usr/bin:/bin`,
      npm_config_user_agent: `npm/${npm} node/v20.19.0`
    }
  })
}

function writeScript(path: string, script: string): void {
  writeFileSync(path, `#!/bin/sh\n${script}\n`)
  chmodSync(path, 0o755)
}

const skip = process.platform === 'win32' && 'its Python is a shell script'

for (const [platform, says] of Object.entries(UNBUILT)) {
  t.test(
    `where packages are not built for, ${platform}, one sentence leads to the container`,
    { skip },
    async (t) => {
      const { status, stderr } = setUp(t.testdir(), says)
      t.equal(status, 1)
      t.match(
        stderr,
        /^\nonnxruntime is not built for this platform \(.*\); run the service in its container instead: docker compose up\.\n$/
      )
    }
  )
}

t.test('what else uv says is shown, and the last line says so', { skip }, async (t) => {
  const { status, stderr } = setUp(t.testdir(), 'error: disk full')
  t.equal(status, 1)
  t.equal(stderr, 'error: disk full\n\nPython packages could not be installed; the lines above say why.\n')
})

t.test('an npm that is too old is one sentence, which says how to get another', { skip }, async (t) => {
  const { status, stderr } = setUp(t.testdir(), '', '9.8.1')
  t.equal(status, 1)
  t.equal(stderr, '\nnpm 10.0 or newer is needed, and this is 9.8.1: npm i -g npm@11.\n')
})

t.test(
  'development packages are installed in production too, and where they were left out',
  { skip },
  async (t) => {
    const { status, stderr } = setUp(t.testdir(), '', '10.8.2', false)
    t.equal(status, 1)
    t.match(stderr, /^npm ci --include=dev /m)
  }
)
