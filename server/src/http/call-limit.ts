import rateLimit from '@fastify/rate-limit'
import type { FastifyInstance } from 'fastify'
import { errors, passing } from '../errors.ts'
import type { Keys } from './authentication.ts'
import type { CallCounts } from './call-counts.ts'

/**
 * Limit calls of the routes registered on `app`: of each key that is accepted, and of each address without one
 * (IPv6: each /64).
 *
 * @param most - calls a minute
 */
export async function limitCalls(
  app: FastifyInstance,
  { keys, counts, most }: { keys: Keys; counts: CallCounts; most: number }
): Promise<void> {
  await app.register(rateLimit, {
    global: false,
    max: most,
    keyGenerator: (request) => keys.nameOf(request),
    store: class {
      incr(caller: string, done: (error: Error | null, count: { current: number; ttl: number }) => void) {
        done(null, counts.count(caller, most))
      }
      child() {
        return this
      }
    }
  })
  const count = app.createRateLimit()
  // A hook of the plugin's own would come after the one that looks at keys, which answers 401 to those without.
  app.addHook('onRequest', async (request) => {
    const counted = await count(request)
    if (counted.isAllowed || !counted.isExceeded) return
    const { ttlInSeconds } = counted
    throw passing(new errors.CALLS_LIMITED(most, ttlInSeconds), ttlInSeconds)
  })
}
