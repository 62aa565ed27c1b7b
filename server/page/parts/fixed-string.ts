import { html } from '../lib/dom.ts'
import type { Card } from '../lib/service.ts'

/** The string of the models' data. Where that does not say it, every view that needs it asks, and one answer does for all. */
export class FixedString {
  readonly #keys: number
  readonly #uses: ((string: string) => void)[] = []
  readonly #forms: HTMLFormElement[] = []
  #string: string | null

  constructor({ dataset: { string, keys } }: Card) {
    this.#string = string
    this.#keys = keys
  }

  /**
   * Call with the string, at once or when the person has said it.
   *
   * @param place - where they are asked
   */
  use(place: HTMLElement, use: (string: string) => void): void {
    this.#uses.push(use)
    if (this.#string !== null) {
      use(this.#string)
      return
    }
    const form = this.#drawForm()
    this.#forms.push(form)
    place.replaceChildren(form)
  }

  #drawForm(): HTMLFormElement {
    const input = html('input', {
      type: 'text',
      required: true,
      autocomplete: 'off',
      autocapitalize: 'off',
      spellcheck: 'false'
    })
    const fault = html('p', { class: 'fault', role: 'alert' })
    const form = html(
      'form',
      { class: 'note' },
      html(
        'p',
        {},
        'The data that the models learned from does not say which string was typed. Recognition only means something for that very string.'
      ),
      html(
        'div',
        { class: 'row' },
        html('label', { class: 'wide' }, html('span', {}, `The string, ${this.#keys} characters `), input),
        html('button', {}, 'Use it')
      ),
      fault
    )
    form.addEventListener('submit', (event) => {
      event.preventDefault()
      const string = input.value.normalize()
      const { length } = [...string]
      const fits = length === this.#keys
      fault.textContent = fits
        ? ''
        : `This has ${length} characters, and the models know typings of ${this.#keys}.`
      input.setAttribute('aria-invalid', `${!fits}`)
      if (!fits) return
      this.#string = string
      for (const each of this.#forms) each.hidden = each !== form
      for (const use of this.#uses) use(string)
    })
    return form
  }
}
