import { spawnSync } from 'node:child_process'
import { type Browser, chromium } from 'playwright-core'

const COMMANDS = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']

/** @returns the Chromium that is installed here, as a command; undefined if none is */
export function findBrowser(): string | undefined {
  return COMMANDS.find((command) => spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0)
}

/**
 * Start it without a window.
 *
 * @throws Error if there is none
 */
export async function startBrowser(): Promise<Browser> {
  const command = findBrowser()
  if (command === undefined) throw new Error('Chromium is not installed (apt-get install chromium)')
  return chromium.launch({
    executablePath: spawnSync('which', [command], { encoding: 'utf8' }).stdout.trim(),
    // Its sandbox needs rights that root, and many a container, has not. It opens our own pages alone.
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--disable-background-networking',
      '--disable-sync'
    ]
  })
}
