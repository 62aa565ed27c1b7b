/**
 * Load models as the service does, and write what they answer to rows around the golden ones: `answer.ts FOLDER`.
 * Ends with 3 and the sentence that the service would end with, if they are refused.
 */
import { serialize } from 'node:v8'
import { goldenRows } from '../../server/src/models/golden.ts'
import { loadModels } from '../../server/src/models/load.ts'
import { ModelsError } from '../../server/src/models/manifest.ts'
import type { Answer } from '../../server/src/models/model.ts'
import { MODEL_NAMES } from '../../server/src/schemas/manifest.ts'
import { Random } from '../random.ts'
import type { Answers } from './answers.ts'

/** How far off the numbers of a row are, at most, each time it is asked. */
const SPREADS = [0, 0.1, 0.33, 0.66]

/** Typings that somebody is enrolled with. */
const ENROLLED = 3

const models = await loadModels(process.argv[2]!).catch((error: unknown) => {
  if (!(error instanceof ModelsError)) throw error
  console.error(error.message)
  process.exit(3)
})
const random = new Random(1)
const answers: Answers = {}
for (const name of MODEL_NAMES) {
  const golden = goldenRows(models.manifest, name)
  const model = models.byName[name]
  const rows = SPREADS.flatMap((spread) => {
    const factor = () => 1 + spread * (2 * random.next() - 1)
    return golden.map((row) => {
      // A typing is faster or slower as a whole, so that no key is released before it is pressed.
      const pace = factor()
      return Array.from(row, (number) => number * (model.input === 'times' ? pace : factor()))
    })
  })
  answers[name] = gather(await model.run({ rows, wantsScores: true }))
  if (name === 'typing') {
    const { plda, laplace } = await models.enrollment.enroll(rows.slice(-ENROLLED))
    answers.template = { labels: [], scores: Float32Array.from([...plda, ...laplace]) }
    const { enrolled } = models.templates.gallery()
    answers.enrolled = { labels: [], scores: Float32Array.from(enrolled) }
    answers.shortlist = gather(await models.byName.typing.runShortlisted({ rows, wantsScores: true }))
  }
}
process.stdout.write(serialize(answers), () => process.exit())

function gather(answered: readonly Answer[]): Answers[string] {
  return {
    labels: answered.map(({ UserID }) => String(UserID)),
    scores: Float32Array.from(answered.flatMap(({ scores }) => Array.from(scores)))
  }
}
