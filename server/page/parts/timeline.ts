import { html, svg, table } from '../lib/dom.ts'
import type { Key } from '../recorder.ts'

const LANE = 22
const BAR = 13
const AXIS = 22
const LABELS = 26
const RIGHT = 12
/** Shown before there is more to show, ms. */
const SHORTEST = 2000

/** A time line of presses and releases: a lane for each key of the string, a bar for as long as it is down. */
export class Timeline {
  readonly element: HTMLElement
  readonly #svg = svg('svg', { class: 'timeline', role: 'group' })
  readonly #detail = html('p', { class: 'hint detail' })
  readonly #table = html('details', { hidden: true })
  readonly #characters: string[]
  readonly #still = matchMedia('(prefers-reduced-motion: reduce)')
  #keys: readonly Readonly<Key>[] = []
  #isRefused = false
  /** Clock of the first press, as `performance.now` has it. */
  #started = 0
  #frame = 0
  /** The bar that Tab stops at; arrows move it. */
  #current = 0

  constructor(string: string) {
    this.#characters = [...string].map(name)
    this.#svg.setAttribute('aria-label', 'Time line of the keys; the arrow keys go from key to key')
    this.element = html('div', { class: 'times' }, this.#svg, this.#detail, this.#table)
    // Around the drawing: Tab would stop at an SVG that itself listens for the focus.
    this.element.addEventListener('keydown', (event) => this.#move(event))
    this.element.addEventListener('focusin', (event) => this.#tell(event.target))
    this.element.addEventListener('pointerover', (event) => this.#tell(event.target))
    new ResizeObserver(() => this.#draw()).observe(this.#svg)
    this.show([])
  }

  /**
   * Show a typing, whole or under way.
   *
   * @param isRefused - draw it as one that was refused
   */
  show(keys: readonly Readonly<Key>[], isRefused = false): void {
    if (this.#keys.length === 0 && keys.length === 1) this.#started = performance.now()
    this.#keys = keys.map((key) => ({ ...key }))
    this.#isRefused = isRefused
    this.#current = 0
    const isUnderWay = !isRefused && keys.some(({ release }) => release === undefined)
    cancelAnimationFrame(this.#frame)
    this.#draw()
    if (isUnderWay && !this.#still.matches) this.#grow()
    this.#detail.textContent = ''
    // The table is for a typing that is over: nobody reads one that changes under the eyes.
    this.#table.hidden = isUnderWay || keys.length === 0
    if (!this.#table.hidden) this.#table.replaceChildren(...this.#tabulate())
  }

  #grow(): void {
    this.#frame = requestAnimationFrame(() => {
      this.#draw()
      this.#grow()
    })
  }

  #draw(): void {
    const height = this.#characters.length * LANE + AXIS
    const width = this.#svg.clientWidth || 320
    const last = Math.max(...this.#keys.map(({ press, release }) => release ?? press), 0)
    const isUnderWay = !this.#isRefused && this.#keys.some(({ release }) => release === undefined)
    const now = isUnderWay && !this.#still.matches ? Math.max(performance.now() - this.#started, last) : last
    const longest = Math.max(SHORTEST, now * 1.05)
    const x = (ms: number) => LABELS + (ms / longest) * (width - LABELS - RIGHT)

    const lanes = this.#characters.map((character, i) =>
      svg('text', { x: LABELS - 10, y: i * LANE + LANE / 2, class: 'lane' }, character)
    )
    const ticks = [...ticksUpTo(longest, width)].flatMap((ms, i) => [
      svg('line', { x1: x(ms), x2: x(ms), y1: 0, y2: height - AXIS, class: 'grid' }),
      svg(
        'text',
        { x: x(ms), y: height - 6, class: 'tick', 'text-anchor': i === 0 ? 'start' : 'middle' },
        i === 0 ? '0 ms' : `${ms}`
      )
    ])
    const bars = this.#keys.map(({ press, release }, i) => {
      const end = release ?? now
      return svg('rect', {
        x: x(press),
        y: i * LANE + (LANE - BAR) / 2,
        width: Math.max(x(end) - x(press), 2),
        height: BAR,
        rx: 3,
        class: `press${release === undefined ? ' down' : ''}${this.#isRefused ? ' refused' : ''}`,
        role: 'img',
        tabindex: i === this.#current && !isUnderWay ? 0 : -1,
        'data-key': i,
        'aria-label': this.#describe(i)
      })
    })
    const focused = this.#svg.contains(document.activeElement)
    this.#svg.setAttribute('viewBox', `0 0 ${width} ${height}`)
    this.#svg.setAttribute('height', `${height}`)
    const decoration = svg('g', { 'aria-hidden': true }, ...ticks, ...lanes)
    this.#svg.replaceChildren(decoration, ...bars)
    if (focused) bars[this.#current]?.focus()
  }

  #describe(i: number): string {
    const { press, release } = this.#keys[i]!
    const parts = [`${this.#characters[i]}: down at ${Math.round(press)} ms`]
    if (release !== undefined) parts.push(`held ${Math.round(release - press)} ms`)
    const before = this.#keys[i - 1]
    if (before) {
      parts.push(`${Math.round(press - before.press)} ms after the last press`)
      if (before.release === undefined || before.release > press) parts.push('overlapping the last key')
    }
    return parts.join(', ')
  }

  #tell(target: EventTarget | null): void {
    if (!(target instanceof SVGRectElement)) return
    this.#detail.textContent = `${this.#describe(Number(target.dataset.key))}.`
  }

  #move(event: KeyboardEvent): void {
    if (!(event.target instanceof SVGRectElement)) return
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key]
    if (step === undefined) return
    event.preventDefault()
    this.#current = Math.min(Math.max(this.#current + step, 0), this.#keys.length - 1)
    this.#draw()
  }

  #tabulate(): Node[] {
    const rows = this.#keys.map(({ press, release }, i) => [
      this.#characters[i]!,
      Math.round(press),
      release === undefined ? '' : Math.round(release),
      release === undefined ? '' : Math.round(release - press)
    ])
    const caption = this.#isRefused ? 'Times of the refused typing, ms' : 'Times, ms'
    return [
      html('summary', {}, 'The times as a table'),
      table(caption, ['key', 'pressed', 'released', 'held'], rows)
    ]
  }
}

/** What a key is called where its character cannot be seen. */
export function name(character: string): string {
  return character === ' ' ? '␣' : character
}

function* ticksUpTo(longest: number, width: number): Generator<number> {
  const most = Math.max(Math.floor(width / 70), 2)
  const step = [250, 500, 1000, 2000, 5000, 10_000].find((ms) => longest / ms <= most) ?? 20_000
  for (let ms = 0; ms <= longest; ms += step) yield ms
}
