import { byId, find, html } from '../lib/dom.ts'
import { download } from '../lib/download.ts'
import { FEWEST_TYPINGS, findNameFault, findStringFault, isOfRecording, Recording } from '../lib/recording.ts'
import { TypingField } from '../parts/typing-field.ts'
import type { Typing } from '../recorder.ts'

/** Typed where the data of the models does not say a string. */
const ANY_STRING = 'quiet morning'

/** The view that records a data set. */
export class RecordView {
  readonly #recording: Recording
  readonly #settings = byId('settings', HTMLFormElement)
  readonly #string = find(this.#settings, '[name=string]', HTMLInputElement)
  readonly #repetitions = find(this.#settings, '[name=repetitions]', HTMLInputElement)
  readonly #person = byId('person', HTMLInputElement)
  readonly #announcement = byId('recorded', HTMLElement)
  readonly #field = new TypingField(byId('record-field', HTMLElement), (typing) => this.#record(typing))

  /** @param string - of the models' data; null if it does not say */
  constructor(string: string | null) {
    this.#recording = new Recording(string ?? ANY_STRING)
    this.#string.value = this.#recording.string
    this.#repetitions.value = `${this.#recording.repetitions}`
    this.#settings.addEventListener('input', () => this.#useSettings())
    this.#settings.addEventListener('submit', (event) => {
      event.preventDefault()
      this.#person.focus()
    })
    this.#listenToPerson()
    this.#listenToButtons()
    window.addEventListener('beforeunload', (event) => {
      if (!this.#recording.isDownloaded) event.preventDefault()
    })
    window.addEventListener('storage', (event) => {
      if (isOfRecording(event)) this.#refresh('')
    })
    this.#openField()
    this.#show()
  }

  /** Show what another tab has recorded or removed. */
  #refresh(said: string): void {
    const before = this.#recording.string
    this.#recording.refresh()
    this.#string.value = this.#recording.string
    this.#repetitions.value = `${this.#recording.repetitions}`
    if (this.#recording.string !== before || said !== '') this.#openField()
    if (said !== '') this.#field.say(said, 'bad')
    this.#show()
  }

  #listenToPerson(): void {
    const findFault = () => findNameFault(this.#person.value.normalize())
    this.#person.addEventListener('input', () => {
      if (findFault() === undefined) this.#showNameFault(undefined)
    })
    this.#person.addEventListener('change', () => this.#showNameFault(findFault()))
    this.#person.addEventListener('keydown', (event) => {
      if (event.key === 'Enter') this.#field.input.focus()
    })
  }

  #listenToButtons(): void {
    byId('undo', HTMLButtonElement).addEventListener('click', () => {
      const last = this.#recording.typings.at(-1)
      this.#recording.removeLast()
      this.#show()
      this.#announcement.textContent = `The last typing, of ${last?.user}, is removed.`
      this.#field.input.focus()
    })
    byId('download-csv', HTMLButtonElement).addEventListener('click', () => {
      download('typings.csv', 'text/csv', [this.#recording.toCsv()])
      this.#recording.downloaded()
    })
    byId('download-txt', HTMLButtonElement).addEventListener('click', () =>
      download('typings.txt', 'text/plain', [`${this.#recording.string}\n`])
    )
    byId('forget', HTMLButtonElement).addEventListener('click', () => {
      if (!confirm(`Forget all ${this.#recording.typings.length} typings?`)) return
      this.#recording.forget()
      this.#show()
      this.#person.focus()
    })
  }

  #record(typing: Typing): void {
    const name = this.#person.value.normalize()
    const fault = findNameFault(name)
    if (fault !== undefined) {
      this.#showNameFault(fault)
      this.#field.say(`Not recorded. ${fault}`, 'bad')
      this.#person.focus()
      return
    }
    if (!this.#recording.add(name, typing)) {
      this.#refresh('Not recorded: another tab records this string.')
      return
    }
    const count = this.#recording.people.get(name)!
    const wanted = this.#recording.repetitions
    this.#show()
    if (count === wanted) {
      this.#field.say(`${name} is done, with ${count} typings. Now the next person.`, 'good')
      this.#announcement.textContent = `${name} is done.`
      this.#person.focus()
      this.#person.select()
    } else {
      const of = count < wanted ? `${count} of ${wanted}` : `${count}, more than ${wanted}`
      this.#field.say(`Recorded: ${name}, ${of}. Again.`, 'good')
    }
  }

  #showNameFault(fault: string | undefined): void {
    byId('person-fault', HTMLElement).textContent = fault ?? ''
    this.#person.setAttribute('aria-invalid', `${fault !== undefined}`)
  }

  #openField(): void {
    const fault = findStringFault(this.#recording.string)
    this.#field.open(fault === undefined ? this.#recording.string : '')
    this.#field.say('Each clean typing is recorded; type as you always do.')
  }

  #useSettings(): void {
    const string = this.#string.value.normalize()
    const count = this.#repetitions.valueAsNumber
    const stringFault = findStringFault(string)
    const countFault =
      Number.isInteger(count) && count >= FEWEST_TYPINGS
        ? undefined
        : `Typings of each must be a whole number from ${FEWEST_TYPINGS}: one to learn from, one to test on.`
    this.#string.setAttribute('aria-invalid', `${stringFault !== undefined}`)
    this.#repetitions.setAttribute('aria-invalid', `${countFault !== undefined}`)
    find(this.#settings, '[data-fault]', HTMLElement).textContent = stringFault ?? countFault ?? ''
    const before = this.#recording.string
    this.#recording.use({
      ...(countFault === undefined && { repetitions: count }),
      ...(stringFault === undefined && { string })
    })
    if (stringFault !== undefined) this.#field.close()
    else if (this.#recording.string !== before || !this.#field.isOpen) this.#openField()
    this.#show()
  }

  #show(): void {
    const { people, typings } = this.#recording
    byId('nobody', HTMLElement).hidden = people.size > 0
    const list = [...people].map(([name, count]) => this.#drawPerson(name, count))
    byId('people', HTMLElement).replaceChildren(...list)
    byId('undo', HTMLElement).hidden = typings.length === 0
    // One string a data set: with typings of it there, it stays.
    this.#string.disabled = typings.length > 0
    find(this.#settings, '[data-hint]', HTMLElement).textContent =
      typings.length > 0
        ? 'The string stays as it is while there are typings of it.'
        : 'Something short that everybody types often, without dead keys or AltGr. Capitals are fine.'
    byId('untrainable', HTMLElement).replaceChildren(
      ...(typings.length > 0 ? this.#recording.findFaults() : []).map((fault) => html('li', {}, fault))
    )
    for (const id of ['download-csv', 'download-txt', 'forget']) {
      byId(id, HTMLButtonElement).disabled = typings.length === 0
    }
    byId('kept', HTMLElement).textContent = this.#recording.isKept
      ? 'What is recorded stays in this browser, on this machine, and is there again after a reload, until you forget it. Nothing of it is sent.'
      : 'This browser keeps nothing for this page: what is recorded is lost with a reload. Nothing of it is sent.'
  }

  #drawPerson(name: string, count: number): HTMLElement {
    const remove = html(
      'button',
      { type: 'button', class: 'danger small', 'aria-label': `Remove ${name}` },
      'Remove'
    )
    remove.addEventListener('click', () => {
      if (!confirm(`Remove the ${count} typings of ${name}?`)) return
      this.#recording.remove(name)
      this.#show()
      this.#person.focus()
    })
    const max = Math.max(this.#recording.repetitions, count)
    return html(
      'li',
      {},
      html('span', { class: 'user' }, name),
      html('progress', { max, value: count, 'aria-label': `Typings of ${name}` }),
      html('span', { class: 'value' }, `${count} of ${this.#recording.repetitions}`),
      remove
    )
  }
}
