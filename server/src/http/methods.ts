import type { FastifyInstance } from 'fastify'

/**
 * Note the methods of every path that is registered after this.
 *
 * @returns gives the methods that a path takes, in the alphabet's order; none if it is not there
 */
export function collectMethods(app: FastifyInstance): (path: string) => string[] {
  const methods = new Map<string, Set<string>>()
  app.addHook('onRoute', ({ url, method }) => {
    const known = methods.get(url) ?? new Set()
    for (const each of [method].flat()) known.add(each)
    methods.set(url, known)
  })
  return (path) =>
    [...methods]
      .filter(([url]) => url === path || (url.endsWith('*') && path.startsWith(url.slice(0, -1))))
      .flatMap(([, known]) => [...known])
      .sort()
}
