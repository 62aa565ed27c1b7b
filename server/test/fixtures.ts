/** Models for the tests, trained once by the real notebook, and what Python says of the same rows. */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { PYTHON, PYTHON_ENV, ROOT, run } from '../../scripts/processes.ts'
import { train } from '../../scripts/train.ts'
import { buildApp } from '../src/app.ts'
import { loadModels } from '../src/models.ts'
import type { Features, ModelName, Typing, UserID } from '../src/schemas.ts'

const CACHE = join(ROOT, 'node_modules', '.cache', 'keystroke')

const CSVS = {
  sample: join(ROOT, 'data', 'sample.csv'),
  /** The challenge's own data: its licence is unknown, so it is not in the repository. */
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
  users: Record<ModelName, UserID[]>
  best: Record<ModelName, { UserID: UserID; Score: number }[][]>
  classes: UserID[]
  /** What the typing model says of some typings, read together. */
  typingModel: {
    rows: number[]
    probabilities: number[]
    evidence: number[]
    threshold: number
    known: boolean
  }[]
  /** Whom the typing model names for each typing. */
  typingModelUsers: UserID[]
}

/** Train every fixture whose data is there, unless it was since the code or data changed; each takes one core. */
export async function prepareFixtures(): Promise<void> {
  const names = (Object.keys(CSVS) as FixtureName[]).filter((name) => existsSync(CSVS[name]))
  await Promise.all([...names.map(prepareFixture), prepareFirstAndLast(FIRST_AND_LAST)])
}

async function prepareFixture(name: FixtureName): Promise<void> {
  if (existsSync(folder(name))) return
  console.error(`Training the models that the server's tests ask, on ${CSVS[name]}`)
  await mkdir(CACHE, { recursive: true })
  const scratch = await mkdtemp(join(CACHE, 'training-'))
  const trained = await train([CSVS[name], '--models', scratch])
  const asked = await run(PYTHON, ['server/test/oracle.py', CSVS[name], join(scratch, 'oracle.json')], {
    env: PYTHON_ENV
  })
  if (trained !== 0 || asked !== 0) throw new Error(`no models of ${CSVS[name]} to test with`)
  await rename(scratch, folder(name))
}

/**
 * Train on the first three quarters of each user's typings, unless it was done since the code or data changed.
 *
 * @returns the folder of manifest.json, models and last.json, which has the other quarter
 */
export async function prepareFirstAndLast(name: FixtureName): Promise<string> {
  const prepared = `${folder(name)}-first`
  if (existsSync(prepared)) return prepared
  await mkdir(CACHE, { recursive: true })
  const scratch = await mkdtemp(join(CACHE, 'training-'))
  const split = await run(PYTHON, ['server/test/first_and_last.py', CSVS[name], scratch], { env: PYTHON_ENV })
  if (split !== 0 || (await train([join(scratch, 'first.csv'), '--models', scratch])) !== 0) {
    throw new Error(`no models of the first typings of ${CSVS[name]} to test with`)
  }
  await rename(scratch, prepared)
  return prepared
}

/** Folder of manifest.json and models. */
export function folder(name: FixtureName): string {
  const digest = createHash('sha256').update(readFileSync(CSVS[name]))
  const string = CSVS[name].replace(/csv$/, 'txt')
  if (existsSync(string)) digest.update(readFileSync(string))
  const sources = join(ROOT, 'notebook', 'keystroke')
  for (const file of readdirSync(sources).sort()) {
    if (file.endsWith('.py')) digest.update(readFileSync(join(sources, file)))
  }
  for (const file of ['notebook/train.ipynb', 'notebook/requirements.txt', 'server/test/oracle.py']) {
    digest.update(readFileSync(join(ROOT, file)))
  }
  return join(CACHE, `${name}-${digest.digest('hex').slice(0, 12)}`)
}

export const csv = (name: FixtureName): Buffer => readFileSync(CSVS[name])

export const oracle = (name: FixtureName): Oracle =>
  JSON.parse(readFileSync(join(folder(name), 'oracle.json'), 'utf8'))

/** The app that production runs, on a fixture's models, ready. */
export async function readyApp(name: FixtureName = 'sample') {
  const models = loadModels(folder(name))
  const app = await buildApp({ models })
  await models
  return app
}

/** The challenge's own example of a request. */
export const REQUEST = {
  Model: 'RF',
  HT: { Mean: 48.43, STD: 23.34 },
  PPT: { Mean: 120.43, STD: 37.41 },
  RRT: { Mean: 124.43, STD: 45.34 },
  RPT: { Mean: 132.56, STD: 47.12 }
}

export function typing(from: Oracle, row: number): Typing {
  return { Press: from.press[row]!, Release: from.release[row]! }
}

/** A row of the oracle's features in the form of a request. */
export function features(from: Oracle, row: number): Features {
  const [a, b, c, d, e, f, g, h] = from.features[row] as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number
  ]
  return {
    HT: { Mean: a, STD: b },
    PPT: { Mean: c, STD: d },
    RRT: { Mean: e, STD: f },
    RPT: { Mean: g, STD: h }
  }
}
