import { html } from '../lib/dom.ts'
import type { UserID } from '../lib/service.ts'

/** A candidate with its share as a bar, if it has one. */
export function candidate(user: UserID, share: number | undefined, text: string): HTMLLIElement {
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
