import { existsSync } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'

/** Where distributions and the browser's own installers put it. */
const PLACES = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/opt/google/chrome/chrome',
  '/snap/bin/chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe'
]

const place = PLACES.find((place) => existsSync(place))

/** Why a test that needs a browser is skipped; false where one is here. */
export const withoutBrowser = place === undefined && 'not here: Chromium (apt-get install chromium)'

/**
 * Start it without a window. It makes no requests but those of the pages it opens.
 *
 * @param args - further command-line arguments
 * @throws Error if none is installed
 */
export async function startBrowser(args: readonly string[] = []): Promise<Browser> {
  if (place === undefined) throw new Error(`Chromium or Chrome is at none of ${PLACES.join(', ')}.`)
  return chromium.launch({
    executablePath: place,
    // Its sandbox needs rights that root, and many a container, has not.
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--disable-background-networking',
      '--disable-sync',
      ...args
    ]
  })
}
