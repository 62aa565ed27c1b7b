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
      .filter(([url]) => isPathOf(url, path))
      .flatMap(([, known]) => [...known])
      .sort()
}

/** Whether a path is one of a route: `:name` is any part between two slashes, and `*` at the end anything. */
function isPathOf(url: string, path: string): boolean {
  if (url.endsWith('*')) return path.startsWith(url.slice(0, -1))
  const [wanted, found] = [url.split('/'), path.split('/')]
  return (
    wanted.length === found.length &&
    wanted.every((part, i) => (part.startsWith(':') ? found[i] !== '' : part === found[i]))
  )
}
