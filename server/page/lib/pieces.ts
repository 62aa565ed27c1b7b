import { parse, RowCutter } from './csv.ts'
import type { ModelName, Service } from './service.ts'

/**
 * Characters sent at a time, some 2,000 typings. A browser reads no answer before its request is sent
 * whole, and the service reads no further than its answer is taken: a large file in one piece would show no
 * progress, and could come to a stop.
 */
const PIECE = 262_144

/**
 * Ask about a file a piece at a time.
 *
 * @param onSent - called with how many bytes were answered
 * @returns each answer's rows, its header first, with the lines of the whole file
 */
export async function* askPieces(
  service: Service,
  model: ModelName,
  file: File,
  signal: AbortSignal,
  onSent: (bytes: number) => void
): AsyncGenerator<string[][]> {
  let header: string | undefined
  /** Lines of the file before the piece, and within the header of each. */
  let before = 0
  let headerLines = 0
  for await (const [piece, sent] of cut(file)) {
    let rows = piece
    if (header === undefined) {
      header = /^(?:[^\S\r\n]*(?:\r\n?|\n))*[^\r\n]*(?:\r\n?|\n)?/.exec(piece)![0]
      before = headerLines = countLines(header)
      rows = piece.slice(header.length)
    }
    const answer = parse(await service.predictCsv(model, header + rows, signal))
    const moved = before - headerLines
    yield answer.map((row, i) => (i === 0 ? row : [`${Number(row[0]) + moved}`, ...row.slice(1)]))
    before += countLines(rows)
    onSent(sent)
  }
}

async function* cut(file: File): AsyncGenerator<[piece: string, sent: number]> {
  const cutter = new RowCutter()
  const reader = file.stream().getReader()
  const decoder = new TextDecoder()
  let piece = ''
  let read = 0
  for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
    read += chunk.value.length
    piece += cutter.push(decoder.decode(chunk.value, { stream: true }))
    if (piece.length < PIECE) continue
    yield [piece, read]
    piece = ''
  }
  piece += cutter.push(decoder.decode()) + cutter.end()
  // Blank lines at the end make no piece; an empty file makes one, for the service to refuse.
  if (piece.trim() !== '' || read === 0) yield [piece, read]
}

const countLines = (text: string): number => text.match(/\r\n?|\n/g)?.length ?? 0
