/**
 * Where the process is in its life.
 *
 * - `starting`: models are being loaded and tested, then enrolled users read; predictions get 503.
 * - `ready`: everything is answered.
 * - `draining`: the process received SIGTERM; requests under way are finished, and a load balancer should send no more.
 */
export type HealthState = 'starting' | 'ready' | 'draining'

/** What /health/ready answers, in one place for all that change or read it. */
export class Health {
  state: HealthState = 'starting'
  #resolve = () => {}
  /** Settles once everything is answered. */
  readonly started = new Promise<void>((resolve) => {
    this.#resolve = resolve
  })

  /** Everything is loaded; unless the process is to end already, it is ready. */
  start(): void {
    if (this.state === 'starting') this.state = 'ready'
    this.#resolve()
  }
}
