/** CSV as the training reads and the service answers it (RFC 4180). */

/** @returns rows, each ended by a line feed */
export function stringify(rows: readonly (readonly (string | number)[])[]): string {
  const quote = (field: string) => (/[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field)
  return rows.map((row) => `${row.map((field) => quote(`${field}`)).join(',')}\n`).join('')
}

/** @param text - whole rows, well formed */
export function parse(text: string): string[][] {
  return splitRows(text).map((row) =>
    [...row.matchAll(/("(?:[^"]|"")*"|[^,\r\n]*)(?:,|\r?\n|$)/g)]
      // The pattern also fits the nothing at the very end.
      .filter(({ index }) => index < row.length)
      .map(([, field]) => (field!.startsWith('"') ? field!.slice(1, -1).replaceAll('""', '"') : field!))
  )
}

function splitRows(text: string): string[] {
  const rows: string[] = []
  let start = 0
  for (let end = endOfRow(text, start); end > start; end = endOfRow(text, start)) {
    rows.push(text.slice(start, end))
    start = end
  }
  return rows
}

/** No row is longer, in characters; one that seems to be follows a lost quote, which the service then tells. */
const LONGEST_ROW = 1_000_000

/** Cuts a file that arrives in pieces at the ends of rows; a line end within quotes ends none. */
export class RowCutter {
  #rest = ''

  /** @returns whole rows, '' if none is whole yet */
  push(piece: string): string {
    this.#rest += piece
    let end = 0
    for (let next = endOfRow(this.#rest, 0); next > end; next = endOfRow(this.#rest, end)) end = next
    if (end === 0 && this.#rest.length > LONGEST_ROW) end = this.#rest.length
    const rows = this.#rest.slice(0, end)
    this.#rest = this.#rest.slice(end)
    return rows
  }

  /** @returns what follows the last line end */
  end(): string {
    return this.#rest
  }
}

/** Where the row that starts at `start` ends, after its line end; `start` itself if it is not whole. */
function endOfRow(text: string, start: number): number {
  let isQuoted = false
  for (let i = start; i < text.length; i++) {
    const character = text[i]
    // A quote amid a field is a character as others are.
    if (character === '"') isQuoted = isQuoted ? false : i === start || /[",]/.test(text[i - 1]!)
    else if (isQuoted) continue
    else if (character === '\n') return i + 1
    // The next piece may begin with its line feed.
    else if (character === '\r' && i + 1 < text.length) return text[i + 1] === '\n' ? i + 2 : i + 1
  }
  return start
}
