import { html } from './dom.ts'

/** Hand a file to the person. */
export function download(name: string, type: string, parts: string[]): void {
  const url = URL.createObjectURL(new Blob(parts, { type }))
  html('a', { href: url, download: name }).click()
  // Some browsers only begin to read it after this turn.
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}
