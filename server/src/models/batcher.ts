import { errors } from '../errors.ts'

/** One that waits for its answer. */
interface Waiting<Question, Answer> {
  question: Question
  isCancelled: () => boolean
  resolve: (answer: Answer) => void
  reject: (error: unknown) => void
}

/**
 * Gathers questions into one run, for as long as each turn of the event loop brings more of them.
 * Calling the model costs more than a row does, so what arrives together shares the call; what arrives
 * alone waits for nobody.
 */
export class Batcher<Question, Answer> {
  readonly #run: (questions: Question[]) => Promise<Answer[]>
  readonly #most: number
  #waiting: Waiting<Question, Answer>[] = []

  /**
   * @param run - answers so many questions at once, in their order
   * @param most - questions a run takes; so many wait for no more
   */
  constructor(run: (questions: Question[]) => Promise<Answer[]>, most: number) {
    this.#run = run
    this.#most = most
  }

  /**
   * Ask together with everything that is asked now.
   *
   * @param isCancelled - asked just before the run; cancelled questions cost no row
   * @throws CANCELLED; what the run that it shared failed with
   */
  ask(question: Question, isCancelled: () => boolean = () => false): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ question, isCancelled, resolve, reject })
      // The check phase follows the poll phase, in which all requests that are there have been read.
      if (this.#waiting.length === 1) setImmediate(() => this.#gather(0))
    })
  }

  /**
   * Wait one more turn if this one brought somebody. 32 clients' requests arrive over three turns: with a run
   * a turn, batches were of 13 rather than 32. A turn that brings nothing takes microseconds.
   */
  #gather(before: number): void {
    const now = this.#waiting.length
    if (now > before && now < this.#most) setImmediate(() => this.#gather(now))
    else this.#flush()
  }

  #flush(): void {
    const waiting: Waiting<Question, Answer>[] = []
    for (const each of this.#waiting) {
      if (each.isCancelled()) each.reject(new errors.CANCELLED())
      else waiting.push(each)
    }
    this.#waiting = []
    for (let first = 0; first < waiting.length; first += this.#most) {
      void this.#answer(waiting.slice(first, first + this.#most))
    }
  }

  async #answer(batch: Waiting<Question, Answer>[]): Promise<void> {
    try {
      const answers = await this.#run(batch.map(({ question }) => question))
      for (const [i, { resolve }] of batch.entries()) resolve(answers[i]!)
    } catch (error) {
      for (const { reject } of batch) reject(error)
    }
  }
}
