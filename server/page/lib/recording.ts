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

/** What is kept in the browser. */
interface Kept {
  string: string
  repetitions: number
  typings: Recorded[]
  isDownloaded: boolean
}

/**
 * A data set under way; kept in this browser until it is forgotten. Other tabs may record the same data set: what they
 * have kept is read before each change.
 */
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
    const kept = readKept()
    if (kept && kept.typings.length > 0) this.#take(kept)
  }

  /** Typings of each person, in the order in which people began. */
  get people(): Map<string, number> {
    const people = new Map<string, number>()
    for (const { user } of this.typings) people.set(user, (people.get(user) ?? 0) + 1)
    return people
  }

  /** Take over what another tab has kept. */
  refresh(): void {
    // Where nothing can be kept, what is in memory is all there is.
    if (!this.isKept) return
    const kept = readKept()
    if (kept) this.#take(kept)
    else this.typings.length = 0
  }

  /** @returns whether the typing was added; not where another tab has begun to record another string */
  add(user: string, typing: Typing): boolean {
    const { string } = this
    this.refresh()
    if (this.string !== string) return false
    this.typings.push({ user, ...typing })
    this.isDownloaded = false
    this.#keep()
    return true
  }

  removeLast(): void {
    this.refresh()
    this.typings.pop()
    this.isDownloaded = this.typings.length === 0
    this.#keep()
  }

  remove(person: string): void {
    this.refresh()
    const others = this.typings.filter(({ user }) => user !== person)
    this.typings.splice(0, Number.POSITIVE_INFINITY, ...others)
    this.isDownloaded = others.length === 0
    this.#keep()
  }

  /** Use other settings; the string stays where there are typings of it. */
  use(settings: { string?: string; repetitions?: number }): void {
    this.refresh()
    if (settings.repetitions !== undefined) this.repetitions = settings.repetitions
    if (settings.string !== undefined && this.typings.length === 0) this.string = settings.string
    this.#keep()
  }

  downloaded(): void {
    this.refresh()
    this.isDownloaded = true
    this.#keep()
  }

  forget(): void {
    this.typings.length = 0
    this.isDownloaded = true
    try {
      localStorage.removeItem(KEY)
    } catch {
      // Storage is off: there is nothing to forget.
    }
  }

  #take({ string, repetitions, typings, isDownloaded }: Kept): void {
    this.string = string
    this.repetitions = repetitions
    this.typings.splice(0, Number.POSITIVE_INFINITY, ...typings)
    this.isDownloaded = isDownloaded
  }

  #keep(): void {
    const { string, repetitions, typings, isDownloaded } = this
    try {
      localStorage.setItem(KEY, JSON.stringify({ string, repetitions, typings, isDownloaded } satisfies Kept))
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
      // As in the service's export: a spreadsheet would run what begins so.
      user.replace(/^[=+\-@]/, "'$&"),
      ...Press.flatMap((press, key) => [press, Release[key]!])
    ])
    return stringify([['user', ...times.flat()], ...rows])
  }
}

/** Whether a storage event, of another tab, is about a recording. */
export const isOfRecording = ({ key }: StorageEvent): boolean => key === KEY || key === null

/**
 * Read what is kept, of it what has the form: another version may have left it, or another program.
 *
 * @returns undefined if there is nothing to take
 */
function readKept(): Kept | undefined {
  let kept: Partial<Record<keyof Kept, unknown>> | null
  try {
    kept = JSON.parse(localStorage.getItem(KEY) ?? 'null')
  } catch {
    // Storage is off, or holds no JSON.
    return undefined
  }
  const { string, repetitions, typings, isDownloaded } = kept ?? {}
  if (typeof string !== 'string' || findStringFault(string) !== undefined) return undefined
  const keys = [...string].length
  return {
    string,
    repetitions: isRepetitions(repetitions) ? repetitions : 8,
    typings: Array.isArray(typings) ? typings.filter((typing) => isRecorded(typing, keys)) : [],
    isDownloaded: isDownloaded === true
  }
}

const isRepetitions = (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) >= FEWEST_TYPINGS

function isRecorded(value: unknown, keys: number): value is Recorded {
  const { user, Press, Release } = (value ?? {}) as Partial<Record<keyof Recorded, unknown>>
  const areTimes = (times: unknown) =>
    Array.isArray(times) && times.length === keys && times.every((time) => Number.isSafeInteger(time))
  return typeof user === 'string' && findNameFault(user) === undefined && areTimes(Press) && areTimes(Release)
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
