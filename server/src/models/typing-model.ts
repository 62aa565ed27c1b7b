import { type InferenceSession, Tensor } from 'onnxruntime-node'
import type { UserID } from '../schemas/common.ts'
import { Batcher } from './batcher.ts'
import { narrow, type UserGallery } from './gallery.ts'
import {
  type Answer,
  MAX_BATCH,
  MAX_ROWS_PER_RUN,
  Model,
  type Question,
  type Row,
  toTensor
} from './model.ts'

/** Users from which on the likeliest alone are scored; of fewer it takes as long to find them. */
const MANY = 1_000

/** Rows times users of a run of the shortlist at most, some 15 ms, for others wait meanwhile. */
const MOST_CELLS = 800_000

/** Typings of one person. */
export interface TypingQuestion extends Question {
  /** Somebody who is to be scored however unlikely they are. */
  claimed?: UserID
}

/** What the shortlist's graph says of one row. */
interface Scored {
  /** Rows of the templates, of which one may be there twice. */
  users: readonly number[]
  scores: Float32Array
}

/**
 * The typing model. Of many users it scores those alone who are likeliest by the half of the score that is one
 * matrix product.
 */
export class TypingModel extends Model<UserGallery> {
  readonly #shortlist: InferenceSession
  readonly #batcher = new Batcher<TypingQuestion, Answer<UserGallery>[]>(
    (questions) => this.#answerAll(questions),
    MAX_BATCH
  )

  /**
   * @param session - from times and templates to the outputs label and scores
   * @param shortlist - the same with the input also, rows of the templates, and the output users for label
   */
  constructor(session: InferenceSession, shortlist: InferenceSession, gallery: UserGallery) {
    super(session, 'times', gallery)
    this.#shortlist = shortlist
  }

  /** As `Model.ask`; all answers are of the same classes. */
  override ask(question: TypingQuestion, isCancelled?: () => boolean): Promise<Answer<UserGallery>[]> {
    if (this.gallery.users < MANY) return super.ask(question, isCancelled)
    return this.#batcher.ask(question, isCancelled)
  }

  /** As `Model.run`; without a gallery the rows are of several people, and answers may be of other classes each. */
  override async run(question: Question, gallery?: UserGallery): Promise<Answer<UserGallery>[]> {
    if (gallery !== undefined || this.gallery.users < MANY) return super.run(question, gallery)
    return this.runShortlisted(question)
  }

  /** As `run`, however few users there are. */
  async runShortlisted(question: Question): Promise<Answer<UserGallery>[]> {
    const answers = await this.#answerAll(question.rows.map((row) => ({ ...question, rows: [row] })))
    return answers.flat()
  }

  override async close(): Promise<void> {
    await Promise.all([super.close(), this.#shortlist.release()])
  }

  async #answerAll(questions: readonly TypingQuestion[]): Promise<Answer<UserGallery>[][]> {
    const { gallery } = this
    const rows = questions.flatMap((question) => question.rows)
    const also = questions.flatMap(({ rows, claimed }) => {
      const user = claimed === undefined ? undefined : gallery.classOf(claimed)
      // Every row needs one: the first user, if nobody is claimed or the claimed user was replaced.
      const row = user !== undefined && user < gallery.templates.plda!.dims[0]! ? user : 0
      return rows.map(() => [row])
    })
    const scored = await this.#score(gallery, rows, also)
    const answers: Answer<UserGallery>[][] = []
    let first = 0
    for (const question of questions) {
      const { length } = question.rows
      const own = scored.slice(first, first + length)
      first += length
      answers.push(length === 1 ? [toAnswer(gallery, own[0]!)] : await this.#join(gallery, question, own))
    }
    return answers
  }

  /** Score everybody who is on the list of one of a person's typings for all of them. */
  async #join(gallery: UserGallery, { rows }: TypingQuestion, scored: readonly Scored[]) {
    const listed = [...new Set(scored.flatMap(({ users }) => users))]
    const again = await this.#score(
      gallery,
      rows,
      rows.map(() => listed)
    )
    return again.map(({ users, scores }) =>
      toAnswer(gallery, {
        users: users.slice(-listed.length),
        scores: scores.subarray(-listed.length)
      })
    )
  }

  /** @param also - as many users for each row, who are scored beside the likeliest */
  async #score(
    gallery: UserGallery,
    rows: readonly Row[],
    also: readonly (readonly number[])[]
  ): Promise<Scored[]> {
    const most = Math.max(1, Math.min(MAX_ROWS_PER_RUN, Math.floor(MOST_CELLS / gallery.classes.length)))
    const found: Scored[] = []
    for (let first = 0; first < rows.length; first += most) {
      const some = rows.slice(first, first + most)
      const others = also.slice(first, first + most)
      const { users, scores } = await this.#shortlist.run(
        {
          times: toTensor('times', some),
          ...gallery.templates,
          also: new Tensor(BigInt64Array.from(others.flat(), BigInt), [some.length, others[0]!.length])
        },
        ['users', 'scores']
      )
      const S = users!.dims[1]!
      for (let row = 0; row < some.length; row++) {
        found.push({
          users: Array.from((users!.data as BigInt64Array).subarray(row * S, (row + 1) * S), Number),
          scores: (scores!.data as Float32Array).subarray(row * S, (row + 1) * S)
        })
      }
    }
    return found
  }
}

/** Put what was scored, each user once, into the form of an answer by all users. */
function toAnswer(gallery: UserGallery, { users, scores }: Scored): Answer<UserGallery> {
  const seen = new Set<number>()
  const rows: number[] = []
  const own = new Float32Array(users.length)
  let best = 0
  for (const [i, user] of users.entries()) {
    if (seen.has(user)) continue
    seen.add(user)
    own[rows.length] = scores[i]!
    if (scores[i]! > own[best]!) best = rows.length
    rows.push(user)
  }
  const narrowed = narrow(gallery, rows)
  return { UserID: narrowed.classes[best]!, gallery: narrowed, scores: own.subarray(0, rows.length) }
}
