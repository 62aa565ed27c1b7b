import type { Typing } from '../recorder.ts'
import { stringify } from './csv.ts'

const KEY = 'keystroke.recording'

/** As few as training takes: one to learn from and one to test on. */
export const FEWEST_TYPINGS = 2

/** As `notebook/keystroke/data.py` takes it: what Python calls printable. */
const PRINTABLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]+$/u

interface Recorded extends Typing {
  user: string
}

/** A data set under way; kept in this browser until it is forgotten. */
export class Recording {
  string: string
  repetitions = 8
  /** In the order in which they were typed. */
  readonly typings: Recorded[] = []
  isDownloaded = true
  /** Whether a reload finds it again. */
  isKept = true

  /** @param string - to type unless another is kept from before */
  constructor(string: string) {
    this.string = string
    try {
      const kept = JSON.parse(localStorage.getItem(KEY) ?? 'null')
      if (kept?.typings?.length > 0) Object.assign(this, kept)
    } catch {
      // Storage is off, or holds what another version left; what is recorded now is in memory.
    }
  }

  /** Typings of each person, in the order in which people began. */
  get people(): Map<string, number> {
    const people = new Map<string, number>()
    for (const { user } of this.typings) people.set(user, (people.get(user) ?? 0) + 1)
    return people
  }

  add(user: string, typing: Typing): void {
    this.typings.push({ user, ...typing })
    this.isDownloaded = false
    this.keep()
  }

  removeLast(): void {
    this.typings.pop()
    this.isDownloaded = this.typings.length === 0
    this.keep()
  }

  remove(person: string): void {
    const others = this.typings.filter(({ user }) => user !== person)
    this.typings.splice(0, Number.POSITIVE_INFINITY, ...others)
    this.isDownloaded = others.length === 0
    this.keep()
  }

  forget(): void {
    this.typings.length = 0
    this.isDownloaded = true
    try {
      localStorage.removeItem(KEY)
    } catch {
      // As above.
    }
  }

  keep(): void {
    const { string, repetitions, typings, isDownloaded } = this
    try {
      localStorage.setItem(KEY, JSON.stringify({ string, repetitions, typings, isDownloaded }))
      this.isKept = true
    } catch {
      this.isKept = false
    }
  }

  /** What training would refuse, in sentences. */
  findFaults(): string[] {
    const { people } = this
    const faults = [...people]
      .filter(([, count]) => count < FEWEST_TYPINGS)
      .map(
        ([user, count]) => `${user} has ${count} typing; training needs ${FEWEST_TYPINGS} or more of each.`
      )
    if (people.size < 2) faults.unshift('Training tells people apart: it needs two or more.')
    return faults
  }

  /** The data set as `npm run train` takes it. */
  toCsv(): string {
    const keys = [...this.string].length
    const times = Array.from({ length: keys }, (_, key) => [`press-${key}`, `release-${key}`])
    const rows = this.typings.map(({ user, Press, Release }) => [
      user,
      ...Press.flatMap((press, key) => [press, Release[key]!])
    ])
    return stringify([['user', ...times.flat()], ...rows])
  }
}

/** Say why a UserID could not be trained; undefined if it could. */
export function findNameFault(name: string): string | undefined {
  if (name === '') return 'Say who types.'
  if (name !== name.trim()) return 'The name has blanks around it.'
  if (!PRINTABLE.test(name)) return 'The name holds characters that cannot be seen.'
  if (name.startsWith('"')) return 'The name begins with a quotation mark, which training refuses.'
  return undefined
}

/** Say why a string cannot be recorded; undefined if it can. */
export function findStringFault(string: string): string | undefined {
  if ([...string].length < 2) return 'The string needs two characters or more.'
  if (!PRINTABLE.test(string)) return 'The string holds characters that no key types.'
  return undefined
}
