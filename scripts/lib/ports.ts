import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'

/**
 * Find ports of 127.0.0.1 that nothing listens on, for programs that cannot say which one they were given.
 *
 * @returns as many different ports as asked for
 */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  await Promise.all(servers.map((server) => once(server.close(), 'close')))
  return ports
}

/**
 * Say why a program cannot listen somewhere.
 *
 * @param port - any port that is free where 0
 * @param command - that takes another as PORT
 * @returns what to do as well; undefined if it can
 */
export async function whyNotListen(host: string, port: number, command: string): Promise<string | undefined> {
  const server = createServer().listen(port, host)
  try {
    await once(server, 'listening')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'EADDRINUSE') return `Port ${port} is taken: PORT=${port + 1} ${command}`
    if (code === 'EACCES') return `Port ${port} is the system's: PORT=${port + 8000} ${command}`
    return `HOST=${host} is not an address of this machine: ${message}`
  }
  await once(server.close(), 'close')
  return undefined
}
