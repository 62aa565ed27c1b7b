import { html } from '../lib/dom.ts'
import { type Key, type Recorder, record, type Typing } from '../recorder.ts'
import { name, Timeline } from './timeline.ts'

/** Where a string is typed: the string, a field, what is wrong with the last typing, and the time line. */
export class TypingField {
  readonly input: HTMLInputElement
  readonly #place: HTMLElement
  readonly #status = html('p', { class: 'status', role: 'status' })
  readonly #onTyping: (typing: Typing) => void
  #recorder: Recorder | undefined

  /**
   * @param place - the element it is put in
   * @param onTyping - called with each clean typing; others are only shown to the person
   */
  constructor(place: HTMLElement, onTyping: (typing: Typing) => void) {
    this.#place = place
    this.#onTyping = onTyping
    this.input = html('input', { id: `${place.id}-input`, class: 'type', type: 'text', enterkeyhint: 'done' })
    this.input.setAttribute('aria-describedby', `${place.id}-status`)
    this.#status.id = `${place.id}-status`
  }

  /** Whether a string is recorded. */
  get isOpen(): boolean {
    return this.#recorder !== undefined
  }

  /** Whether something is said already of the string, or of the device, that may not do. */
  get hasNotice(): boolean {
    return this.#recorder?.notice !== undefined
  }

  /** Say something about the next typing, or the last. */
  say(text: string, kind: 'plain' | 'good' | 'bad' = 'plain'): void {
    this.#status.textContent = text
    this.#status.className = `status ${kind}`
  }

  /** Record another string, or the same one from the start; '' shows none. */
  open(string: string): void {
    this.close()
    if (string === '') return
    const caps = [...string].map((character) => html('span', { class: 'cap' }, name(character)))
    const timeline = new Timeline(string)
    let last: readonly Readonly<Key>[] = []
    const show = (keys: readonly Readonly<Key>[], isRefused = false) => {
      for (const [i, cap] of caps.entries()) {
        const key = keys[i]
        cap.classList.toggle('typed', key !== undefined && !isRefused)
        cap.classList.toggle('down', key !== undefined && key.release === undefined && !isRefused)
        cap.classList.toggle('wrong', isRefused && i === keys.length)
      }
      timeline.show(keys, isRefused)
    }
    this.#place.replaceChildren(
      html(
        'label',
        { for: this.input.id },
        'Type this string ',
        html('span', { class: 'visually-hidden' }, `“${string}”`)
      ),
      html('p', { class: 'caps', 'aria-hidden': true }, ...caps),
      this.input,
      this.#status,
      timeline.element
    )
    this.#recorder = record(this.input, {
      string,
      onKeys: (keys) => {
        last = keys
        show(keys)
        if (keys.length === 1 && keys[0]?.release === undefined) this.say('Typing …')
      },
      onTyping: (typing) => {
        last = []
        this.#onTyping(typing)
      },
      onRefusal: ({ message }) => {
        show(last, true)
        last = []
        this.say(`Not sent. ${message} Pause for a moment and start over.`, 'bad')
      }
    })
    if (this.#recorder.notice !== undefined) this.say(this.#recorder.notice)
  }

  close(): void {
    this.#recorder?.stop()
    this.#recorder = undefined
    this.#place.replaceChildren(html('p', { class: 'empty' }, 'There is no string to type yet.'))
  }
}
