import type { Card, ClassifierName, Identification, Prediction, Service, UserID } from './api.ts'
import { byId, find, html } from './dom.ts'
import { TypingField } from './field.ts'
import { number, percent } from './numbers.ts'
import type { Typing } from './recorder.ts'

/** As many as the service reads together. */
const TYPINGS_MAX = 10

const NAMES: Record<ClassifierName, string> = { SVM: 'SVM', RF: 'Random forest', XGB: 'Boosted trees' }

/** The view that tells who typed. */
export function showRecognize(service: Service, card: Card): void {
  const { string, keys, users } = card.dataset
  const result = byId('result', HTMLElement)
  const combine = byId('combine', HTMLInputElement)
  const over = byId('over', HTMLButtonElement)
  const combined = byId('combined', HTMLElement)
  const told = byId('told', HTMLElement)
  const verifyForm = byId('verify', HTMLFormElement)
  const claim = find(verifyForm, 'input', HTMLInputElement)
  /** Of one person, read together. */
  let typings: Typing[] = []
  let type: 'number' | 'string' | undefined
  /** Counts what is asked, so that an answer that comes late does not replace a later one. */
  let asked = 0

  const field = new TypingField(byId('recognize-field', HTMLElement), async (typing) => {
    if (!combine.checked) typings = [typing]
    else if (typings.length < TYPINGS_MAX) typings.push(typing)
    else return field.say(`${TYPINGS_MAX} typings are the most that are read together; start over.`, 'bad')
    showCombined()
    const turn = ++asked
    field.say('Clean. Asking the models …')
    try {
      const features = await service.computeFeatures(typing)
      const names = Object.keys(NAMES) as ClassifierName[]
      const [identification, ...predictions] = await Promise.all([
        service.identify(typings),
        ...names.map((model) => service.predict(model, features))
      ])
      if (turn !== asked) return
      type = typeof identification.UserID as 'number' | 'string'
      field.say('Clean, and answered. Type again whenever you like.', 'good')
      showIdentification(identification)
      byId('eight', HTMLElement).replaceChildren(...predictions.map(showPrediction))
      if (claim.value !== '') await verify()
    } catch (error) {
      if (turn !== asked) return
      field.say(`Your typing was clean, but not answered. ${(error as Error).message}`, 'bad')
    }
  })

  const showCombined = () => {
    over.hidden = !combine.checked || typings.length === 0
    combined.hidden = !combine.checked
    combined.textContent =
      typings.length === 0
        ? 'The next typing is the first.'
        : `${typings.length} of ${TYPINGS_MAX} typings are read together; they must be of one person.`
  }

  const showIdentification = ({ UserID, Known, Candidates }: Identification) => {
    const best = Candidates[0]!
    const sure = percent(best.Probability)
    const among = typings.length === 1 ? '' : `, from ${typings.length} typings`
    const verdict = Known ? `Looks like ${UserID}` : 'Looks like none of the enrolled'
    const how = Known
      ? `${sure} sure among the ${users} enrolled users${among}. A hint, and no proof.`
      : `The nearest is ${UserID}, with ${sure} if it must be one of the ${users}${among}.`
    answer(result, verdict, how, Known ? 'good' : 'unsure')
    find(result, '[data-candidates]', HTMLElement).replaceChildren(
      ...Candidates.map(({ UserID, Probability }) => bar(UserID, Probability, percent(Probability)))
    )
    const { rank1 } = card.models.typing.metrics.leaveOneRepetitionOut
    const note = html(
      'li',
      { class: 'hint' },
      `The typing model names ${percent(rank1)} of typings left out of training right.`
    )
    find(result, '[data-candidates]', HTMLElement).append(note)
    told.textContent = `${verdict}. ${how}`
  }

  const showPrediction = ({ Model, UserID, Candidates }: Prediction) => {
    const { rank1 } = card.models[Model].metrics.leaveOneRepetitionOut
    return html(
      'div',
      { class: 'model' },
      html('h3', {}, NAMES[Model]),
      html('p', { class: 'named' }, `${UserID}`),
      html(
        'ol',
        { class: 'candidates' },
        ...(Candidates ?? []).map(({ UserID, Score }) =>
          // The support vector machine's scores are no shares of a whole.
          Model === 'SVM' ? bar(UserID, undefined, number(Score, 1)) : bar(UserID, Score, percent(Score))
        )
      ),
      html('p', { class: 'hint' }, `${percent(rank1)} of typings left out named right`),
      ...(Model === 'SVM'
        ? [html('p', { class: 'hint' }, 'Scores are decision values, no probabilities')]
        : [])
    )
  }

  const verify = async () => {
    const empty = find(verifyForm, '[data-empty]', HTMLElement)
    if (claim.value === '' || typings.length === 0) {
      find(verifyForm, '[data-answer]', HTMLElement).hidden = true
      empty.hidden = false
      const missing = claim.value === '' ? 'Name a user first.' : 'Now type the string.'
      empty.textContent = told.textContent = missing
      if (claim.value === '') claim.focus()
      else field.input.focus()
      return
    }
    const turn = asked
    try {
      const { UserID, Match, Score, Threshold } = await service.verify(readUserID(claim.value, type), typings)
      if (turn !== asked) return
      const verdict = Match ? `Yes, this looks like ${UserID}` : `No, this does not look like ${UserID}`
      const far = percent(card.models.typing.falseAcceptanceRate)
      const how = `Evidence ${number(Score, 1)}, and ${number(Threshold, 1)} is asked for: set so that about ${far} of strangers’ claims pass.`
      answer(verifyForm, verdict, how, Match ? 'good' : 'bad')
      showScale(find(verifyForm, '[data-scale]', HTMLElement), Score, Threshold)
      told.textContent = `${verdict}. ${how}`
    } catch (error) {
      answer(verifyForm, 'Not verified', (error as Error).message, 'bad')
      find(verifyForm, '[data-scale]', HTMLElement).hidden = true
      told.textContent = (error as Error).message
    }
  }

  const startOver = () => {
    typings = []
    showCombined()
  }
  combine.addEventListener('change', () => {
    // The one there is may be the first of several.
    if (!combine.checked) typings = typings.slice(-1)
    showCombined()
  })
  over.addEventListener('click', () => {
    startOver()
    field.input.focus()
  })
  verifyForm.addEventListener('submit', (event) => {
    event.preventDefault()
    verify()
  })

  const open = (string: string) => {
    startOver()
    field.open(string)
    field.say('Put the cursor into the field and type, without a mistake.')
  }
  if (string === null) askString(keys, open)
  else open(string)
}

/** Where the data does not say the string, let the person say it. */
function askString(keys: number, use: (string: string) => void): void {
  const form = byId('unknown-string', HTMLFormElement)
  const input = find(form, 'input', HTMLInputElement)
  form.hidden = false
  find(form, '[data-keys]', HTMLElement).textContent = `${keys}`
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    const { length } = [...input.value]
    const fits = length === keys
    find(form, '.fault', HTMLElement).textContent = fits
      ? ''
      : `This has ${length} characters, and the models know typings of ${keys}.`
    input.setAttribute('aria-invalid', `${!fits}`)
    if (fits) use(input.value)
  })
}

function answer(place: HTMLElement, verdict: string, how: string, kind: 'good' | 'unsure' | 'bad'): void {
  find(place, '[data-empty]', HTMLElement).hidden = true
  find(place, '[data-answer]', HTMLElement).hidden = false
  find(place, '[data-verdict]', HTMLElement).textContent = verdict
  find(place, '[data-verdict]', HTMLElement).className = `verdict ${kind}`
  find(place, '[data-sure]', HTMLElement).textContent = how
}

/** A candidate with its share as a bar, if it has one. */
function bar(user: UserID, share: number | undefined, text: string): HTMLLIElement {
  const length = html('span', { class: 'share' })
  if (share !== undefined) length.style.width = `${100 * share}%`
  return html(
    'li',
    {},
    html('span', { class: 'user' }, `${user}`),
    ...(share === undefined ? [] : [html('span', { class: 'shares', 'aria-hidden': true }, length)]),
    html('span', { class: 'value' }, text)
  )
}

/** Where the evidence lies, and the threshold, from -20 to 20; what is further out stands at the end. */
function showScale(scale: HTMLElement, score: number, threshold: number): void {
  const place = (value: number) => `${Math.min(Math.max((value + 20) / 40, 0), 1) * 100}%`
  scale.hidden = false
  find(scale, '.threshold', HTMLElement).style.left = place(threshold)
  find(scale, '.score', HTMLElement).style.left = place(score)
}

/**
 * A UserID as the models have it: all are integers or all are strings.
 *
 * @param type - of the UserIDs that the models name
 */
function readUserID(text: string, type: 'number' | 'string' | undefined): UserID {
  return type === 'number' && /^(?:0|-?[1-9]\d*)$/.test(text) ? Number(text) : text
}
