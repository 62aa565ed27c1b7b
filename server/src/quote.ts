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
