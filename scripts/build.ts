/** `npm run build`: the service and its page into server/dist/, the one way it is built. */
import { copyFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { build as bundle } from 'esbuild'
import { nodeTool, ROOT, run } from './lib/processes.ts'

const PAGE = join(ROOT, 'server', 'page')
const BUILT_PAGE = join(ROOT, 'server', 'dist', 'page')

/** Node.js finds it here before it looks for the package itself. */
const TYPEBOX = join(ROOT, 'server', 'dist', 'node_modules', 'typebox')

/**
 * Compile, and put what the browser takes as it is beside what was compiled. TypeBox is put into one file:
 * to open its hundreds took a tenth of a second of every start, and 10 MB.
 *
 * @param options - of `tsc -b`
 * @returns the exit code
 */
export async function build(options: string[] = []): Promise<number> {
  // The page refers to the service, whose answers it has the types of: both are compiled.
  const code = await run(nodeTool('tsc'), ['-b', 'server/page', ...options])
  if (code !== 0) return code
  for (const file of await readdir(PAGE)) {
    if (/\.(?:html|svg)$/.test(file)) await copyFile(join(PAGE, file), join(BUILT_PAGE, file))
  }
  await bundle({
    entryPoints: [join(PAGE, 'styles', 'style.css')],
    bundle: true,
    outfile: join(BUILT_PAGE, 'style.css')
  })
  await bundle({
    entryPoints: ['typebox'],
    absWorkingDir: ROOT,
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile: join(TYPEBOX, 'index.js')
  })
  await writeFile(join(TYPEBOX, 'package.json'), '{ "type": "module", "main": "index.js" }\n')
  return 0
}

// import.meta.main is Node 24's.
if (process.argv[1] === import.meta.filename) {
  process.exitCode = await build(process.argv.slice(2))
}
