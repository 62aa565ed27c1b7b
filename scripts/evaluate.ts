/** `npm run evaluate -- [path/to.csv]`: how good recognition is on a CSV of typings, or on the CMU benchmark. */
import { CALLED_FROM, PYTHON, PYTHON_ENV, run } from './lib/processes.ts'

process.exitCode = await run(PYTHON, ['-m', 'keystroke.commands.evaluate', ...process.argv.slice(2)], {
  cwd: CALLED_FROM,
  env: PYTHON_ENV
})
