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

/** Magic numbers of files that are sent in place of text, as the first bytes look once decoded as UTF-8. */
const NO_TEXT: [start: RegExp, what: string][] = [
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these files begin with them
  [/^\u001f\ufffd\u0008/, 'it is compressed with gzip; send it uncompressed'],
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these files begin with them
  [/^PK\u0003\u0004/, 'it is a ZIP archive, as Excel workbooks are; export it as CSV'],
  [/^\ufffd\ufffd|^[^\0]?\0/, 'it is UTF-16; save it as UTF-8']
]

/**
 * Recognize what was sent in place of UTF-8 text by its first characters.
 *
 * @param start - decoded as UTF-8, without its byte order mark
 * @returns what it is and what to do, or undefined
 */
export function whyNotText(start: string): string | undefined {
  return NO_TEXT.find(([magic]) => magic.test(start))?.[1]
}
