/** `npx tsx examples/login/main.ts`: a site that people log in to by password and typing; see docs/recorder.md. */
import { buildLogin } from './app.ts'
import { Recognition } from './recognition.ts'

const {
  KEYSTROKE_URL = 'http://127.0.0.1:8080',
  KEYSTROKE_KEY,
  KEYSTROKE_ADMIN_KEY,
  PORT = '3000'
} = process.env

const recognition = new Recognition(KEYSTROKE_URL, KEYSTROKE_KEY, KEYSTROKE_ADMIN_KEY)
const app = await buildLogin(recognition, { level: 'warn' })
try {
  console.log(`Open ${await app.listen({ host: '127.0.0.1', port: Number(PORT) })}`)
} catch (error) {
  if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
  console.error(`Port ${PORT} is taken: PORT=${Number(PORT) + 1} npx tsx examples/login/main.ts`)
  process.exitCode = 1
}
