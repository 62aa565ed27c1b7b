import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Limits } from './limits.ts'

/** ms that a client has to read its answer, before a connection is closed whose request is not read to its end. */
const LINGER = 500

/** The share of all connections that is kept free for new ones, by closing others; and how many at most. */
const ROOM_SHARE = 0.05
const MOST_ROOM = 16

/** The share of all connections that one address may have without having asked anything, and the least of them. */
const SILENT_SHARE = 0.25
const LEAST_SILENT = 4

/**
 * Close connections beyond `connections`, and others to have room for new ones: first those that have not sent a whole
 * request yet, the oldest first, then those on which nothing is asked. Node.js counts a connection that has sent nothing
 * as busy.
 */
export function limitConnections(
  server: Server,
  { connections, lookTime }: Pick<Limits, 'connections' | 'lookTime'>
): void {
  server.maxConnections = connections
  const room = Math.min(MOST_ROOM, Math.floor(connections * ROOM_SHARE))
  const mostSilent = Math.max(LEAST_SILENT, Math.floor(connections * SILENT_SHARE))
  /** Connections without a whole request so far, in the order they came, with their addresses; and by address. */
  const silent = new Map<Socket, string>()
  const silentOf = new Map<string, Set<Socket>>()
  let open = 0
  let closed = 0

  const forget = (socket: Socket) => {
    const address = silent.get(socket)
    if (address === undefined) return
    silent.delete(socket)
    const own = silentOf.get(address)!
    own.delete(socket)
    if (own.size === 0) silentOf.delete(address)
  }
  const closeOldest = (sockets: Iterable<Socket>) => {
    for (const socket of sockets) {
      forget(socket)
      socket.destroy()
      return
    }
  }
  const closeIdle = () => {
    const now = performance.now()
    // Not for each: those who come back at once would be all that is seen to.
    if (now - closed < lookTime) return
    closed = now
    server.closeIdleConnections()
  }

  server.on('drop', () => (silent.size > 0 ? closeOldest(silent.keys()) : closeIdle()))
  server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress ?? ''
    const own = silentOf.get(address) ?? new Set()
    silentOf.set(address, own.add(socket))
    silent.set(socket, address)
    open++
    socket.once('close', () => {
      open--
      forget(socket)
    })
    if (own.size > mostSilent) closeOldest(own)
    else if (open > connections - room) {
      // Not the one that just came.
      if (silent.size > 1) closeOldest(silent.keys())
      else closeIdle()
    }
  })
  server.on('request', ({ socket }) => forget(socket))
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
