/** The loads that the benchmarks of this folder put on a service, from the other core, and what it takes meanwhile. */
import { MODELS, printed, rss, tsx } from '../measure.ts'
import type { Generated, Kind, Probed } from './kinds.ts'

export const TITLES: Record<Kind, string> = {
  predict: '`/predict`, RF',
  batch: '`/predict/batch`, 1,000 of RF',
  identify: '`/identify`, 10 typings'
}

const SECONDS = 10
/** Of a load with more than the service can do; of the one that shows how much that is. */
const CONNECTIONS = 900
const BUSY: Record<Kind, number> = { predict: 64, batch: 2, identify: 16 }

export interface Target {
  url: string
  pid: number
}

/** As much as the service can do. */
export function saturate(target: Target, kind: Kind): Promise<Generated> {
  return generate(target, kind, 0, 4, BUSY[kind])
}

/**
 * Ask for more than the service can do.
 *
 * @param probed - addresses of health checks that are asked meanwhile
 * @returns what came of the load and of each address, and the most memory that the service had, MB
 */
export async function overload(
  target: Target,
  kind: Kind,
  perSecond: number,
  probed: string[]
): Promise<{ load: Generated; health: Probed[]; mb: number }> {
  let mb = rss(target.pid)
  const looks = setInterval(() => {
    mb = Math.max(mb, rss(target.pid))
  }, 100)
  const [load, ...health] = await Promise.all([
    generate(target, kind, perSecond, SECONDS, CONNECTIONS),
    ...probed.map(probe)
  ]).finally(() => clearInterval(looks))
  return { load, health, mb }
}

function generate({ url }: Target, kind: Kind, perSecond: number, seconds: number, connections: number) {
  const options = [perSecond, seconds, connections].map(String)
  return printed<Generated>(['nice', ...tsx('overload/generate.ts'), url, MODELS, kind, ...options])
}

function probe(url: string) {
  return printed<Probed>([...tsx('overload/probe.ts'), url, String(SECONDS)])
}
