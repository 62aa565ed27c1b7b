import { byId, find, html } from './dom.ts'
import { download } from './download.ts'
import { TypingField } from './field.ts'
import { FEWEST_TYPINGS, findNameFault, findStringFault, Recording } from './recording.ts'

/** Typed where the data of the models does not say a string. */
const ANY_STRING = 'quiet morning'

/**
 * The view that records a data set.
 *
 * @param string - of the models' data; null if it does not say
 */
export function showRecord(string: string | null): void {
  const recording = new Recording(string ?? ANY_STRING)
  const settings = byId('settings', HTMLFormElement)
  const stringInput = find(settings, '[name=string]', HTMLInputElement)
  const repetitions = find(settings, '[name=repetitions]', HTMLInputElement)
  const person = byId('person', HTMLInputElement)
  const personFault = byId('person-fault', HTMLElement)
  const told = byId('recorded', HTMLElement)

  const field = new TypingField(byId('record-field', HTMLElement), (typing) => {
    const name = person.value.normalize()
    const fault = findNameFault(name)
    if (fault !== undefined) {
      tellNameFault(fault)
      field.say(`Not recorded. ${fault}`, 'bad')
      person.focus()
      return
    }
    recording.add(name, typing)
    const count = recording.people.get(name)!
    const wanted = recording.repetitions
    show()
    if (count === wanted) {
      field.say(`${name} is done, with ${count} typings. Now the next person.`, 'good')
      told.textContent = `${name} is done.`
      person.focus()
      person.select()
    } else {
      const of = count < wanted ? `${count} of ${wanted}` : `${count}, more than ${wanted}`
      field.say(`Recorded: ${name}, ${of}. Again.`, 'good')
    }
  })

  const tellNameFault = (fault: string | undefined) => {
    personFault.textContent = fault ?? ''
    person.setAttribute('aria-invalid', `${fault !== undefined}`)
  }

  const show = () => {
    const { people, typings } = recording
    byId('nobody', HTMLElement).hidden = people.size > 0
    byId('people', HTMLElement).replaceChildren(
      ...[...people].map(([name, count]) => {
        const remove = html(
          'button',
          { type: 'button', class: 'danger small', 'aria-label': `Remove ${name}` },
          'Remove'
        )
        remove.addEventListener('click', () => {
          if (!confirm(`Remove the ${count} typings of ${name}?`)) return
          recording.remove(name)
          show()
          person.focus()
        })
        const max = Math.max(recording.repetitions, count)
        return html(
          'li',
          {},
          html('span', { class: 'user' }, name),
          html('progress', { max, value: count, 'aria-label': `Typings of ${name}` }),
          html('span', { class: 'value' }, `${count} of ${recording.repetitions}`),
          remove
        )
      })
    )
    byId('undo', HTMLElement).hidden = typings.length === 0
    // One string a data set: with typings of it there, it stays.
    stringInput.disabled = typings.length > 0
    find(settings, '[data-hint]', HTMLElement).textContent =
      typings.length > 0
        ? 'The string stays as it is while there are typings of it.'
        : 'Something short that everybody types often, without dead keys or AltGr. Capitals are fine.'
    byId('untrainable', HTMLElement).replaceChildren(
      ...(typings.length > 0 ? recording.findFaults() : []).map((fault) => html('li', {}, fault))
    )
    for (const id of ['download-csv', 'download-txt', 'forget']) {
      byId(id, HTMLButtonElement).disabled = typings.length === 0
    }
    byId('kept', HTMLElement).textContent = recording.isKept
      ? 'What is recorded stays in this browser, on this machine, and is there again after a reload, until you forget it. Nothing of it is sent.'
      : 'This browser keeps nothing for this page: what is recorded is lost with a reload. Nothing of it is sent.'
  }

  const openField = () => {
    const fault = findStringFault(recording.string)
    field.open(fault === undefined ? recording.string : '')
    field.say('Each clean typing is recorded; type as you always do.')
  }

  stringInput.value = recording.string
  repetitions.value = `${recording.repetitions}`
  const useSettings = () => {
    const string = stringInput.value.normalize()
    const count = repetitions.valueAsNumber
    const stringFault = findStringFault(string)
    const countFault =
      Number.isInteger(count) && count >= FEWEST_TYPINGS
        ? undefined
        : `Typings of each must be a whole number from ${FEWEST_TYPINGS}: one to learn from, one to test on.`
    stringInput.setAttribute('aria-invalid', `${stringFault !== undefined}`)
    repetitions.setAttribute('aria-invalid', `${countFault !== undefined}`)
    find(settings, '[data-fault]', HTMLElement).textContent = stringFault ?? countFault ?? ''
    if (countFault === undefined) recording.repetitions = count
    const isNew = string !== recording.string
    recording.string = string
    if (stringFault !== undefined) field.close()
    else if (isNew) openField()
    recording.keep()
    show()
  }
  settings.addEventListener('input', useSettings)
  settings.addEventListener('submit', (event) => {
    event.preventDefault()
    person.focus()
  })

  person.addEventListener('input', () => {
    if (findNameFault(person.value.normalize()) === undefined) tellNameFault(undefined)
  })
  person.addEventListener('change', () => tellNameFault(findNameFault(person.value.normalize())))
  person.addEventListener('keydown', (event) => {
    if (event.key === 'Enter') field.input.focus()
  })
  byId('undo', HTMLButtonElement).addEventListener('click', () => {
    const last = recording.typings.at(-1)
    recording.removeLast()
    show()
    told.textContent = `The last typing, of ${last?.user}, is removed.`
    field.input.focus()
  })
  byId('download-csv', HTMLButtonElement).addEventListener('click', () => {
    download('typings.csv', 'text/csv', [recording.toCsv()])
    recording.isDownloaded = true
    recording.keep()
  })
  byId('download-txt', HTMLButtonElement).addEventListener('click', () =>
    download('typings.txt', 'text/plain', [`${recording.string}\n`])
  )
  byId('forget', HTMLButtonElement).addEventListener('click', () => {
    if (!confirm(`Forget all ${recording.typings.length} typings?`)) return
    recording.forget()
    show()
    person.focus()
  })
  window.addEventListener('beforeunload', (event) => {
    if (!recording.isDownloaded) event.preventDefault()
  })
  openField()
  show()
}
