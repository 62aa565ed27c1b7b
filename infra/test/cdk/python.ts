/** The Python programs that check the templates; `node scripts/setup.mjs infra` installs them. */
import { pythonTool } from '../../../scripts/lib/processes.ts'

export const CFN_LINT = pythonTool('cfn-lint')
export const CHECKOV = pythonTool('checkov')
export const MOTO = pythonTool('moto_server')
