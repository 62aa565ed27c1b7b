/** `npm run train -- [path/to.csv]`: run the notebook on a CSV of typings. */
import { CALLED_FROM, PYTHON, PYTHON_ENV, run } from './lib/processes.ts'

/**
 * Train, in the terminal.
 *
 * @param args - of `python -m keystroke.commands.train`
 * @returns the exit code
 */
export function train(args: string[]): Promise<number> {
  return run(PYTHON, ['-m', 'keystroke.commands.train', ...args], { cwd: CALLED_FROM, env: PYTHON_ENV })
}

// import.meta.main is Node 24's.
if (process.argv[1] === import.meta.filename) {
  const args = process.argv.slice(2)
  process.exitCode = await train(args)
  const isHelp = args.includes('--help') || args.includes('-h')
  if (process.exitCode === 0 && !isHelp) console.log('\nNext: npm start builds the service and serves them.')
}
