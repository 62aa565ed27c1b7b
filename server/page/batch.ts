import type { ClassifierName, Service } from './api.ts'
import { parse, RowCutter, stringify } from './csv.ts'
import { byId, find, html, table } from './dom.ts'
import { download } from './download.ts'
import { percent } from './numbers.ts'

/** Rows that are shown; all of them are in the download. */
const SHOWN = 100

/**
 * Characters sent at a time, some 2,000 typings. A browser reads no answer before its request is sent
 * whole, and the service reads no further than its answer is taken: a large file in one piece would show no
 * progress, and could come to a stop.
 */
const PIECE = 262_144

/** The view that asks about a file of typings. */
export function showBatch(service: Service): void {
  const form = byId('batch-form', HTMLFormElement)
  const drop = byId('drop', HTMLElement)
  const file = find(drop, 'input', HTMLInputElement)
  const model = find(form, 'select', HTMLSelectElement)
  const fault = byId('batch-fault', HTMLElement)
  const status = byId('batch-status', HTMLElement)
  const progress = byId('batch-progress', HTMLProgressElement)
  const stop = byId('batch-stop', HTMLButtonElement)
  const result = byId('batch-result', HTMLElement)
  let stopping: AbortController | undefined
  let answers: string[] = []
  let answersName = ''

  const ask = async () => {
    const chosen = file.files?.[0]
    stopping?.abort()
    fault.textContent = chosen ? '' : 'Choose a CSV first.'
    if (!chosen) return file.focus()
    stopping = new AbortController()
    const { signal } = stopping
    const tally = new Tally()
    answers = []
    const asked = model.value as ClassifierName
    answersName = `${chosen.name.replace(/\.[^.]*$/, '')}-${asked}.csv`
    result.hidden = true
    status.textContent = `Asking ${asked} about ${chosen.name} …`
    progress.hidden = stop.hidden = false
    progress.max = chosen.size
    progress.value = 0
    let failure = ''
    try {
      for await (const answer of askPieces(service, asked, chosen, signal, (sent) => {
        progress.value = sent
      })) {
        const [header, ...rows] = answer
        answers.push(stringify(answers.length === 0 ? answer : rows))
        tally.add(header!, rows)
        tally.show()
        result.hidden = false
      }
    } catch (error) {
      failure = signal.aborted
        ? 'Stopped; what was answered until then stands below.'
        : (error as Error).message
    }
    // Another file may be under way by now.
    if (stopping.signal !== signal) return
    progress.hidden = stop.hidden = true
    fault.textContent = failure
    status.textContent = tally.rows === 0 ? '' : `${tally.rows} rows answered.`
  }

  form.addEventListener('submit', (event) => {
    event.preventDefault()
    ask()
  })
  file.addEventListener('change', () => {
    if (file.files?.[0]) ask()
  })
  stop.addEventListener('click', () => stopping?.abort())
  byId('batch-download', HTMLButtonElement).addEventListener('click', () =>
    download(answersName, 'text/csv', answers)
  )

  for (const type of ['dragenter', 'dragover'] as const) {
    drop.addEventListener(type, (event) => {
      event.preventDefault()
      drop.classList.add('over')
    })
  }
  drop.addEventListener('dragleave', () => drop.classList.remove('over'))
  drop.addEventListener('drop', (event) => {
    event.preventDefault()
    drop.classList.remove('over')
    const dropped = event.dataTransfer?.files
    if (dropped?.length !== 1) {
      fault.textContent = dropped?.length ? 'One file at a time.' : 'That is no file.'
      return
    }
    file.files = dropped
    file.dispatchEvent(new Event('change'))
  })
}

/**
 * Ask about a file a piece at a time.
 *
 * @param onSent - told how many bytes were answered
 * @returns each answer's rows, its header first, with the lines of the whole file
 */
async function* askPieces(
  service: Service,
  model: ClassifierName,
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
  // Blank lines at the end are no piece; an empty file is, for the service to refuse.
  if (piece.trim() !== '' || read === 0) yield [piece, read]
}

const countLines = (text: string): number => text.match(/\r\n?|\n/g)?.length ?? 0

/** Counts answers, and shows the first of them. */
class Tally {
  rows = 0
  #faulty = 0
  #right = 0
  #hasUser = false
  #header: string[] = []
  readonly #first: string[][] = []

  /** @param header - Line, User if the file has it, UserID, Error */
  add(header: string[], rows: string[][]): void {
    this.#header = header
    this.#hasUser = header[1] === 'User'
    for (const row of rows) {
      this.rows++
      if (this.#first.length < SHOWN) this.#first.push(row)
      if (row.at(-1) !== '') this.#faulty++
      else if (this.#hasUser && row[1] === row[2]) this.#right++
    }
  }

  show(): void {
    const answered = this.rows - this.#faulty
    const facts: [what: string, value: string][] = [
      ['Rows', `${this.rows}`],
      ['Answered', `${answered}`],
      ['Faulty', `${this.#faulty}`]
    ]
    if (this.#hasUser && answered > 0) {
      facts.push(['Named as in the file', `${this.#right}, ${percent(this.#right / answered)}`])
    }
    byId('batch-summary', HTMLElement).replaceChildren(
      ...facts.map(([what, value]) => html('div', {}, html('dt', {}, what), html('dd', {}, value)))
    )
    byId('batch-memory', HTMLElement).hidden = !this.#hasUser
    const caption = this.rows > SHOWN ? `The first ${SHOWN} of ${this.rows} rows` : `All ${this.rows} rows`
    byId('batch-table', HTMLTableElement).replaceChildren(
      ...table(caption, this.#header, this.#first).children
    )
  }
}
