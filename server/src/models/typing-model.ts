import type { InferenceSession } from 'onnxruntime-node'
import type { UserID } from '../schemas/common.ts'
import { Batcher } from './batcher.ts'
import { narrow, type UserGallery } from './gallery.ts'
import { type Answer, MAX_BATCH, MAX_ROWS_PER_RUN, Model, type Question, toTensor } from './model.ts'

/** Users from which on a typing is scored for the likeliest alone; up to there one run with all costs no more than two. */
const MANY = 1_000

/** Rows times users of a run of the shortlist at most, some 15 ms, for others wait meanwhile. */
const MOST_CELLS = 800_000

/** Typings of one person. */
export interface TypingQuestion extends Question {
  /** Somebody who is to be scored however unlikely they are. */
  claimed?: UserID
}

/**
 * The typing model. Of many users it finds the likeliest by the half of the score that is one matrix product, and
 * scores these alone, beside the trained users, whom every score is compared with.
 */
export class TypingModel extends Model<UserGallery> {
  readonly #shortlist: InferenceSession
  readonly #batcher = new Batcher<TypingQuestion, UserGallery>(
    (questions) => this.#narrow(questions),
    MAX_BATCH
  )

  /**
   * @param session - from times and templates to the outputs label and scores
   * @param shortlist - from times and the matrix plda to the output users, rows of that matrix
   */
  constructor(session: InferenceSession, shortlist: InferenceSession, gallery: UserGallery) {
    super(session, 'times', gallery)
    this.#shortlist = shortlist
  }

  /** As `Model.ask`; all answers are of one gallery. */
  override async ask(question: TypingQuestion, isCancelled?: () => boolean): Promise<Answer<UserGallery>[]> {
    if (this.gallery.classes.length < MANY) return super.ask(question, isCancelled)
    return super.run(question, await this.#batcher.ask(question, isCancelled))
  }

  /** As `Model.run`; without a gallery the rows are of several people, and each answer has its own. */
  override async run(question: Question, gallery?: UserGallery): Promise<Answer<UserGallery>[]> {
    if (gallery !== undefined || this.gallery.classes.length < MANY) return super.run(question, gallery)
    const questions = question.rows.map((row) => ({ ...question, rows: [row] }))
    const answers: Answer<UserGallery>[] = []
    for (const [i, narrowed] of (await this.#narrow(questions)).entries()) {
      answers.push(...(await super.run(questions[i]!, narrowed)))
    }
    return answers
  }

  override async close(): Promise<void> {
    await Promise.all([super.close(), this.#shortlist.release()])
  }

  /** Find whom to score for each question. */
  async #narrow(questions: readonly TypingQuestion[]): Promise<UserGallery[]> {
    const { gallery } = this
    const plda = gallery.templates.plda!
    const rows = questions.flatMap(({ rows }) => rows)
    const most = Math.max(1, Math.min(MAX_ROWS_PER_RUN, Math.floor(MOST_CELLS / gallery.classes.length)))
    const lists: number[][] = []
    for (let first = 0; first < rows.length; first += most) {
      const times = toTensor('times', rows.slice(first, first + most))
      const { users } = await this.#shortlist.run({ times, plda })
      const [count, listed] = users!.dims as [number, number]
      const numbers = Array.from(users!.data as BigInt64Array, Number)
      for (let row = 0; row < count; row++) lists.push(numbers.slice(row * listed, (row + 1) * listed))
    }
    let first = 0
    return questions.map(({ rows: { length }, claimed }) => {
      const likeliest = lists.slice(first, first + length).flat()
      first += length
      const index = claimed === undefined ? undefined : gallery.classOf(claimed)
      // One who was replaced since has a row past these, and is asked about again.
      if (index !== undefined && index < plda.dims[0]!) likeliest.push(index)
      return narrow(gallery, likeliest)
    })
  }
}
