import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { join } from 'node:path'

export const ROOT = join(import.meta.dirname, '..', '..')

/** Where relative paths on the command line start: where npm was called, not where package.json is. */
export const CALLED_FROM = process.env.INIT_CWD ?? process.cwd()

const WINDOWS = process.platform === 'win32'

/** A program of the Python environment. */
export const pythonTool = (name: string): string =>
  join(ROOT, '.venv', WINDOWS ? `Scripts/${name}.exe` : `bin/${name}`)

export const PYTHON = pythonTool('python')
export const UV = pythonTool('uv')

/** A tool from node_modules, as npm's scripts would find it. */
export const nodeTool = (name: string): string =>
  join(ROOT, 'node_modules', '.bin', WINDOWS ? `${name}.cmd` : name)

/**
 * What Node.js runs the service with, in this folder; the Dockerfile has the same. With 900 requests under way and Node's own
 * young generation of 16 MB the garbage collector takes a fifth of the time, to copy what they hold; with 64 MB it takes a
 * third of that, for 0.1 GB of memory.
 */
export const SERVICE = ['--max-semi-space-size=64', 'server/dist/main.js'] as const

/** ms between two looks for the process that started this one. */
const ORPHANED_LOOK = 500

/** Environment in which Python finds the notebook's package. */
export const PYTHON_ENV = { ...process.env, PYTHONPATH: join(ROOT, 'notebook') }

/**
 * Wait for a process to end.
 *
 * @returns its exit code; 1 if a signal ended it
 */
export function ended(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve(code ?? 1))
  })
}

/**
 * Run a command with this process's terminal. It ends with this process, and after Ctrl-C this process ends after it.
 *
 * @returns its exit code; 1 if a signal ended it
 */
export async function run(command: string, args: string[], options: SpawnOptions = {}): Promise<number> {
  const child = spawn(command, args, { cwd: ROOT, stdio: 'inherit', shell: WINDOWS, ...options })
  // The terminal sends it to the child as well, which says what became of its work.
  const wait = () => {}
  const stop = () => child.kill('SIGINT')
  process.on('SIGINT', wait).on('SIGTERM', stop)
  const watch = onOrphaned(stop)
  try {
    return await ended(child)
  } finally {
    clearInterval(watch)
    process.off('SIGINT', wait).off('SIGTERM', stop)
  }
}

/**
 * Call back once the process that started this one is gone: npm, when it is killed, kills the shell that runs its
 * scripts, and nothing else.
 */
export function onOrphaned(callback: () => void): NodeJS.Timeout {
  const parent = process.ppid
  const watch = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(watch)
    callback()
  }, ORPHANED_LOOK)
  return watch.unref()
}
