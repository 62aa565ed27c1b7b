/**
 * Damage model files together with their hash in the manifest, a byte each time, and load them as the service does:
 * `npm run bench:damage [-- TRIES SEED]`. Golden rows alone can tell then. Puts the table into docs/reliability.md.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { deserialize } from 'node:v8'
import { ROOT } from '../../scripts/lib/processes.ts'
import { readManifest } from '../../server/src/models/manifest.ts'
import type { ModelFile } from '../../server/src/schemas/manifest.ts'
import { MODELS, tsx } from '../measure.ts'
import { Random } from '../random.ts'
import { writeFigures } from '../report.ts'
import type { Answers } from './answers.ts'

/** Of a probability; of a log-likelihood ratio or a template's number, as much as parity allows (keystroke/models/table.py). */
const SAME = { RF: 1e-4, XGB: 1e-4, typing: 1e-3, shortlist: 1e-3, template: 1e-3, enrolled: 0 }

const OUTCOMES = [
  'not a model',
  'other tensors',
  'a golden row',
  'the process',
  'the same',
  'otherwise'
] as const
type Outcome = (typeof OUTCOMES)[number]

const [tries = '110', seed = '1'] = process.argv.slice(2)
const random = new Random(Number(seed))
const folder = await mkdtemp(join(tmpdir(), 'keystroke-damage-'))
try {
  await cp(MODELS, folder, { recursive: true })
  const path = join(folder, 'manifest.json')
  const text = await readFile(path, 'utf8')
  const { models } = await readManifest(folder)
  const { typing, ...classifiers } = models
  const files: Record<string, ModelFile> = {
    ...classifiers,
    typing,
    'typing, enroll': typing.enroll,
    'typing, shortlist': typing.shortlist,
    'typing, templates': typing.templates
  }
  const names = Object.keys(files)
  const whole = ask().answers!
  const counts = Object.fromEntries(
    names.map((name) => [name, Object.fromEntries(OUTCOMES.map((outcome) => [outcome, 0]))])
  ) as Record<string, Record<Outcome, number>>
  let longest = 0
  for (let i = 0; i < Number(tries); i++) {
    const name = names[i % names.length]!
    const { file, sha256 } = files[name]!
    const bytes = await readFile(join(folder, file))
    const damaged = Buffer.from(bytes)
    const place = random.below(bytes.length)
    damaged[place]! ^= 1 + random.below(255)
    await writeFile(join(folder, file), damaged)
    await writeFile(path, text.replace(sha256, createHash('sha256').update(damaged).digest('hex')))
    const { outcome, said } = judge(whole)
    counts[name]![outcome]++
    longest = Math.max(longest, said.length)
    console.log(`${i + 1}  ${name}, byte ${place}: ${outcome}  ${said.join(' | ').slice(0, 200)}`)
    await writeFile(join(folder, file), bytes)
  }
  const rows = names.map((name) => {
    const all = OUTCOMES.map((outcome) => counts[name]![outcome])
    return `| ${name} | ${all.reduce((sum, count) => sum + count, 0)} | ${all.join(' | ')} |`
  })
  const table = [
    '| file | damaged | refused: does not load or run | other tensors | a golden row differs | ended by ONNX Runtime | served, the same answers | served, others |',
    `|${' --- |'.repeat(8)}`,
    ...rows
  ].join('\n')
  console.log(`${table}\nMost lines that one refusal printed: ${longest}`)
  await writeFigures(join(ROOT, 'docs', 'reliability.md'), 'damage', 'bench:damage', table)
} finally {
  await rm(folder, { recursive: true, force: true })
}

function ask(): { answers?: Answers; status: number | null; said: string[] } {
  const [command, ...args] = tsx('damage/answer.ts')
  const { status, stdout, stderr } = spawnSync(command!, [...args, folder], {
    timeout: 60_000,
    maxBuffer: 1e8
  })
  const said = String(stderr).split('\n').filter(Boolean)
  return status === 0 ? { answers: deserialize(stdout) as Answers, status, said } : { status, said }
}

function judge(whole: Answers): { outcome: Outcome; said: string[] } {
  const { answers, status, said } = ask()
  if (answers !== undefined) return { outcome: isSame(answers, whole) ? 'the same' : 'otherwise', said }
  if (status !== 3) return { outcome: 'the process', said }
  if (/is not a valid ONNX model|cannot be run/.test(said.at(-1)!)) return { outcome: 'not a model', said }
  return { outcome: /golden/.test(said.at(-1)!) ? 'a golden row' : 'other tensors', said }
}

function isSame(answers: Answers, whole: Answers): boolean {
  return Object.entries(whole).every(([name, { labels, scores }]) => {
    const found = answers[name]!
    const most = SAME[name as keyof typeof SAME]
    return (
      labels.every((label, row) => label === found.labels[row]) &&
      found.scores.length === scores.length &&
      // Votes of the SVM are compared by the label.
      (most === undefined || scores.every((score, i) => Math.abs(score - found.scores[i]!) <= most))
    )
  })
}
