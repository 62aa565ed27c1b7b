import { once } from 'node:events'
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Health } from './health.ts'

/** Between two signs of life, ms. */
const BEAT = 1_000

/** What the worker is given. */
export interface HealthWorkerData {
  host: string
  port: number
  /** Of `Health`. */
  shared: Int32Array
}

/** What the worker says once. */
export type HealthWorkerMessage = { port: number } | { message: string; code: string | undefined }

/** Answers health checks on a port of its own, from a thread of its own: under any load, and when all else hangs. */
export class HealthListener {
  /** That it listens on. */
  readonly port: number
  readonly #worker: Worker
  readonly #timer: NodeJS.Timeout

  private constructor(worker: Worker, timer: NodeJS.Timeout, port: number) {
    this.#worker = worker
    this.#timer = timer
    this.port = port
  }

  /**
   * Start to listen.
   *
   * @param port - 0 for any free one
   * @throws what listening does, `EADDRINUSE` for example
   */
  static async start(health: Health, host: string, port: number): Promise<HealthListener> {
    const { shared } = health
    // As it is compiled, or as it is.
    const file = new URL(`./health-worker${extname(import.meta.filename)}`, import.meta.url)
    const workerData: HealthWorkerData = { host, port, shared }
    const worker = new Worker(file, { workerData })
    const [said] = (await once(worker, 'message')) as [HealthWorkerMessage]
    if ('message' in said) {
      await worker.terminate()
      throw Object.assign(new Error(said.message), { code: said.code })
    }
    worker.unref()
    const timer = setInterval(() => health.beat(), BEAT).unref()
    return new HealthListener(worker, timer, said.port)
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#worker.terminate()
  }
}
