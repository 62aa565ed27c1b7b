import { html, svg, table } from '../lib/dom.ts'

const WIDTH = 320
const HEIGHT = 280
const LEFT = 64
const BOTTOM = 44
const TOP = 10
const RIGHT = 22

/** An axis: where its values are drawn, from 0 to 1, and which are labeled. */
export interface Axis {
  name: string
  scale: (value: number) => number
  ticks: readonly number[]
  write: (value: number) => string
}

export interface Point {
  x: number
  y: number
  /** Share of the area of the largest dot; without it the point is on a line and has no dot of its own. */
  weight?: number
}

export interface Chart {
  title: string
  /** What is to be seen, for those who do not see it. */
  description: string
  x: Axis
  y: Axis
  points: readonly Point[]
  isLine: boolean
  /** A line to compare with, from corner to corner, and what it means. */
  diagonal?: string
  /** A point to name. */
  mark?: Point & { text: string }
  /** The same as a table. */
  columns: [x: string, y: string]
}

/** Draw a chart, with its numbers as a table below. */
export function drawChart({
  title,
  description,
  x,
  y,
  points,
  isLine,
  diagonal,
  mark,
  columns
}: Chart): HTMLElement {
  const across = (value: number) => LEFT + clip(x.scale(value)) * (WIDTH - LEFT - RIGHT)
  const up = (value: number) => HEIGHT - BOTTOM - clip(y.scale(value)) * (HEIGHT - BOTTOM - TOP)
  const path = points.map((point) => `${across(point.x).toFixed(1)},${up(point.y).toFixed(1)}`).join(' ')
  const bottom = HEIGHT - BOTTOM
  const figure = svg(
    'svg',
    {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      class: 'chart',
      role: 'img',
      'aria-label': `${title}. ${description}`
    },
    ...x.ticks.flatMap((tick) => [
      svg('line', { x1: across(tick), x2: across(tick), y1: TOP, y2: bottom, class: 'grid' }),
      svg('text', { x: across(tick), y: bottom + 16, class: 'tick', 'text-anchor': 'middle' }, x.write(tick))
    ]),
    ...y.ticks.flatMap((tick) => [
      svg('line', { x1: LEFT, x2: WIDTH - RIGHT, y1: up(tick), y2: up(tick), class: 'grid' }),
      svg('text', { x: LEFT - 6, y: up(tick) + 4, class: 'tick', 'text-anchor': 'end' }, y.write(tick))
    ]),
    svg(
      'text',
      { x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 6, class: 'axis', 'text-anchor': 'middle' },
      x.name
    ),
    svg(
      'text',
      {
        x: 0,
        y: 0,
        class: 'axis',
        'text-anchor': 'middle',
        transform: `translate(10 ${bottom / 2 + TOP / 2}) rotate(-90)`
      },
      y.name
    )
  )
  if (diagonal !== undefined) {
    const ends = { x1: LEFT, y1: bottom, x2: WIDTH - RIGHT, y2: TOP }
    figure.append(
      svg('line', { ...ends, class: 'diagonal' }),
      svg('text', { x: WIDTH - RIGHT - 26, y: TOP + 14, class: 'tick', 'text-anchor': 'end' }, diagonal)
    )
  }
  if (isLine) figure.append(svg('polyline', { points: path, class: 'line' }))
  for (const point of points) {
    if (point.weight === undefined) continue
    const title = svg('title', {}, `${x.write(point.x)}: ${y.write(point.y)}`)
    const r = 3 + 7 * Math.sqrt(point.weight)
    figure.append(svg('circle', { cx: across(point.x), cy: up(point.y), r, class: 'dot' }, title))
  }
  if (mark) {
    figure.append(
      svg('circle', { cx: across(mark.x), cy: up(mark.y), r: 5, class: 'mark' }),
      svg('text', { x: across(mark.x) + 10, y: up(mark.y) - 8, class: 'marked' }, mark.text)
    )
  }
  const numbers = points.map((point) => [exact(point.x), exact(point.y)])
  return html(
    'figure',
    {},
    html('h3', {}, title),
    figure,
    html('figcaption', { class: 'hint' }, description),
    html('details', {}, html('summary', {}, 'The numbers as a table'), table(title, columns, numbers))
  )
}

/** Shares spread like a normal distribution's tails, as DET curves are drawn (Martin et al. 1997). */
export function probitScale(low: number, high: number): (share: number) => number {
  const [from, to] = [probit(low), probit(high)]
  return (share) => (probit(Math.min(Math.max(share, low), high)) - from) / (to - from)
}

export function linearScale(low: number, high: number): (value: number) => number {
  return (value) => (value - low) / (high - low)
}

/** Quantile of the standard normal distribution, to 4.5e-4 (Abramowitz and Stegun, 26.2.23). */
function probit(share: number): number {
  if (share > 0.5) return -probit(1 - share)
  const t = Math.sqrt(-2 * Math.log(share))
  return -(
    t -
    (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)))
  )
}

const clip = (value: number): number => Math.min(Math.max(value, 0), 1)

/** To four digits, which is more than any of these numbers is sure of. */
const exact = (value: number): string => `${Number(value.toPrecision(4))}`
