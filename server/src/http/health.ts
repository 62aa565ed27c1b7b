/**
 * Where the process is in its life.
 *
 * - `starting`: models are being loaded and tested; predictions get 503.
 * - `ready`: everything is answered.
 * - `draining`: the process was told to end; what is under way is finished, a load balancer is to send no more.
 */
export type HealthState = 'starting' | 'ready' | 'draining'

/** What /health/ready tells, in one place for all who change or read it. */
export class Health {
  state: HealthState = 'starting'
}
