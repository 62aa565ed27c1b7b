import type { Socket } from 'node:net'
import { errors, toErrorReply } from '../errors.ts'

/** A socket as Node's HTTP server has it; the field is undocumented, and Node's own handler reads it. */
type HttpSocket = Socket & { _httpMessage?: { headersSent: boolean } | null }

/** Fastify's client error handler: what never became a request is answered in the form of all other errors. */
export function answerMalformed({ code }: NodeJS.ErrnoException, socket: HttpSocket): void {
  // Into an answer that is half sent, a CSV's for example, nothing else can be written.
  if (code === 'ECONNRESET' || !socket.writable || socket._httpMessage?.headersSent) {
    socket.destroy()
    return
  }
  const reply = toErrorReply(new (errorOf(code))())
  const body = JSON.stringify(reply)
  socket.end(
    `HTTP/1.1 ${reply.statusCode} ${reply.error}\r\nContent-Type: application/json; charset=utf-8\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`
  )
}

function errorOf(code: string | undefined) {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return errors.HEADERS_TOO_LARGE
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return errors.REQUEST_TIMEOUT
    default:
      return errors.HTTP_INVALID
  }
}
