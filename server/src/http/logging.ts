import type { FastifyRequest } from 'fastify'

/** What the log says of a request: its route, for a path may name a user and a query may hold a key. */
export const serializers = {
  req: ({ method, url, routeOptions, host, ip }: FastifyRequest) => ({
    method,
    // A path that no route takes is the caller's mistake, and worth seeing.
    url: routeOptions.url ?? url.split('?', 1)[0]!,
    host,
    remoteAddress: ip
  })
}
