import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ROOT } from './processes.ts'

/** What pip says where a package has no wheel for the platform. */
const PIP = `ERROR: Could not find a version that satisfies the requirement onnxruntime==1.30.0 (from versions: none)
ERROR: No matching distribution found for onnxruntime==1.30.0`

/** Set up a folder in which all is there but the Python packages, for which pip says something and fails. */
function setUp(folder: string, pip: string, npm = '10.8.2') {
  for (const name of ['scripts', 'notebook', 'node_modules', 'bin']) mkdirSync(join(folder, name))
  copyFileSync(join(ROOT, 'scripts', 'setup.mjs'), join(folder, 'scripts', 'setup.mjs'))
  writeFileSync(join(folder, 'notebook', 'requirements.txt'), 'onnxruntime==1.30.0\n')
  const packages = ['package.json', 'package-lock.json'].map((file) => {
    writeFileSync(join(folder, file), '{}')
    return '{}'
  })
  const stamp = createHash('sha256').update(packages.join('')).digest('hex')
  writeFileSync(join(folder, 'node_modules', '.keystroke-installed'), stamp)
  const python = `#!/bin/sh
case "$2" in
  venv) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  pip) cat >&2 <<'END'
${pip}
END
    exit 1 ;;
  *) echo 3.12.1 ;;
esac
`
  writeFileSync(join(folder, 'bin', 'python3'), python)
  chmodSync(join(folder, 'bin', 'python3'), 0o755)
  return spawnSync(process.execPath, [join(folder, 'scripts', 'setup.mjs')], {
    encoding: 'utf8',
    env: { PATH: `${join(folder, 'bin')}:/usr/bin:/bin`, npm_config_user_agent: `npm/${npm} node/v20.19.0` }
  })
}

const skip = process.platform === 'win32' && 'its Python is a shell script'

t.test(
  'a platform that packages are not built for is one sentence, which leads to the container',
  {
    skip
  },
  async (t) => {
    const { status, stderr } = setUp(t.testdir(), PIP)
    t.equal(status, 1)
    t.match(
      stderr.trimEnd().split('\n').at(-1),
      /^onnxruntime is not built for this platform \(.*\); run the service in its container instead: docker compose up\.$/
    )
    t.notMatch(stderr, 'ERROR')
  }
)

t.test('what else pip says is shown, and the last line says so', { skip }, async (t) => {
  const { status, stderr } = setUp(t.testdir(), 'ERROR: disk full')
  t.equal(status, 1)
  t.match(stderr, /ERROR: disk full\n\nPython packages could not be installed; the lines above say why\.\n$/)
})

t.test('an npm that is too old is one sentence, which says how to get another', { skip }, async (t) => {
  const { status, stderr } = setUp(t.testdir(), '', '9.8.1')
  t.equal(status, 1)
  t.equal(stderr, '\nnpm 10.0 or newer is needed, and this is 9.8.1: npm i -g npm@11.\n')
})
