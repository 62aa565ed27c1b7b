import { type ParseErrorCode, printParseErrorCode, visit } from 'jsonc-parser'
import { errors } from '../errors.ts'
import { quote, whyNotText } from '../text.ts'

/**
 * Parse a JSON body, and refuse what JSON.parse would quietly change: of a duplicate key it
 * keeps the last, and `__proto__` it takes for a name like any other (RFC 8259, section 4).
 *
 * @throws JSON_INVALID
 */
export function parseJson(body: string): unknown {
  // A byte order mark is taken, as it is in a CSV (RFC 8259, section 8.1).
  const text = body.replace(/^\ufeff/, '')
  if (text.trim() === '') throw new errors.JSON_INVALID('is empty; a JSON document was expected')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new errors.JSON_INVALID(`is not JSON: ${whyNotText(text) ?? firstFault(text)}`)
  }
  // As many members as colons outside of strings: none was lost. It costs a fraction of a second parser.
  if (countMembers(value) !== countColons(text)) {
    throw new errors.JSON_INVALID(`has ${duplicateKey(text)} twice in one object`)
  }
  return value
}

/** The first duplicate key; unnamed where the body nests deeper than the scanner's calls may. */
function duplicateKey(text: string): string {
  const open: Set<string>[] = []
  let found: string | undefined
  try {
    visit(text, {
      onObjectBegin: () => void open.push(new Set()),
      onObjectEnd: () => void open.pop(),
      onObjectProperty: (key) => {
        if (open.at(-1)!.has(key)) found ??= `the key ${quote(key)}`
        open.at(-1)!.add(key)
      }
    })
  } catch {}
  return found ?? 'a key'
}

/** Where the first fault is. V8's own message has an excerpt of the body, which would put timings into logs. */
function firstFault(text: string): string {
  let fault: string | undefined
  const onError = (code: ParseErrorCode, offset: number, _length: number, line: number, column: number) => {
    const isEnd = offset >= text.trimEnd().length || printParseErrorCode(code) === 'UnexpectedEndOfString'
    fault ??= isEnd ? 'it ends early' : `see line ${line + 1}, column ${column + 1}`
  }
  try {
    visit(text, { onError }, { disallowComments: true })
  } catch {}
  return fault ?? 'it nests too deeply to say where'
}

/** Own members of all objects in a value; `__proto__` is refused on the way. */
function countMembers(value: unknown): number {
  let members = 0
  // A stack of our own: a body of brackets nests deeper than calls may.
  const pending = [value]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (next === null || typeof next !== 'object') continue
    if (Array.isArray(next)) {
      for (const item of next) pending.push(item)
      continue
    }
    for (const key of Object.keys(next)) {
      if (key === '__proto__') throw new errors.JSON_INVALID('has the key "__proto__", which is not allowed')
      members++
      pending.push((next as Record<string, unknown>)[key])
    }
  }
  return members
}

const QUOTE = 0x22
const COLON = 0x3a
const BACKSLASH = 0x5c

function countColons(json: string): number {
  let colons = 0
  let inString = false
  for (let i = 0; i < json.length; i++) {
    const code = json.charCodeAt(i)
    if (code === QUOTE) inString = !inString
    else if (inString) {
      if (code === BACKSLASH) i++
    } else if (code === COLON) colons++
  }
  return colons
}
