/** The page at `/`: asks what is served, then shows each view. */

import { byId } from './lib/dom.ts'
import { type Card, Service } from './lib/service.ts'
import { askKey } from './parts/api-key-dialog.ts'
import { FixedString } from './parts/fixed-string.ts'
import { showBatch } from './views/batch.ts'
import { showCard } from './views/card.ts'
import { EnrollView } from './views/enroll.ts'
import { RecognizeView } from './views/recognize.ts'
import { RecordView } from './views/record.ts'

const views = [...document.querySelectorAll<HTMLElement>('main > section')]
const links = [...document.querySelectorAll<HTMLAnchorElement>('nav a[href^="#"]')]

/** Show the view that the address names, the first one if it names none. */
function showView(): void {
  const current = views.find(({ id }) => `#${id}` === location.hash) ?? views[0]!
  for (const view of views) view.hidden = view !== current
  for (const link of links) {
    if (link.hash === `#${current.id}`) link.setAttribute('aria-current', 'page')
    else link.removeAttribute('aria-current')
  }
  const title = current.querySelector('h1')
  document.title = `${title?.textContent} – Keystroke recognition`
}

/** What the sample's users are, lest anybody takes them for people. */
const SYNTHETIC = 'They are synthetic: no person typed them.'

function describeServed({ dataset: { name, users, typings, keys, string, isSynthetic } }: Card): string {
  const what = string === null ? `a string of ${keys} keys` : `“${string}”`
  return `The models learned from ${typings} typings of ${what} by ${users} users, in ${name}.${isSynthetic ? ` ${SYNTHETIC}` : ''}`
}

window.addEventListener('hashchange', () => {
  if (location.hash === '#content') return
  showView()
  scrollTo(0, 0)
  // A screen reader then reads on from the view that was asked for.
  if (!isJoining) document.querySelector<HTMLElement>('main > section:not([hidden]) h1')?.focus()
  isJoining = false
})
showView()

/** Whether somebody goes on from one view to another, in a field. */
let isJoining = false

const service = new Service(askKey)
try {
  const card = await service.describeModels()
  for (const place of document.querySelectorAll('[data-served]')) place.textContent = describeServed(card)
  for (const place of document.querySelectorAll('[data-synthetic]')) {
    const { users, isSynthetic } = card.dataset
    if (isSynthetic)
      place.textContent = `The ${users} users who are there already are synthetic: no person typed them.`
  }
  const string = new FixedString(card)
  const enroll = new EnrollView(service, string)
  new RecognizeView(service, card, string, (typings) => {
    isJoining = true
    location.hash = '#enroll'
    showView()
    enroll.begin(typings)
  })
  new RecordView(card.dataset.string)
  showBatch(service, card)
  showCard(card)
} catch (error) {
  const failure = byId('failure', HTMLElement)
  failure.hidden = false
  failure.textContent = `${(error as Error).message} Reload the page to try again.`
  new RecordView(null)
  showBatch(service)
}
