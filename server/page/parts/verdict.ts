import { find } from '../lib/dom.ts'
import { percent } from '../lib/format.ts'
import type { Identification } from '../lib/service.ts'

/** How sure an answer is: in percent, or in a word where the caller is not an administrator. */
export function howSure({ Confidence, Candidates }: Identification): string {
  const best = Candidates?.[0]
  return best === undefined ? `${Confidence} confidence` : percent(best.Probability)
}

/** Show a verdict and its reason in a place that was empty. */
export function showVerdict(
  place: HTMLElement,
  verdict: string,
  how: string,
  kind: 'good' | 'unsure' | 'bad'
): void {
  find(place, '[data-empty]', HTMLElement).hidden = true
  find(place, '[data-answer]', HTMLElement).hidden = false
  find(place, '[data-verdict]', HTMLElement).textContent = verdict
  find(place, '[data-verdict]', HTMLElement).className = `verdict ${kind}`
  find(place, '[data-sure]', HTMLElement).textContent = how
}

/** Where the evidence lies, and the threshold, from -20 to 20; what is further out is drawn at the end. */
export function showScale(scale: HTMLElement, score: number, threshold: number): void {
  const place = (value: number) => `${Math.min(Math.max((value + 20) / 40, 0), 1) * 100}%`
  scale.hidden = false
  find(scale, '.threshold', HTMLElement).style.left = place(threshold)
  find(scale, '.score', HTMLElement).style.left = place(score)
}
