import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Limits } from './limits.ts'

/** ms that a client has to read its answer, before a connection is closed whose request is not read to its end. */
const LINGER = 500

/** Close connections beyond so many, and those on which nothing is asked, to have room for others. */
export function limitConnections(server: Server, { connections, lookTime }: Limits): void {
  server.maxConnections = connections
  let closed = 0
  server.on('drop', () => {
    const now = performance.now()
    // Not for each: those who come back at once would be all that is seen to.
    if (now - closed < lookTime) return
    closed = now
    server.closeIdleConnections()
  })
}

/** Bytes, and ms, of the rest of a request that is read after its answer. */
const REST_BYTES = 16_777_216
const REST_TIME = 5_000

/**
 * Read the rest of a request that is answered before its end, and throw it away: browsers take no answer while they
 * cannot send. What is larger or slower than the bounds closes the connection.
 */
export function discardRest(request: IncomingMessage): void {
  if (request.readableEnded || request.destroyed) return
  let bytes = 0
  const close = () => request.destroy()
  const timer = setTimeout(close, REST_TIME).unref()
  request.unpipe()
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > REST_BYTES) close()
  })
  for (const event of ['end', 'close']) request.once(event, () => clearTimeout(timer))
  request.resume()
}

/** Of several requests sent at once over a connection, each may be refused. */
const held = new WeakSet<Socket>()

/**
 * Read no more from a connection for some ms. From now on, and not from the next turn of the event loop: a turn goes
 * on for up to 48 rounds while 1,024 connections have something to read (libuv, `uv__io_poll`).
 */
export function hold(socket: Socket, ms: number): void {
  if (held.has(socket)) return
  held.add(socket)
  const pause = () => socket.pause()
  pause()
  // Node reads on once it has done with a request.
  socket.on('resume', pause)
  setTimeout(() => {
    held.delete(socket)
    socket.off('resume', pause)
    socket.resume()
  }, ms)
}

/**
 * Close a connection, once its answer is written, without reading the rest of the request: of a large body that takes
 * a tenth of the time that answering it would. To close it at once would reset it, and the client might lose the answer.
 */
export function linger(socket: Socket): void {
  socket.destroySoon = () => {
    socket.end()
    hold(socket, LINGER)
    setTimeout(() => socket.destroy(), LINGER)
  }
}
