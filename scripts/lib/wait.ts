import { setTimeout } from 'node:timers/promises'

/**
 * Wait until something is so.
 *
 * @param ms - to wait at most
 * @param every - ms between two looks
 * @returns false if it was not so in time
 */
export async function within(
  ms: number,
  isSo: () => boolean | Promise<boolean>,
  every = 100
): Promise<boolean> {
  for (const started = Date.now(); Date.now() - started < ms; await setTimeout(every)) {
    if (await isSo()) return true
  }
  return false
}

/** Whether a URL is answered, and with success. */
export async function isAnswered(url: string): Promise<boolean> {
  const response = await fetch(url).catch(() => undefined)
  return response?.ok ?? false
}
