/**
 * Models for the tests, made once of the code and data that they depend on, and what Python says of the same rows.
 * Importing this makes what is missing, so that each test file runs alone.
 */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { PYTHON, PYTHON_ENV, ROOT, run } from '../../scripts/lib/processes.ts'
import { type AppOptions, buildApp } from '../src/app.ts'
import { loadModels } from '../src/models/load.ts'
import type { UserID } from '../src/schemas/common.ts'
import { EXAMPLE_FEATURES, type Features } from '../src/schemas/features.ts'
import type { ClassifierName } from '../src/schemas/predict.ts'
import type { Typing } from '../src/schemas/typing.ts'
import { toFeatures } from '../src/typings/rows.ts'

const CACHE = join(ROOT, 'node_modules', '.cache', 'keystroke')

const CSVS = {
  sample: join(ROOT, 'data', 'sample.csv'),
  /** The challenge's own data: its license is unknown, so it is not in the repository. */
  challenge: join(ROOT, '..', 'shared', 'data', 'Train_keystroke.csv')
}
export type FixtureName = keyof typeof CSVS

/** Why a test that needs the challenge's data is skipped; false where the data is there. */
export const withoutChallenge = existsSync(CSVS.challenge)
  ? false
  : 'the challenge’s data, ../shared/data/Train_keystroke.csv, is not here'

/** Whose typings are split by time: people's where they are here. */
export const FIRST_AND_LAST: FixtureName = withoutChallenge === false ? 'challenge' : 'sample'

export interface Oracle {
  true: UserID[]
  press: number[][]
  release: number[][]
  features: number[][]
  users: Record<ClassifierName, UserID[]>
  best: Record<ClassifierName, { UserID: UserID; Score: number }[][]>
  classes: UserID[]
  /** What the typing model says of some typings, read together. */
  typingModel: {
    rows: number[]
    probabilities: number[]
    evidence: number[]
    /** Of each user: the evidence that a match needs. */
    thresholds: number[]
    known: boolean
  }[]
  /** Whom the typing model names for each typing. */
  typingModelUsers: UserID[]
}

/** Make every fixture whose data is here; each takes one core. */
export async function prepareFixtures(): Promise<void> {
  await Promise.all([
    ...here().map(prepareFixture),
    prepareFirstAndLast(FIRST_AND_LAST),
    prepareEnrolled(FIRST_AND_LAST)
  ])
}

const here = () => (Object.keys(CSVS) as FixtureName[]).filter((name) => existsSync(CSVS[name]))

/** Make a fixture, unless it was made since the code or data changed. */
function prepareFixture(name: FixtureName): Promise<void> {
  return makeOnce(folder(name), async (scratch) => {
    console.error(`Making the models that the server's tests ask, of ${CSVS[name]}`)
    await python('server/test/fixture.py', CSVS[name], scratch)
  })
}

/**
 * Train on the first three quarters of each user's typings, unless it was done since the code or data changed.
 *
 * @returns the folder of manifest.json, models and last.json, which has the other quarter
 */
export async function prepareFirstAndLast(name: FixtureName): Promise<string> {
  const prepared = `${folder(name)}-first`
  await makeOnce(prepared, async (scratch) => {
    console.error(`Making the models of the first typings of ${CSVS[name]}`)
    await python('server/test/first_and_last.py', CSVS[name], scratch)
    await python('server/test/fixture.py', join(scratch, 'first.csv'), scratch)
  })
  return prepared
}

/**
 * Train on every other user, unless it was done since the code or data changed.
 *
 * @returns the folder of manifest.json, models and enrolled.json, which has the other users
 */
export async function prepareEnrolled(name: FixtureName): Promise<string> {
  const prepared = `${folder(name)}-enrolled`
  await makeOnce(prepared, async (scratch) => {
    console.error(`Making the models of every other user of ${CSVS[name]}`)
    await python('server/test/enrolled.py', CSVS[name], scratch)
    await python('server/test/fixture.py', join(scratch, 'trained.csv'), scratch)
  })
  return prepared
}

/** Make a folder that is whole or not there; another process may make the same at the same time and win. */
async function makeOnce(path: string, make: (scratch: string) => Promise<void>): Promise<void> {
  if (existsSync(path)) return
  await mkdir(CACHE, { recursive: true })
  const scratch = await mkdtemp(join(CACHE, 'making-'))
  try {
    await make(scratch)
    await rename(scratch, path).catch((error) => {
      if (!existsSync(path)) throw error
    })
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

async function python(...args: string[]): Promise<void> {
  const env = { ...PYTHON_ENV, OMP_NUM_THREADS: '1' }
  // Tests write TAP to standard output.
  const code = await run(PYTHON, args, { env, stdio: ['ignore', 2, 2] })
  if (code !== 0) throw new Error(`python ${args.join(' ')} failed; see above`)
}

/** Folder of manifest.json and models. */
export function folder(name: FixtureName): string {
  const digest = createHash('sha256').update(readFileSync(CSVS[name]))
  const string = CSVS[name].replace(/csv$/, 'txt')
  if (existsSync(string)) digest.update(readFileSync(string))
  const sources = join(ROOT, 'notebook', 'keystroke')
  for (const file of (readdirSync(sources, { recursive: true }) as string[]).sort()) {
    if (file.endsWith('.py')) digest.update(readFileSync(join(sources, file)))
  }
  for (const file of [
    'models/manifest.schema.json',
    'notebook/requirements.txt',
    'server/test/fixture.py',
    'server/test/first_and_last.py',
    'server/test/enrolled.py'
  ]) {
    digest.update(readFileSync(join(ROOT, file)))
  }
  return join(CACHE, `${name}-${digest.digest('hex').slice(0, 12)}`)
}

export const csv = (name: FixtureName): Buffer => readFileSync(CSVS[name])

export const oracle = (name: FixtureName): Oracle =>
  JSON.parse(readFileSync(join(folder(name), 'oracle.json'), 'utf8'))

/** The app that production runs, on a fixture's models, ready. */
export async function readyApp(name: FixtureName = 'sample', options: Partial<AppOptions> = {}) {
  const models = loadModels(folder(name))
  const app = await buildApp({ models, ...options })
  await models
  // Users of a store are read after the models.
  while (options.store && (await app.inject('/health/ready')).statusCode !== 200) await setTimeout(10)
  return app
}

/** The challenge's own example of a request. */
export const REQUEST = { Model: 'RF', ...EXAMPLE_FEATURES }

export function typing(from: Oracle, row: number): Typing {
  return { Press: from.press[row]!, Release: from.release[row]! }
}

/** A row of the oracle's features in the form of a request. */
export const features = (from: Oracle, row: number): Features => toFeatures(from.features[row]!)

await Promise.all(here().map(prepareFixture))
