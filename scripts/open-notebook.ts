/** `npm run notebook:open`: the notebook in JupyterLab, with the environment that training runs it in. */
import { join } from 'node:path'
import { PYTHON, PYTHON_ENV, ROOT, run } from './lib/processes.ts'

const FOLDER = join(ROOT, 'notebook')

process.exitCode = await run(
  PYTHON,
  ['-m', 'jupyterlab', 'train.ipynb', '--ServerApp.root_dir=.', ...process.argv.slice(2)],
  {
    cwd: FOLDER,
    // A kernel of the user's may be called python3 too, and have none of the packages.
    env: { ...PYTHON_ENV, JUPYTER_PREFER_ENV_PATH: '1' }
  }
)
