/**
 * Pieces of long work, one a turn of the event loop in the order they come, however many such works there are: what
 * else arrives is answered between two pieces.
 */
class Turns {
  readonly #waiting: (() => void)[] = []

  /** Wait for a turn; what is done then should take some ms at most. */
  turn(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
      if (this.#waiting.length === 1) setImmediate(() => this.#next())
    })
  }

  #next(): void {
    this.#waiting.shift()!()
    if (this.#waiting.length > 0) setImmediate(() => this.#next())
  }
}

/** Of the process, which has one event loop. */
export const heavyWork = new Turns()
