import { InferenceSession, Tensor } from 'onnxruntime-node'
import type { UserID } from '../schemas/common.ts'
import { type Input, NUMBERS } from '../schemas/manifest.ts'
import { Batcher } from './batcher.ts'

// ONNX Runtime's Linux and macOS packages otherwise report every session to their maker. Read when the first one is made.
process.env.ORT_DISABLE_TELEMETRY = '1'

/**
 * Rows a run computes at most. onnxruntime-node computes on the main thread (microsoft/onnxruntime
 * issue 19611), so this bounds how long all other requests wait: about 1 ms with the slowest model. More
 * are no faster, as SVM's tensors of 110 users then outgrow a core's cache: it takes 25 to 50 us a row of
 * 64, and 18 to 25 of 32. A worker thread would spare others this wait, for a copy of every answer and a
 * second event loop: beside a CSV of 100,000 rows `npm run bench` finds no need of it.
 */
export const MAX_ROWS_PER_RUN = 32

/** Questions answered together; with this many, one more saves nothing, and the first have waited 1 ms. */
export const MAX_BATCH = 64

/** Scores nobody asked for: a view for each row would cost more than the rest of its answer. */
const UNWANTED = new Float32Array()

/** What a model reads of one typing: its 8 features, or press-0, release-0, press-1, ...; in ms. */
export type Row = ArrayLike<number>

/** Rows to be answered together. */
export interface Question {
  rows: readonly Row[]
  /** Whether the scores of all users are wanted; labels cost less. */
  wantsScores: boolean
}

/** What a model answers to one row. */
export interface Answer<G extends Gallery = Gallery> {
  UserID: UserID
  /** Whose scores they are; may have got more classes since. */
  gallery: G
  /** Of each class, the higher the likelier; empty where they are not wanted. */
  scores: Float32Array
}

/** Whom a model tells apart. It may be replaced, and is itself never changed but for more users after its last. */
export interface Gallery {
  /** Class index to UserID. */
  classes: readonly UserID[]
  /** The session's inputs beside the rows, a row for each class; none where users are constants of the graph. */
  templates: Readonly<Record<string, Tensor>>
}

/** One of the four models: an ONNX session and whom it tells apart. */
export class Model<G extends Gallery = Gallery> {
  readonly input: Input
  /** Read once for each question, so that one answer is of one gallery. */
  gallery: G
  readonly #session: InferenceSession
  readonly #batcher: Batcher<Question, Answer[]>

  /**
   * @param session - with an input named as what it reads, and the outputs label and scores
   * @param input - what it reads
   */
  constructor(session: InferenceSession, input: Input, gallery: G) {
    this.#session = session
    this.input = input
    this.gallery = gallery
    this.#batcher = new Batcher<Question, Answer[]>((questions) => this.#answer(questions), MAX_BATCH)
  }

  /**
   * Answer rows, sharing a run with what else is asked at the same time.
   *
   * @param isCancelled - asked just before the run
   * @returns an answer for each row, in their order
   * @throws CANCELLED
   */
  ask(question: Question, isCancelled?: () => boolean): Promise<Answer<G>[]> {
    return this.#batcher.ask(question, isCancelled) as Promise<Answer<G>[]>
  }

  /**
   * Answer rows, however many.
   *
   * @param gallery - whom to tell apart, in place of the model's own
   * @returns an answer for each row, in their order
   */
  async run({ rows, wantsScores }: Question, gallery = this.gallery): Promise<Answer<G>[]> {
    const answers: Answer<G>[] = []
    for (let first = 0; first < rows.length; first += MAX_ROWS_PER_RUN) {
      // Others get their turn between two runs: run() gives way to the event loop before it computes.
      answers.push(...(await this.#run(gallery, rows.slice(first, first + MAX_ROWS_PER_RUN), wantsScores)))
    }
    return answers
  }

  /** Release the session's memory. */
  close(): Promise<void> {
    return this.#session.release()
  }

  async #answer(questions: readonly Question[]): Promise<Answer<G>[][]> {
    const together = {
      rows: questions.flatMap(({ rows }) => rows),
      wantsScores: questions.some(({ wantsScores }) => wantsScores)
    }
    const answers = await this.run(together, this.gallery)
    let first = 0
    return questions.map(({ rows: { length } }) => {
      first += length
      return answers.slice(first - length, first)
    })
  }

  async #run(gallery: G, rows: readonly Row[], wantsScores: boolean): Promise<Answer<G>[]> {
    const input = toTensor(this.input, rows)
    const outputs = await this.#session.run(
      { ...gallery.templates, [this.input]: input },
      wantsScores ? ['label', 'scores'] : ['label']
    )
    const label = outputs.label!.data as BigInt64Array
    const scores = outputs.scores?.data as Float32Array | undefined
    const C = scores === undefined ? 0 : scores.length / rows.length
    return rows.map((_, row) => ({
      UserID: gallery.classes[Number(label[row])]!,
      gallery,
      scores: scores?.subarray(row * C, (row + 1) * C) ?? UNWANTED
    }))
  }
}

/** Of ONNX Runtime's log: what fails is thrown as well, and would be four lines more. */
const FATAL = 4

/**
 * Load an ONNX file.
 *
 * @throws what ONNX Runtime does of a file that is not a valid model
 */
export function openSession(bytes: Uint8Array): Promise<InferenceSession> {
  // One thread: a row takes tens of microseconds, and sums keep the order that parity was proved in.
  return InferenceSession.create(bytes, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: FATAL
  })
}

/** Write rows, one at least, as what a graph reads. */
export function toTensor(input: Input, rows: readonly Row[]): Tensor {
  const columns = rows[0]!.length
  const numbers = new NUMBERS[input](rows.length * columns)
  let i = 0
  for (const row of rows) for (let column = 0; column < columns; column++) numbers[i++] = row[column]!
  return new Tensor(numbers, [rows.length, columns])
}
