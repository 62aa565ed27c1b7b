/** Characters of a client's own text that a message repeats at most. */
const LONGEST = 60

/** Shorten what a client sent: a message names it, and does not repeat a megabyte of it. */
export function shorten(text: string): string {
  // Not between the two halves of a surrogate pair.
  return text.length > LONGEST ? `${text.slice(0, LONGEST).replace(/[\ud800-\udbff]$/, '')}…` : text
}

/** What a client sent, shortened, as a JSON string or number. */
export function quote(value: string | number): string {
  return JSON.stringify(typeof value === 'string' ? shorten(value) : value)
}

/** Magic numbers of files that are sent in place of text, as bytes in Latin-1. They may be cut off. */
const NO_TEXT: [start: RegExp, what: string][] = [
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these files begin with them
  [/^\x1f(?:\x8b|$)/, 'it is compressed with gzip; send it uncompressed'],
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these files begin with them
  [/^PK(?:\x03|$)/, 'it is a ZIP archive, as Excel workbooks are; export it as CSV'],
  [/^(?:\xff(?:\xfe|$)|\xfe(?:\xff|$)|[^\0]?\0)/, 'it is UTF-16; save it as UTF-8']
]

/** Bytes that tell what a file is. */
export const MAGIC_BYTES = 4

/**
 * Recognize what was sent in place of UTF-8 text by its first bytes.
 *
 * @param start - `MAGIC_BYTES` of it or more, or all of it
 * @returns what it is and what to do, or undefined
 */
export function whyNotText(start: Buffer): string | undefined {
  const bytes = start.subarray(0, MAGIC_BYTES).toString('latin1')
  return NO_TEXT.find(([magic]) => magic.test(bytes))?.[1]
}
