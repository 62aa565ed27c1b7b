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
import { COPY, RESHAPED } from '../../server/src/typings/copies.ts'
import { KEYS, LEAST } from '../../server/src/typings/regular.ts'
import { doubtAfter, doubtOfSearch, WRONG_A_DAY } from '../../server/src/users/claims.ts'
import { MOST_SEARCHES } from '../../server/src/users/searches.ts'
import { FIRST_AND_LAST, prepareEnrolled } from '../../server/test/fixtures.ts'
import { quantile } from '../load.ts'
import { must, startServer } from '../measure.ts'
import { writeFigures } from '../report.ts'

const PORT = 18_091
const WORK = join(ROOT, 'node_modules', '.cache', 'keystroke', 'attacks')
const RECORDINGS = join(ROOT, '..', 'shared', 'data')
const REPORT = join(ROOT, 'docs', 'threat-model.md')
const SCRIPT = 'bench:attacks'

/** Copies that matched while only the mean difference of all times was compared, as was measured then. */
const MATCHED_BEFORE: Record<string, string> = {
  'as it is': '0 of 55',
  'a pause of 151 ms in the middle': '55 of 55',
  'every release 12 ms later': '54 of 55',
  'all times 1.1 times as long': '54 of 55',
  'press times of one, hold times of another': '50 of 55'
}

/** What attacks.py prints. A number of calls is null where none matched. */
interface Attacks {
  users: number
  guesses: (number | null)[]
  answeredADay: number
  daysForged: number
  daysForgedUndoubted: number
  /** Shares of own claims, of one typing, two and three, after no failure, one, two and more. */
  refused: number[][]
  counted: Counted[]
  climbs: (number | null)[]
  /** Guesses around log-ins of the user. */
  loggedIn: Counted[]
  /** By a calling key, and by one that identifies. */
  ranks: (number | null)[][]
  ranksOfAdmin: (number | null)[]
  /** Trained users, by guesses that all classifiers take for theirs. */
  screened: Counted[]
  daysSearched: number
  tricks: Record<string, Outcome>[]
  /** By jitter; null where their own typing did not match. */
  accepted: (Record<string, Outcome> | null)[]
  enrolled: Record<string, Outcome>[]
}
type Counted = [answered: number, matched: boolean]
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
  nearestReshaped: number
  reshaped: number
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
    `${RESHAPED}`,
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
  const [key, identify, admin] = [1, 2, 3].map(() => randomBytes(32).toString('hex')) as [
    string,
    string,
    string
  ]
  const hash = (text: string) => createHash('sha256').update(text).digest('hex')
  const server = await startServer(
    {
      name: 'the service',
      command: [process.execPath, ...SERVICE],
      env: {
        MODELS_DIR: folder,
        USERS_DB: join(WORK, 'users.db'),
        API_KEY_SHA256: hash(key),
        IDENTIFY_KEY_SHA256: hash(identify),
        ADMIN_KEY_SHA256: hash(admin),
        // The attacks would only take longer.
        CALLS_PER_MINUTE: '0',
        PORT: String(PORT),
        NODE_ENV: 'production'
      }
    },
    PORT
  )
  // The pauses after ten failures in a row come to less than a day.
  const day = Array.from({ length: WRONG_A_DAY }, (_, wrong) => doubtAfter(wrong))
  const searches = Array.from({ length: 24 * MOST_SEARCHES }, (_, count) => doubtOfSearch(count))
  const args = [folder, server.url, key, identify, admin, JSON.stringify(day), JSON.stringify(searches)]
  try {
    return JSON.parse(await python('attacks.py', ...args))
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
  const counted = (tried: readonly Counted[]) =>
    `${tried.filter(([, isMatch]) => isMatch).length} of ${tried.length}; at most ${Math.max(...tried.map(([calls]) => calls))} were answered`
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
    '| attack | by | users forged, and calls | before |',
    '| --- | --- | --- | --- |',
    `| guesses, up to 1,000 for each user | an administrator’s key: no claim is counted | ${of(found.guesses)} | the same |`,
    `| climbing the score of \`/verify\` | an administrator’s key: scores are shown | ${of(found.climbs)} | the same |`,
    `| climbing the user’s rank at \`/identify\` | an administrator’s key: ranks are shown | ${of(found.ranksOfAdmin)} | any key: 55 of 55, median 35 |`,
    `| climbing the user’s rank at \`/identify\` | a calling key: 403 | ${count(found.ranks[0]!)} of ${found.users} | 55 of 55, median 35 |`,
    `| climbing the user’s rank at \`/identify\` | a key that may identify: gets no ranks | ${count(found.ranks[1]!)} of ${found.users} | 55 of 55, median 35 |`,
    `| a day of guesses at \`/identify\`, ${24 * MOST_SEARCHES} unknown; each that names the user is claimed | a key that may identify | in ${percent(found.daysSearched)} of the days | 37 of 55, median 438 calls |`,
    `| guesses until the user is paused | a calling key | ${counted(found.counted)} | 0 of 55; 5 answered |`,
    `| a day of guesses, ${found.answeredADay} answered | a calling key | in ${percent(found.daysForged)} of the days; without raising what a match needs it would be ${percent(found.daysForgedUndoubted)} | 1.6 % |`,
    `| four guesses, a log-in of the user, four more, and so on | a calling key | ${counted(found.loggedIn)} | two more after each log-in, for ever |`,
    `| guesses that RF, XGB and SVM all take for the user, until the user is paused; trained users | a calling key | ${counted(found.screened)} | not measured |`,
    '',
    'The guesses of a day are those of the first row, and of as many at `/identify`, read as the service would count them; nobody waits for a day here.',
    '',
    `| a copy, each time moved by up to | of an accepted typing: refused / matched / failed (${accepted} users) | of an enrolled one (${found.users} users) |`,
    '| --- | --- | --- |',
    ...jitters.map(
      (jitter) =>
        `| ${jitter} ms | ${outcomes(found.accepted, jitter)} | ${outcomes(found.enrolled, jitter)} |`
    ),
    '',
    `| a copy of an enrolled typing (${found.users} users) | refused / matched / failed | matched before |`,
    '| --- | --- | --- |',
    ...Object.keys(found.tricks[0]!).map(
      (trick) =>
        `| ${trick} | ${outcomes(found.tricks, trick)} | ${MATCHED_BEFORE[trick] ?? 'not measured'} |`
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
    `Copies are nearer than ${COPY} ms (mean absolute difference of hold and press-press times), or nearer than ${RESHAPED} ms *reshaped*: press-press times at the same speed, holds without a constant offset, and of all differences the smallest 60 % alone. So are typings whose holds are that near to those of one and whose press-press times to those of another. *Nearest* is the nearest pair of one person’s typings; *taken for copies* the share of typings with such a one among the user’s 50 before: as they are (of all users, of the one with the most), and reshaped. A robot’s typing, of ${KEYS} keys or more, has a standard deviation of less than ${LEAST.HT} ms in its holds or ${LEAST.PPT} ms between its presses; *taken for robots* is how many are at times to the millisecond, and in steps of 8, 16.7 and 33 ms.`,
    '',
    '| recordings | keys | typings | pairs of own | nearest / reshaped, ms | taken for copies; reshaped | least deviation of holds / between presses, ms | taken for robots |',
    '| --- | --- | --- | --- | --- | --- | --- | --- |',
    ...found.map((each) =>
      [
        '',
        each.name === 'sample' ? 'sample (synthetic)' : each.name,
        each.keys,
        numbers.format(each.typings),
        numbers.format(each.pairs),
        `${each.nearest.toFixed(1)} / ${each.nearestReshaped.toFixed(1)}`,
        `${(100 * each.refused).toFixed(2)} / ${(100 * each.refusedMost).toFixed(1)}; ${(100 * each.reshaped).toFixed(2)} %`,
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
