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
  // Before it is parsed, which takes 0.2 s of a megabyte of brackets.
  const colons = countColons(text)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new errors.JSON_INVALID(`is not JSON: ${whyNotText(text) ?? firstFault(text)}`)
  }
  // As many members as colons outside of strings: none was lost. It costs a fraction of a second parser.
  if (countMembers(value) !== colons) {
    throw new errors.JSON_INVALID(`has ${duplicateKey(text)} twice in one object`)
  }
  return value
}

/** The first duplicate key. */
function duplicateKey(text: string): string {
  const open: Set<string>[] = []
  let found!: string
  visit(text, {
    onObjectBegin: () => void open.push(new Set()),
    onObjectEnd: () => void open.pop(),
    onObjectProperty: (key) => {
      if (open.at(-1)!.has(key)) found ??= key
      open.at(-1)!.add(key)
    }
  })
  return `the key ${quote(found)}`
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
  // Brackets that do not match nest, to the scanner alone, as deep as there are any.
  return fault ?? 'it nests too deeply to say where'
}

/** Own members of all objects in a value; `__proto__` is refused on the way. */
function countMembers(value: unknown): number {
  let members = 0
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
const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

/** Levels of arrays and objects; four are the most that a request has. */
const DEEPEST = 16

/** @throws JSON_INVALID if it nests too deeply */
function countColons(json: string): number {
  let colons = 0
  let depth = 0
  let inString = false
  for (let i = 0; i < json.length; i++) {
    const code = json.charCodeAt(i)
    if (code === QUOTE) inString = !inString
    else if (inString) {
      if (code === BACKSLASH) i++
    } else if (code === COLON) colons++
    else if (code === OPEN_ARRAY || code === OPEN_OBJECT) {
      if (++depth > DEEPEST) throw new errors.JSON_INVALID(`nests more than ${DEEPEST} levels deep`)
    } else if (code === CLOSE_ARRAY || code === CLOSE_OBJECT) depth--
  }
  return colons
}
