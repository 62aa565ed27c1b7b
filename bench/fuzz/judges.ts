/** What an answer has to be, by rules written here again from the documentation, and not taken from the service. */
import type { Manifest } from '../../server/src/schemas/manifest.ts'
import type { Answer } from '../load.ts'
import type { Asked } from './run.ts'

/** Longest message of an error: none repeats what somebody sent in full. */
const LONGEST_MESSAGE = 2_000

/** @returns what is wrong with an answer; undefined if nothing is */
export function judge(asked: Asked, answer: Answer, manifest: Manifest): string | undefined {
  const { status, headers, text } = answer
  if (status === 503 && headers['retry-after'] !== undefined) return judgeError(answer)
  if (status >= 500) return 'a fault of the service'
  if (headers['x-request-id'] === undefined && status !== 400) return 'an answer without x-request-id'
  if (status >= 400)
    return asked.userID === undefined
      ? (judgeError(answer) ?? judgeRefusal(asked, manifest))
      : 'a good request is refused'
  if (asked.type === 'text/csv') return judgeCsv(text)
  let reply: unknown
  try {
    reply = JSON.parse(text)
  } catch {
    return 'an answer that is not JSON'
  }
  if (asked.userID !== undefined && (reply as { UserID: unknown }).UserID !== asked.userID)
    return `not ${asked.userID}`
  const [path] = asked.path.split('?', 1)
  const body = read(asked.body)
  if (body === undefined) return 'a body that is not JSON is answered'
  if (path === '/predict') return isPrediction(body) ? undefined : 'a body against the schema is answered'
  if (path === '/features') return judgeFeatures(body, reply)
  return undefined
}

function judgeError({ status, text }: Answer): string | undefined {
  let error: Record<string, unknown>
  try {
    error = JSON.parse(text)
  } catch {
    return 'an error that is not JSON'
  }
  if (error.statusCode !== status) return 'an error with another status'
  if (typeof error.code !== 'string' || !/^(?:KS_ERR|FST_ERR)_[A-Z_]+$/.test(error.code))
    return 'an error without a code'
  if (typeof error.message !== 'string' || error.message === '') return 'an error without a message'
  return error.message.length > LONGEST_MESSAGE ? 'an error with a long message' : undefined
}

/** A request to /predict that is right must not be refused. */
function judgeRefusal({ path, type, body }: Asked, { dataset }: Manifest): string | undefined {
  if (type !== 'application/json') return undefined
  const value = read(body)
  if (path === '/predict' && value !== undefined && isPrediction(value)) return 'a good prediction is refused'
  if (path === '/features' && value !== undefined && isTyping(value) && dataset.keys > 0)
    return 'a good typing is refused'
  return undefined
}

function judgeCsv(text: string): string | undefined {
  const [header, ...rows] = text.trimEnd().split('\n')
  if (!/^Line,(?:User,)?UserID,Error$/.test(header!)) return 'a CSV with another header'
  if (rows.length === 0) return 'a CSV without a row'
  return undefined
}

/** @returns the value of a text, undefined if it is not JSON, not UTF-8, or names a member twice */
function read(body: Buffer): unknown {
  const text = body.toString().replace(/^\ufeff/, '')
  if (text.includes('\ufffd')) return undefined
  try {
    const value = JSON.parse(text)
    // Writing it again is as long as the text without blanks, unless a member was lost.
    const names = text.match(/"(?:[^"\\]|\\.)*"\s*:/g)?.length ?? 0
    return count(value) === names ? value : undefined
  } catch {
    return undefined
  }
}

function count(value: unknown): number {
  if (value === null || typeof value !== 'object') return 0
  const own = Array.isArray(value) ? 0 : Object.keys(value).length
  return Object.values(value).reduce((sum: number, each) => sum + count(each), own)
}

const hasExactly = (value: unknown, names: string[]): value is Record<string, unknown> =>
  value !== null &&
  typeof value === 'object' &&
  !Array.isArray(value) &&
  Object.keys(value).length === names.length &&
  names.every((name) => Object.hasOwn(value, name))

/** Features are rounded to float32, which must not make them infinite. */
const isFloat32 = (value: unknown) => typeof value === 'number' && Number.isFinite(Math.fround(value))

function isPrediction(value: unknown): boolean {
  if (!hasExactly(value, ['Model', 'HT', 'PPT', 'RRT', 'RPT'])) return false
  const { Model, ...features } = value
  return (
    ['SVM', 'RF', 'XGB'].includes(Model as string) &&
    // Nobody holds a key for less than no time; other times may be negative, as keys overlap.
    Number((features.HT as { Mean?: unknown } | null)?.Mean) >= 0 &&
    Object.values(features).every(
      (each) =>
        hasExactly(each, ['Mean', 'STD']) &&
        isFloat32(each.Mean) &&
        isFloat32(each.STD) &&
        (each.STD as number) >= 0
    )
  )
}

interface Times {
  Press: number[]
  Release: number[]
}

/** Whether the service has no reason to refuse it: an ordinary typing. */
function isTyping(value: unknown): value is Times {
  if (!hasExactly(value, ['Press', 'Release'])) return false
  const { Press, Release } = value as unknown as Times
  return (
    [Press, Release].every(
      (times) =>
        Array.isArray(times) && times.every((time) => Number.isInteger(time) && time >= 0 && time < 10_000)
    ) &&
    Press.length >= 2 &&
    Press.length === Release.length &&
    Press.every((time, key) => time <= Release[key]! && (key === 0 || Press[key - 1]! <= time))
  )
}

/** The features, computed here from their definition: mean and sample standard deviation of the four times. */
function judgeFeatures(body: unknown, reply: unknown): string | undefined {
  const { Press, Release } = body as Times
  const between = (from: number[], to: number[]) => to.slice(1).map((time, key) => time - from[key]!)
  const times = {
    HT: Press.map((time, key) => Release[key]! - time),
    PPT: between(Press, Press),
    RRT: between(Release, Release),
    RPT: between(Release, Press)
  }
  for (const [name, values] of Object.entries(times)) {
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length
    const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
    const deviation = values.length === 1 ? 0 : Math.sqrt(squares / (values.length - 1))
    const { Mean, STD } = (reply as Record<string, { Mean: number; STD: number }>)[name]!
    const tolerance = 1e-9 * Math.max(1, Math.abs(mean), deviation)
    if (Math.abs(Mean - mean) > tolerance || Math.abs(STD - deviation) > 1e-6 * Math.max(1, deviation))
      return `${name} is otherwise`
  }
  return undefined
}
