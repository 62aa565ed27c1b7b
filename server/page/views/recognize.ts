import { byId, find, html } from '../lib/dom.ts'
import { number, percent } from '../lib/format.ts'
import { classifiersOf, hasProbabilities, labelOf } from '../lib/models.ts'
import type { Card, Identification, Prediction, Service, UserID } from '../lib/service.ts'
import { candidate } from '../parts/candidate.ts'
import type { FixedString } from '../parts/fixed-string.ts'
import { TypingField } from '../parts/typing-field.ts'
import { howSure, showScale, showVerdict } from '../parts/verdict.ts'
import type { Typing } from '../recorder.ts'
import { WANTED } from './enroll.ts'

/** Typings of one person that are read together; more make the answer surer by little. */
const TOGETHER = 3

/** The view that tells who typed. */
export class RecognizeView {
  readonly #service: Service
  readonly #card: Card
  readonly #result = byId('result', HTMLElement)
  readonly #surer = byId('surer', HTMLButtonElement)
  readonly #join = byId('join', HTMLButtonElement)
  readonly #announcement = byId('announcement', HTMLElement)
  readonly #verifyForm = byId('verify', HTMLFormElement)
  readonly #claim = find(this.#verifyForm, 'input', HTMLInputElement)
  readonly #field = new TypingField(byId('recognize-field', HTMLElement), (typing) => this.#ask(typing))
  /** Of one person, read together. */
  #typings: Typing[] = []
  /** How many of them were accepted for the claim already: a second time they would be copies. */
  #accepted = 0
  /** Whether the next typing is of the same person. */
  #isSamePerson = false
  /** The last, since somebody was recognized for sure: perhaps of somebody new. */
  #strangers: Typing[] = []
  #idType: 'number' | 'string' | undefined
  /** Counts what is asked, so that an answer that comes late does not replace a later one. */
  #asked = 0

  /** @param join - adds somebody who is not recognized, with the typings so far */
  constructor(service: Service, card: Card, string: FixedString, join: (typings: readonly Typing[]) => void) {
    this.#service = service
    this.#card = card
    this.#join.addEventListener('click', () => {
      join(this.#strangers)
      this.#strangers = []
      this.#join.hidden = true
    })
    this.#surer.addEventListener('click', () => {
      this.#isSamePerson = true
      this.#field.say('Type it again; it is read together with the typing before.')
      this.#field.input.focus()
    })
    this.#verifyForm.addEventListener('submit', (event) => {
      event.preventDefault()
      this.#verify()
    })
    string.use(byId('recognize-string', HTMLElement), (said) => this.#open(said))
  }

  #open(string: string): void {
    this.#typings = []
    this.#surer.hidden = true
    this.#strangers = []
    this.#join.hidden = true
    this.#field.open(string)
    if (this.#field.hasNotice) return
    this.#field.say('Type the string, without a mistake.')
    if (!byId('recognize', HTMLElement).hidden) this.#field.input.focus()
  }

  async #ask(typing: Typing): Promise<void> {
    if (!this.#isSamePerson) this.#accepted = 0
    this.#typings = this.#isSamePerson ? [...this.#typings, typing] : [typing]
    this.#isSamePerson = false
    const turn = ++this.#asked
    this.#field.say('Clean. Asking the models …')
    try {
      const features = await this.#service.computeFeatures(typing)
      const identification = await this.#service.identify(this.#typings)
      const classifiers = classifiersOf(this.#card)
      const [users, ...predictions] = await Promise.all([
        // Users come and go.
        this.#service.countUsers(),
        ...classifiers.map((model) => this.#service.predict(model, features))
      ])
      if (turn !== this.#asked) return
      this.#idType = typeof predictions[0]!.UserID as 'number' | 'string'
      this.#field.say('Clean, and answered. Type again whenever you like.')
      if (identification) {
        this.#showIdentification(identification, users)
        this.#offerToJoin(typing, identification)
      } else this.#showClaimsOnly()
      const cards = predictions.map((prediction) => this.#drawPrediction(prediction))
      byId('eight', HTMLElement).replaceChildren(...cards)
      if (this.#claim.value !== '') await this.#verify()
      // On a phone it is below the field.
      find(this.#result, '[data-sure]', HTMLElement).scrollIntoView({ block: 'nearest' })
    } catch (error) {
      if (turn !== this.#asked) return
      this.#field.say(`Your typing was clean, but not answered. ${(error as Error).message}`, 'bad')
    }
  }

  /** People who are taken for somebody else may be new here: beside synthetic users all are. */
  #offerToJoin(typing: Typing, { Known, Confidence }: Identification): void {
    this.#strangers = Confidence === 'high' ? [typing] : [...this.#strangers, typing].slice(-WANTED)
    const { length } = this.#strangers
    const these = length === 1 ? 'this was 1' : `these were ${length}`
    this.#join.hidden = false
    this.#join.classList.toggle('main', !Known)
    this.#join.textContent = `${Known ? 'Not you? ' : ''}Add yourself: ${these} of ${WANTED}`
  }

  #showIdentification(identification: Identification, users: number): void {
    const { UserID, Known, Confidence, Candidates } = identification
    const { length } = this.#typings
    const sure = howSure(identification)
    const isWord = Candidates === undefined
    const among = length === 1 ? '' : `, from ${length} typings`
    const isGood = Confidence === 'high'
    const verdict = isGood
      ? `Looks like ${UserID}`
      : Known
        ? `Perhaps ${UserID}`
        : 'I don’t recognize this typing'
    const nearest = isWord
      ? `Nobody of the ${users} users types like this.`
      : `The nearest is ${UserID}, with ${sure} if it must be one of the ${users}${among}.`
    const how = Known
      ? `${isWord ? `With ${sure}` : `${sure} sure`} among the ${users} users${among}. A hint, not proof.`
      : nearest
    showVerdict(this.#result, verdict, how, isGood ? 'good' : 'unsure')
    const { rank1 } = this.#card.models.typing.metrics.leaveOneRepetitionOut
    const rate = `The typing model names ${percent(rank1)} of typings left out of training right.`
    find(this.#result, '[data-candidates]', HTMLElement).replaceChildren(
      ...(Candidates ?? []).map(({ UserID, Probability }) =>
        candidate(UserID, Probability, percent(Probability))
      ),
      html('li', { class: 'hint' }, rate)
    )
    this.#surer.hidden = length >= TOGETHER
    this.#surer.textContent = `Type it again to be surer (${length} of ${TOGETHER})`
    this.#announcement.textContent = `${verdict}. ${how}`
  }

  /** Say that the key verifies claims, and does not identify. */
  #showClaimsOnly(): void {
    const verdict = 'This key may not ask who typed'
    const how = 'Name a user below, and I verify the claim.'
    showVerdict(this.#result, verdict, how, 'unsure')
    find(this.#result, '[data-candidates]', HTMLElement).replaceChildren()
    this.#announcement.textContent = `${verdict}. ${how}`
  }

  #drawPrediction({ Model, UserID, Candidates = [] }: Prediction): HTMLElement {
    const { rank1 } = this.#card.models[Model].metrics.leaveOneRepetitionOut
    const areProbabilities = hasProbabilities(this.#card, Model)
    return html(
      'div',
      { class: 'model' },
      html('h3', {}, labelOf(Model)),
      html('p', { class: 'named' }, `${UserID}`),
      html(
        'ol',
        { class: 'candidates' },
        ...Candidates.map(({ UserID, Score }) =>
          areProbabilities ? candidate(UserID, Score, percent(Score)) : candidate(UserID, undefined, '')
        )
      ),
      html('p', { class: 'hint' }, `${percent(rank1)} of typings left out named right`),
      ...(areProbabilities || Candidates.length === 0
        ? []
        : [html('p', { class: 'hint' }, 'In their order; it gives no probabilities')])
    )
  }

  async #verify(): Promise<void> {
    if (this.#claim.value === '' || this.#typings.length === this.#accepted) return this.#askForMore()
    const turn = this.#asked
    const scale = find(this.#verifyForm, '[data-scale]', HTMLElement)
    try {
      const claimed = readUserID(this.#claim.value, this.#idType)
      const verification = await this.#service.verify(claimed, this.#typings.slice(this.#accepted))
      if (turn !== this.#asked) return
      const { UserID, Match, Confidence, Regular, Score, Threshold, FailedClaims = 0 } = verification
      const isScored = Score !== undefined && Threshold !== undefined
      if (Match && !isScored) this.#accepted = this.#typings.length
      const verdict = Match ? `Yes, this looks like ${UserID}` : `No, this does not look like ${UserID}`
      const far = percent(this.#card.models.typing.falseAcceptanceRate)
      const measure = isScored
        ? `Score ${number(Score, 1)}; a match needs ${number(Threshold, 1)}, set so`
        : `${Match ? `With ${Confidence} confidence` : 'A match needs more'}; what it needs is set so`
      const how = Regular
        ? 'This typing is more regular than people type.'
        : `${measure} that about ${far} of strangers’ claims pass.${FailedClaims > 0 ? ` Claims that failed since the last match: ${FailedClaims}.` : ''}`
      showVerdict(this.#verifyForm, verdict, how, Match ? 'good' : 'bad')
      if (isScored) showScale(scale, Score, Threshold)
      else scale.hidden = true
      this.#announcement.textContent = `${verdict}. ${how}`
    } catch (error) {
      const { message } = error as Error
      showVerdict(this.#verifyForm, 'Not verified', message, 'bad')
      scale.hidden = true
      this.#announcement.textContent = message
    }
  }

  /** Say what is missing before a claim can be verified. */
  #askForMore(): void {
    const empty = find(this.#verifyForm, '[data-empty]', HTMLElement)
    find(this.#verifyForm, '[data-answer]', HTMLElement).hidden = true
    empty.hidden = false
    const isUnnamed = this.#claim.value === ''
    empty.textContent = this.#announcement.textContent = isUnnamed
      ? 'Name a user first.'
      : 'Now type the string.'
    if (isUnnamed) this.#claim.focus()
    else this.#field.input.focus()
  }
}

/**
 * A UserID as the models have it: all are integers or all are strings.
 *
 * @param type - of the UserIDs that the models name
 */
function readUserID(text: string, type: 'number' | 'string' | undefined): UserID {
  return type === 'number' && /^(?:0|-?[1-9]\d*)$/.test(text) ? Number(text) : text
}
