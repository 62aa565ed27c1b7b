/** `npm run check`, `npm run fix`: lint, format and types of both languages. */
import { join } from 'node:path'
import { nodeTool, PYTHON, ROOT, run } from './lib/processes.ts'

const fix = process.argv.includes('--fix')
const notebook = { cwd: join(ROOT, 'notebook') }

const checks: [what: string, command: string, args: string[], options?: { cwd: string }][] = [
  ['Biome: lint and format', nodeTool('biome'), ['check', ...(fix ? ['--write'] : [])]],
  ['Prose: words to avoid', nodeTool('tsx'), ['scripts/lib/prose.ts']],
  ['TypeScript: types', nodeTool('tsc'), ['--noEmit']],
  // Refers to the server's types, and a project that is referred to cannot be checked without its output.
  ['TypeScript: types of server/page/', nodeTool('tsc'), ['-b', 'server/page']],
  ['TypeScript: types of infra/', nodeTool('tsc'), ['--noEmit', '-p', 'infra']],
  ['Ruff: lint', PYTHON, ['-m', 'ruff', 'check', ...(fix ? ['--fix'] : [])]],
  ['Ruff: format', PYTHON, ['-m', 'ruff', 'format', ...(fix ? [] : ['--check'])]],
  ['mypy: types', PYTHON, ['-m', 'mypy'], notebook]
]

const failed: string[] = []
for (const [what, command, args, options] of checks) {
  console.error(`\n${what}`)
  if ((await run(command, args, options)) !== 0) failed.push(what)
}
if (failed.length > 0) {
  console.error(
    `\nNot clean: ${failed.join('; ')}.${fix ? '' : ' npm run fix fixes what can be fixed automatically.'}`
  )
  process.exitCode = 1
}
