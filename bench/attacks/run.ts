/**
 * `npm run bench:attacks`: what programs reach that claim to be somebody, and how far people's typings are from copies
 * and from a robot's. Writes the figures in docs/threat-model.md; takes about five minutes.
 */
import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { build } from '../../scripts/build.ts'
import { PYTHON, PYTHON_ENV, ROOT, SERVICE } from '../../scripts/lib/processes.ts'
import { COPY } from '../../server/src/typings/copies.ts'
import { KEYS, LEAST } from '../../server/src/typings/regular.ts'
import { doubtAfter, pauseAfter } from '../../server/src/users/claims.ts'
import { FIRST_AND_LAST, prepareEnrolled } from '../../server/test/fixtures.ts'
import { quantile } from '../load.ts'
import { must, startServer } from '../measure.ts'
import { writeFigures } from '../report.ts'

const PORT = 18_091
const WORK = join(ROOT, 'node_modules', '.cache', 'keystroke', 'attacks')
const RECORDINGS = join(ROOT, '..', 'shared', 'data')
const REPORT = join(ROOT, 'docs', 'threat-model.md')
const SCRIPT = 'bench:attacks'
const DAY = 24 * 60 * 60_000

/** What attacks.py prints. A number of calls is null where none matched. */
interface Attacks {
  users: number
  guesses: (number | null)[]
  answeredADay: number
  daysForged: number
  daysForgedUndoubted: number
  /** Shares of own claims, of one typing, two and three, after no failure, one, two and more. */
  refused: number[][]
  counted: [answered: number, matched: boolean][]
  climbs: (number | null)[]
  searches: (number | null)[]
  /** By jitter; null where their own typing did not match. */
  accepted: (Record<string, Outcome> | null)[]
  enrolled: Record<string, Outcome>[]
}
type Outcome = 'refused' | 'matched' | 'failed'

/** What recordings.py prints of one file. */
interface Recordings {
  name: string
  keys: number
  typings: number
  users: number
  leastHolds: number
  leastPresses: number
  flagged: number[]
  pairs: number
  nearest: number
  near: number
  refused: number
  /** Of one user. */
  refusedMost: number
  copies: Record<string, number>
}

await rm(WORK, { recursive: true, force: true })
await mkdir(WORK, { recursive: true })
await must(build())
const attacks = await attack(await prepareEnrolled(FIRST_AND_LAST))
const files = existsSync(RECORDINGS) ? await readdir(RECORDINGS) : []
const recordings: Recordings[] = JSON.parse(
  await python(
    'recordings.py',
    `${COPY}`,
    `${LEAST.HT}`,
    `${LEAST.PPT}`,
    `${KEYS}`,
    ...files
      .filter((name) => name.endsWith('.csv'))
      .sort()
      .map((name) => join(RECORDINGS, name)),
    join(ROOT, 'data', 'sample.csv')
  )
)
await writeFigures(REPORT, 'attacks', SCRIPT, describeAttacks(attacks))
await writeFigures(REPORT, 'own', SCRIPT, describeOwn(attacks))
await writeFigures(REPORT, 'recordings', SCRIPT, describeRecordings(recordings))

/** Attack the service, as it ships, with keys. */
async function attack(folder: string): Promise<Attacks> {
  const [key, admin] = [randomBytes(32).toString('hex'), randomBytes(32).toString('hex')]
  const hash = (text: string) => createHash('sha256').update(text).digest('hex')
  const server = await startServer(
    {
      name: 'the service',
      command: [process.execPath, ...SERVICE],
      env: {
        MODELS_DIR: folder,
        USERS_DB: join(WORK, 'users.db'),
        API_KEY_SHA256: hash(key),
        ADMIN_KEY_SHA256: hash(admin),
        PORT: String(PORT),
        NODE_ENV: 'production'
      }
    },
    PORT
  )
  const day: number[] = []
  for (let at = 0; at < DAY; at += pauseAfter(day.length)) day.push(doubtAfter(day.length))
  try {
    return JSON.parse(await python('attacks.py', folder, server.url, key, admin, JSON.stringify(day)))
  } finally {
    server.child.kill('SIGKILL')
  }
}

function describeAttacks(found: Attacks): string {
  const count = (calls: readonly (number | null)[], most = Number.POSITIVE_INFINITY) =>
    calls.filter((call) => call !== null && call <= most).length
  const median = (calls: readonly (number | null)[]) =>
    quantile(
      calls.map((call) => call ?? Number.POSITIVE_INFINITY),
      0.5
    )
  const of = (calls: readonly (number | null)[]) =>
    `${count(calls)} of ${found.users}, median ${median(calls)}`
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`
  const answered = Math.max(...found.counted.map(([calls]) => calls))
  const matched = found.counted.filter(([, isMatch]) => isMatch).length
  const jitters = Object.keys(found.enrolled[0]!)
  const outcomes = (tried: readonly (Record<string, Outcome> | null)[], jitter: string) => {
    const all = tried.flatMap((each) => (each ? [each[jitter]] : []))
    return ['refused', 'matched', 'failed']
      .map((outcome) => all.filter((each) => each === outcome).length)
      .join(' / ')
  }
  const accepted = found.accepted.filter(Boolean).length
  return [
    `\`npm run bench:attacks\` on \`${FIRST_AND_LAST === 'challenge' ? 'Train_keystroke.csv' : 'sample.csv'}\`: the service as it ships, trained on every other user; the other ${found.users} are enrolled with five typings each and attacked by programs that know how the trained users type. ${cpus()[0]!.model.trim()}, Node.js ${process.version}.`,
    '',
    '| attack | by | users forged, and calls |',
    '| --- | --- | --- |',
    `| guesses, up to 1,000 for each user | an administrator’s key: no claim is counted | ${of(found.guesses)} |`,
    `| hill-climbing the score | an administrator’s key: scores are shown | ${of(found.climbs)} |`,
    `| guesses until the user is paused | a calling key | ${matched} of ${found.users}; at most ${answered} were answered |`,
    `| guesses for a day, ${found.answeredADay} answered | a calling key | in ${percent(found.daysForged)} of the days; without raising what a match needs it would be ${percent(found.daysForgedUndoubted)} |`,
    `| guesses at \`/identify\` until it names the user, then one claim | a calling key | ${of(found.searches)} |`,
    '',
    'The guesses of a day are those of the first row, read as the service would count them; nobody waits for a day here.',
    '',
    `| a copy, each time moved by up to | of an accepted typing: refused / matched / failed (${accepted} users) | of an enrolled one (${found.users} users) |`,
    '| --- | --- | --- |',
    ...jitters.map(
      (jitter) =>
        `| ${jitter} ms | ${outcomes(found.accepted, jitter)} | ${outcomes(found.enrolled, jitter)} |`
    )
  ].join('\n')
}

function describeOwn({ users, refused }: Attacks): string {
  return [
    `| own claims of these ${users} users that fail | ${refused[0]!.map((_, failures) => ['none failed before', 'one', 'two', 'three or more'][failures]).join(' | ')} |`,
    `| --- |${' --- |'.repeat(refused[0]!.length)}`,
    ...refused.map(
      (shares, i) =>
        `| ${['one typing', 'two together', 'three together'][i]} | ${shares.map((share) => `${(100 * share).toFixed(1)} %`).join(' | ')} |`
    )
  ].join('\n')
}

function describeRecordings(found: readonly Recordings[]): string {
  const numbers = new Intl.NumberFormat('en')
  const total = (of: (each: Recordings) => number) =>
    numbers.format(found.reduce((sum, each) => sum + of(each), 0))
  return [
    `Copies are nearer than ${COPY} ms (mean absolute difference of hold and press-press times). *Nearest* is the nearest pair of one person’s typings; *taken for copies* the share of typings with such a one among the user’s 50 before, of all users and of the one with the most. A robot’s typing, of ${KEYS} keys or more, has a standard deviation of less than ${LEAST.HT} ms in its holds or ${LEAST.PPT} ms between its presses; *taken for robots* is how many are at times to the millisecond, and in steps of 8, 16.7 and 33 ms.`,
    '',
    '| recordings | keys | typings | pairs of own | nearest, ms | taken for copies | least deviation of holds / between presses, ms | taken for robots |',
    '| --- | --- | --- | --- | --- | --- | --- | --- |',
    ...found.map((each) =>
      [
        '',
        each.name === 'sample' ? 'sample (synthetic)' : each.name,
        each.keys,
        numbers.format(each.typings),
        numbers.format(each.pairs),
        each.nearest.toFixed(1),
        `${(100 * each.refused).toFixed(2)} / ${(100 * each.refusedMost).toFixed(1)} %`,
        `${each.leastHolds.toFixed(1)} / ${each.leastPresses.toFixed(1)}`,
        each.flagged.join(' / '),
        ''
      ]
        .join(' | ')
        .trim()
    ),
    '',
    `In all ${total(({ typings }) => typings)} typings and ${total(({ pairs }) => pairs)} pairs. Of copies whose times are moved by up to ${Object.keys(found[0]!.copies).join(', ')} ms, ${Object.values(
      found[0]!.copies
    )
      .map((share) => `${(100 * share).toFixed(0)} %`)
      .join(', ')} are nearer (${found[0]!.name}).`
  ].join('\n')
}

/** @returns what a script of this folder prints */
async function python(script: string, ...args: string[]): Promise<string> {
  const child = spawn(PYTHON, [join(import.meta.dirname, script), ...args], {
    cwd: ROOT,
    env: { ...PYTHON_ENV, OMP_NUM_THREADS: '1' },
    stdio: ['ignore', 'pipe', 'inherit']
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    output += chunk
  })
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`${script} failed; see above`)
  return output
}
