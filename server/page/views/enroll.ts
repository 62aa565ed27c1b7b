import { byId, find, html } from '../lib/dom.ts'
import { findNameFault } from '../lib/recording.ts'
import { needsAdmin, type Service, type UserID } from '../lib/service.ts'
import type { FixedString } from '../parts/fixed-string.ts'
import { TypingField } from '../parts/typing-field.ts'
import { howSure, showVerdict } from '../parts/verdict.ts'
import type { Typing } from '../recorder.ts'

/** Typings that somebody is added with, and how many more where these are not alike. */
export const WANTED = 4
const MORE = 2

/** The view where people add themselves, and see that they are recognized. */
export class EnrollView {
  readonly #service: Service
  #string = ''
  readonly #name = byId('enroll-name', HTMLInputElement)
  readonly #fault = byId('enroll-fault', HTMLElement)
  readonly #result = byId('enroll-result', HTMLElement)
  readonly #progress = byId('enroll-progress', HTMLProgressElement)
  readonly #announcement = byId('enroll-announcement', HTMLElement)
  readonly #field = new TypingField(byId('enroll-field', HTMLElement), (typing) => this.#take(typing))
  /** Of the person who is being added; none once they are. */
  #typings: Typing[] = []
  #wanted = WANTED
  /** Who was added, and is asked about from then on. */
  #added: UserID | undefined
  #isBusy = false

  constructor(service: Service, string: FixedString) {
    this.#service = service
    byId('enroll-again', HTMLButtonElement).addEventListener('click', () => this.#startOver())
    this.#name.addEventListener('input', () => {
      if (this.#added !== undefined) this.#startOver()
      this.#showFault('')
    })
    this.#name.addEventListener('change', () => this.#checkName())
    // Enter goes on to the field.
    byId('enroll-form', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault()
      if (this.#typings.length >= this.#wanted) this.#add()
      else this.#field.input.focus()
    })
    find(byId('enroll-forbidden', HTMLElement), 'button', HTMLButtonElement).addEventListener('click', () => {
      this.#list()
    })
    this.#startOver()
    string.use(byId('enroll-string', HTMLElement), (said) => {
      this.#string = said
      this.#startOver()
    })
    // Who is there is asked for once somebody looks: it may take a key.
    const look = () => {
      if (location.hash === '#enroll') this.#list()
    }
    window.addEventListener('hashchange', look)
    look()
  }

  /**
   * Add somebody who has typed already.
   *
   * @param typings - that nobody was recognized by; the last ones count
   */
  begin(typings: readonly Typing[]): void {
    this.#startOver()
    this.#typings = typings.slice(-WANTED)
    this.#showProgress()
    const left = WANTED - this.#typings.length
    const more =
      left === 0
        ? 'press Enter'
        : left === 1
          ? 'type the string once more'
          : `type the string ${left} times more`
    this.#field.say(`${this.#typings.length} of ${WANTED}. Say who you are, then ${more}.`, 'good')
    this.#name.focus()
  }

  #startOver(): void {
    this.#typings = []
    this.#wanted = WANTED
    this.#added = undefined
    this.#field.open(this.#string)
    if (this.#field.isOpen) {
      this.#field.say(`Say who you are, then type the string ${WANTED} times, as you always do.`)
    }
    byId('enroll-answer', HTMLElement).hidden = true
    byId('enroll-empty', HTMLElement).hidden = false
    this.#showProgress()
  }

  async #take(typing: Typing): Promise<void> {
    if (this.#isBusy) return
    if (this.#added !== undefined) return this.#ask(this.#added, typing)
    const isEqual = (other: Typing) => JSON.stringify(other) === JSON.stringify(typing)
    if (!this.#typings.some(isEqual)) this.#typings.push(typing)
    this.#showProgress()
    const left = this.#wanted - this.#typings.length
    if (left > 0) {
      const said = `${this.#typings.length} of ${this.#wanted}. Type it again.`
      this.#field.say(said, 'good')
      this.#announcement.textContent = said
    } else await this.#add()
  }

  /** Say at once whether a name will do, before anybody types. */
  async #checkName(): Promise<void> {
    const name = this.#name.value.trim()
    if (name === '' || this.#added !== undefined) return
    const fault = findNameFault(name) ?? (await this.#findUserFault(name))
    // Another name may be there by now.
    if (fault !== undefined && this.#name.value.trim() === name) this.#showFault(fault)
  }

  async #findUserFault(name: string): Promise<string | undefined> {
    try {
      const user = await this.#service.findUser(name)
      if (user === undefined) return undefined
      const from = user.Source === 'trained' ? ', from the data that the models learned from' : ''
      return `There is somebody called ${name} already${from}. Choose another name.`
    } catch (error) {
      return (error as Error).message
    }
  }

  /** Add the person, who is then asked about. */
  async #add(): Promise<void> {
    const name = this.#name.value.trim()
    if (name === '') {
      this.#field.say('Clean. Now say who you are.')
      this.#showFault('Who are you? Any name will do.')
      this.#name.focus()
      return
    }
    this.#isBusy = true
    this.#field.say('Adding you …')
    try {
      const isMore = this.#wanted > WANTED
      const { UserID, Quality } = await this.#service.enroll(name, this.#typings, !isMore)
      if (Quality?.Advice !== 'enough' && !isMore) {
        this.#wanted += MORE
        this.#field.say('Added. Your typings differ from one another: type it twice more.')
      } else {
        this.#added = UserID
        this.#field.say('Added. Now type it once more, and see whether you are recognized.', 'good')
      }
      this.#announcement.textContent = `${UserID} is added.`
      this.#showFault('')
      this.#showProgress()
      this.#field.input.focus()
      // The list is not waited for: a typing that ended meanwhile would be lost.
      void this.#list()
    } catch (error) {
      this.#field.say('Your typings were clean, but you are not added.', 'bad')
      this.#showFault((await this.#findUserFault(name)) ?? (error as Error).message)
      this.#name.focus()
    } finally {
      this.#isBusy = false
    }
  }

  /** See whether a typing is recognized as the one who was added. */
  async #ask(added: UserID, typing: Typing): Promise<void> {
    this.#field.say('Clean. Asking …')
    try {
      const identification = await this.#service.identify([typing])
      if (identification === undefined) throw new Error('This key may not identify.')
      const { UserID, Known, Confidence } = identification
      const sure = howSure(identification)
      const isThem = UserID === added
      const isGood = isThem && Confidence === 'high'
      const verdict = isGood
        ? `That’s you, ${sure}`
        : isThem
          ? `Perhaps you, ${sure}`
          : 'I don’t recognize you'
      const how = isThem
        ? `Added without any training, from ${this.#typings.length} typings. A hint, not proof: of a person’s single typings about one in four is refused. Let somebody else try.`
        : Known
          ? `This looks like ${UserID}, ${sure}.`
          : `Nobody here types like this${UserID === undefined ? '' : `; the nearest is ${UserID}`}.`
      byId('enroll-empty', HTMLElement).hidden = true
      byId('enroll-answer', HTMLElement).hidden = false
      showVerdict(this.#result, verdict, how, isGood ? 'good' : 'unsure')
      this.#field.say('Type again whenever you like.')
      this.#announcement.textContent = `${verdict}. ${how}`
    } catch (error) {
      this.#field.say(`Your typing was clean, but not answered. ${(error as Error).message}`, 'bad')
    }
  }

  /** Show who was added here. */
  async #list(): Promise<void> {
    const place = byId('enrolled', HTMLElement)
    const nobody = byId('enrolled-nobody', HTMLElement)
    const forbidden = byId('enroll-forbidden', HTMLElement)
    try {
      const users = await this.#service.listEnrolled()
      forbidden.hidden = true
      byId('enroll-columns', HTMLElement).hidden = false
      nobody.textContent = 'Nobody yet.'
      nobody.hidden = users.length > 0
      place.replaceChildren(
        ...users.map(({ UserID, Typings }) => {
          const remove = html(
            'button',
            { type: 'button', class: 'danger small', 'aria-label': `Delete ${UserID}` },
            'Delete'
          )
          remove.addEventListener('click', () => this.#delete(UserID))
          return html(
            'li',
            {},
            html('span', { class: 'user' }, `${UserID}`),
            html('span', { class: 'value' }, `${Typings} typings`),
            remove
          )
        })
      )
    } catch (error) {
      const { message } = error as Error
      nobody.hidden = false
      nobody.textContent = message
      place.replaceChildren()
      // Said before anybody has typed in vain.
      if (!needsAdmin(error)) return
      find(forbidden, '[data-why]', HTMLElement).textContent = message
      forbidden.hidden = false
      byId('enroll-columns', HTMLElement).hidden = true
    }
  }

  async #delete(userID: UserID): Promise<void> {
    if (!confirm(`Delete ${userID} and their typings?`)) return
    try {
      await this.#service.deleteUser(userID)
      this.#announcement.textContent = `${userID} is deleted.`
      if (userID === this.#added) this.#startOver()
    } catch (error) {
      this.#showFault((error as Error).message)
    }
    await this.#list()
  }

  #showProgress(): void {
    this.#progress.max = this.#wanted
    this.#progress.value = this.#typings.length
  }

  #showFault(fault: string): void {
    this.#fault.textContent = fault
    this.#name.setAttribute('aria-invalid', `${fault !== ''}`)
  }
}
