import { isUtf8 } from 'node:buffer'
import { type ParseErrorCode, printParseErrorCode, visit } from 'jsonc-parser'
import { errors } from '../errors.ts'
import { quote, whyNotText } from '../text.ts'

/**
 * Parse a JSON body, and refuse what JSON.parse would quietly change: of a duplicate key it
 * keeps the last, and `__proto__` it takes for a name like any other (RFC 8259, section 4).
 *
 * @throws JSON_INVALID
 */
export function parseJson(body: Buffer): unknown {
  const why = whyNotText(body)
  if (why !== undefined) throw new errors.JSON_INVALID(`is not JSON: ${why}`)
  // Decoding would put U+FFFD in place of what is not UTF-8, and two names would become one.
  if (!isUtf8(body)) throw new errors.JSON_INVALID('is not UTF-8')
  // A byte order mark is taken, as it is in a CSV (RFC 8259, section 8.1).
  const text = body.toString().replace(/^\ufeff/, '')
  if (text.trim() === '') throw new errors.JSON_INVALID('is empty; a JSON document was expected')
  // Before it is parsed, which takes 0.2 s of a megabyte of brackets.
  const colons = countColons(text)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new errors.JSON_INVALID(`is not JSON: ${firstFault(text)}`)
  }
  // As many members as colons outside of strings: none was lost. It costs a fraction of a second parser.
  if (countMembers(value) !== colons) {
    throw new errors.JSON_INVALID(`has ${duplicateKey(text)} twice in one object`)
  }
  return value
}

/** The first duplicate key of a valid document. A string is a key where a colon follows it. */
function duplicateKey(json: string): string {
  const open: Set<string>[] = []
  for (let i = 0; i < json.length; i++) {
    const code = json.charCodeAt(i)
    if (code === OPEN_OBJECT) open.push(new Set())
    else if (code === CLOSE_OBJECT) open.pop()
    if (code !== QUOTE) continue
    const start = i
    for (i++; json.charCodeAt(i) !== QUOTE; i++) if (json.charCodeAt(i) === BACKSLASH) i++
    let next = i + 1
    while (BLANKS.includes(json.charCodeAt(next))) next++
    if (json.charCodeAt(next) !== COLON) continue
    const raw = json.slice(start + 1, i)
    const key: string = raw.includes('\\') ? JSON.parse(`"${raw}"`) : raw
    if (open.at(-1)!.has(key)) return `the key ${quote(key)}`
    open.at(-1)!.add(key)
  }
  throw new Error('no key is there twice')
}

/** Where a fault is; thrown, as the scanner stops for nothing else. */
class Fault extends Error {}

/** Where the first fault is. V8's own message has an excerpt of the body, which would put timings into logs. */
function firstFault(text: string): string {
  const end = text.trimEnd().length
  const onError = (code: ParseErrorCode, offset: number, _length: number, line: number, column: number) => {
    const isEnd = offset >= end || printParseErrorCode(code) === 'UnexpectedEndOfString'
    throw new Fault(isEnd ? 'it ends early' : `see line ${line + 1}, column ${column + 1}`)
  }
  try {
    visit(text, { onError }, { disallowComments: true })
  } catch (error) {
    if (error instanceof Fault) return error.message
  }
  // Brackets that do not match nest, to the scanner alone, as deep as there are any.
  return 'it nests too deeply to say where'
}

/** Own members of all objects in a value; `__proto__` is refused on the way. */
function countMembers(value: unknown): number {
  let members = 0
  const pending = [value]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (next === null || typeof next !== 'object') continue
    if (Array.isArray(next)) {
      // A hundred thousand times in an array of times need no look.
      for (const item of next) if (typeof item === 'object') pending.push(item)
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
const COMMA = 0x2c
/** Blank, tab, line feed and carriage return (RFC 8259, section 2). */
const BLANKS = [0x20, 0x09, 0x0a, 0x0d]
const BACKSLASH = 0x5c
const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

/** Levels of arrays and objects; four are the most that a request has. */
const DEEPEST = 16

/** Members of one object; five are the most that a request has. */
const MOST_OF_ONE = 100

/** Members of all objects; a batch of 1,000 requests has 13,000. */
const MOST_MEMBERS = 16_000

/** Arrays and objects; a batch of 1,000 requests has 5,001. */
const MOST_NESTED = 8_000

/** Commas; 50 typings of 1,000 keys have 100,048. */
const MOST_COMMAS = 120_000

/** @throws JSON_INVALID if it nests too deeply, or has more parts than any request */
function countColons(json: string): number {
  let colons = 0
  const members = new Uint32Array(DEEPEST + 1)
  let nested = 0
  let commas = 0
  let depth = 0
  let inString = false
  for (let i = 0; i < json.length; i++) {
    const code = json.charCodeAt(i)
    if (code === QUOTE) inString = !inString
    else if (inString) {
      if (code === BACKSLASH) i++
    } else if (code === COLON) {
      colons++
      if (depth >= 0 && ++members[depth]! > MOST_OF_ONE) {
        throw new errors.JSON_INVALID(`has an object of more than ${MOST_OF_ONE} members`)
      }
    } else if (code === COMMA) commas++
    else if (code === OPEN_ARRAY || code === OPEN_OBJECT) {
      nested++
      members[depth + 1] = 0
      if (++depth > DEEPEST) throw new errors.JSON_INVALID(`nests more than ${DEEPEST} levels deep`)
    } else if (code === CLOSE_ARRAY || code === CLOSE_OBJECT) depth--
  }
  requireFew(colons, MOST_MEMBERS, 'members')
  requireFew(nested, MOST_NESTED, 'arrays and objects')
  requireFew(commas, MOST_COMMAS, 'commas')
  return colons
}

/** @throws JSON_INVALID */
function requireFew(count: number, most: number, what: string): void {
  if (count > most) throw new errors.JSON_INVALID(`has ${count} ${what}; ${most} are the most`)
}
