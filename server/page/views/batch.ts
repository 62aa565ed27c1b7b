import { stringify } from '../lib/csv.ts'
import { byId, find, html, table } from '../lib/dom.ts'
import { download } from '../lib/download.ts'
import { percent } from '../lib/format.ts'
import { labelOf, modelsOf } from '../lib/models.ts'
import { askPieces } from '../lib/pieces.ts'
import type { Card, ModelName, Service } from '../lib/service.ts'

/** Rows that are shown; all of them are in the download. */
const SHOWN = 100

/**
 * The view that asks about a file of typings.
 *
 * @param card - of what is served; without it the form keeps the page's models
 */
export function showBatch(service: Service, card?: Card): void {
  const form = byId('batch-form', HTMLFormElement)
  const drop = byId('drop', HTMLElement)
  const file = find(drop, 'input', HTMLInputElement)
  const model = find(form, 'select', HTMLSelectElement)
  if (card) {
    const options = modelsOf(card).map((name) => html('option', { value: name }, labelOf(name)))
    model.replaceChildren(...options)
  }
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
    const asked = model.value as ModelName
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
      failure = signal.aborted ? 'Stopped; the answers so far are below.' : (error as Error).message
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
      fault.textContent = dropped?.length ? 'One file at a time.' : 'That is not a file.'
      return
    }
    file.files = dropped
    file.dispatchEvent(new Event('change'))
  })
}

/** Counts answers, and shows the first of them. */
class Tally {
  rows = 0
  #faulty = 0
  #right = 0
  #hasUser = false
  #header: string[] = []
  readonly #first: string[][] = []
  /** The first that are named otherwise than in the file. */
  readonly #others: string[][] = []
  readonly #filter = byId('batch-filter', HTMLElement)
  readonly #onlyOthers = find(this.#filter, 'input', HTMLInputElement)

  constructor() {
    this.#onlyOthers.checked = false
    this.#onlyOthers.onchange = () => this.show()
  }

  /** @param header - Line, User if the file has it, UserID, Error */
  add(header: string[], rows: string[][]): void {
    this.#header = header
    this.#hasUser = header[1] === 'User'
    for (const row of rows) {
      this.rows++
      if (this.#first.length < SHOWN) this.#first.push(row)
      if (row.at(-1) !== '') this.#faulty++
      else if (this.#isRight(row)) this.#right++
      else if (this.#hasUser && this.#others.length < SHOWN) this.#others.push(row)
    }
  }

  #isRight(row: string[]): boolean {
    return this.#hasUser && row[1] === row[2]
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
    const others = answered - this.#right
    this.#filter.hidden = !this.#hasUser || others === 0
    find(this.#filter, 'span', HTMLElement).textContent = `Only the ${others} named otherwise`
    const isFiltered = this.#onlyOthers.checked && !this.#filter.hidden
    const [shown, all, what] = isFiltered
      ? [this.#others, others, 'rows named otherwise']
      : [this.#first, this.rows, 'rows']
    const caption = all > shown.length ? `The first ${SHOWN} of ${all} ${what}` : `All ${all} ${what}`
    const drawn = table(caption, this.#header, shown)
    for (const [i, row] of shown.entries()) {
      const isOther = this.#hasUser && row.at(-1) === '' && !this.#isRight(row)
      drawn.tBodies[0]!.rows[i]!.classList.toggle('other', isOther)
    }
    byId('batch-table', HTMLTableElement).replaceChildren(...drawn.children)
  }
}
