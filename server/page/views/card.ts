import { byId, html, table } from '../lib/dom.ts'
import { percent } from '../lib/format.ts'
import type { Card } from '../lib/service.ts'
import { type Axis, drawChart, linearScale, probitScale } from '../parts/chart.ts'

/** Ends of the DET plot's axes. */
const LEAST_RATE = 0.0005
const MOST_RATE = 0.6

/** The view of how good the models are. */
export function showCard(card: Card): void {
  const { leaveOneRepetitionOut: rates, strangers } = card.models.typing.metrics
  const { dataset } = card
  byId('card', HTMLElement).replaceChildren(
    panel(
      'What a log-in gets',
      'Measured on 110 people who typed one string of 13 keys: people who are added while the service runs, as on this page, and asked about with later typings.',
      table(
        'About 1 % of strangers’ claims pass in each row',
        ['added with', 'own claims refused', 'of two typings read together'],
        [
          ['3 typings', '31\u00a0%', '21\u00a0%'],
          ['5 typings', '23\u00a0%', '13\u00a0%']
        ]
      ),
      html(
        'p',
        {},
        dataset.isSynthetic
          ? 'The models here learned from typings that no person typed, and are to try things with. For people, they have to learn from people: 50 or more, eight typings each, on keyboards such as your users have.'
          : 'It takes 50 people or more to learn from, eight typings each, on keyboards such as your users have; with fewer, more own claims are refused.'
      )
    ),
    panel(
      'The typing model',
      'It reads every single time of a typing. All rates are of typings left out of training: every user’s r-th typing, for each r in turn.',
      facts([
        ['Names the right user', percent(rates.rank1)],
        ['Right user among five', percent(rates.rank5)],
        ['Equal error rate', percent(rates.pooledEER)],
        ...(rates.ECE === undefined ? [] : [['Calibration error', percent(rates.ECE)] as [string, string]]),
        ...(strangers
          ? ([
              ['Equal error rate against strangers', percent(strangers.EER)],
              ['Strangers seen to be unknown', percent(strangers.strangersRejected)]
            ] as [string, string][])
          : [])
      ]),
      html('div', { class: 'charts' }, drawDet(rates), drawCmc(rates), drawReliability(rates))
    ),
    panel(
      'All four models',
      'SVM, RF and XGB read the mean and the deviation of four timings; the typing model reads every single time. The last row is memory, not recognition: typings the model was fitted on.',
      html(
        'div',
        { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Rates of the four models' },
        tabulate(card)
      )
    ),
    panel(
      'The data',
      '',
      facts([
        ['File', dataset.name],
        ['String', dataset.string ?? `not said, ${dataset.keys} keys`],
        ['Users', `${dataset.users}${dataset.isSynthetic ? ', synthetic' : ''}`],
        ['Typings', `${dataset.typings}`],
        ['Trained', card.createdAt.slice(0, 10)]
      ]),
      html('h3', {}, 'SHA-256'),
      html(
        'dl',
        { class: 'hashes' },
        ...[
          [dataset.name, dataset.sha256] as const,
          ...Object.values(card.models).map(({ file, sha256 }) => [file, sha256] as const)
        ].flatMap(([file, sha256]) => [
          html('dt', {}, file),
          html('dd', {}, html('code', {}, sha256), copyButton(file, sha256))
        ])
      )
    )
  )
}

/** A button that copies a hash; not on pages by plain HTTP, where browsers let no script copy. */
function copyButton(file: string, sha256: string): HTMLElement | string {
  if (navigator.clipboard === undefined) return ''
  const button = html(
    'button',
    { type: 'button', class: 'small', 'aria-label': `Copy the hash of ${file}` },
    'Copy'
  )
  button.addEventListener('click', async () => {
    await navigator.clipboard.writeText(sha256)
    button.textContent = 'Copied'
  })
  return button
}

type Rates = Card['models']['typing']['metrics']['leaveOneRepetitionOut']

function drawDet({ det, pooledEER }: Rates): HTMLElement {
  const ticks = [0.001, 0.01, 0.05, 0.2, 0.5]
  const axis = (name: string): Axis => ({
    name,
    ticks,
    write: tickPercent,
    scale: probitScale(LEAST_RATE, MOST_RATE)
  })
  return drawChart({
    title: 'Verification: one error for the other (DET)',
    description: `False rejections against false acceptances, for every threshold; left and below is better. Both are ${percent(pooledEER)} where they are equal.`,
    x: axis('false acceptances'),
    y: axis('false rejections'),
    points: det.map(([x, y]) => ({ x: x!, y: y! })),
    isLine: true,
    diagonal: 'equal',
    mark: { x: pooledEER, y: pooledEER, text: `EER ${percent(pooledEER)}` },
    columns: ['false acceptance rate', 'false rejection rate']
  })
}

function drawCmc({ cmc }: Rates): HTMLElement {
  const most = cmc.length
  const least = Math.min(Math.floor(cmc[0]! * 10) / 10, 0.9)
  const ranks = [1, 5, 10, 15, 20].filter((rank) => rank <= most)
  const shares = [0, 0.25, 0.5, 0.75, 1].map((part) => least + part * (1 - least))
  return drawChart({
    title: 'Identification: among the first k (CMC)',
    description: `How often the true user is among the first k named: ${percent(cmc[0]!)} among the first, ${percent(cmc.at(-1)!)} among ${most}.`,
    x: { name: 'k, users named', ticks: ranks, write: String, scale: linearScale(0.5, most + 0.5) },
    y: { name: 'true user among them', ticks: shares, write: tickPercent, scale: linearScale(least, 1) },
    points: cmc.map((y, i) => ({ x: i + 1, y, weight: 0 })),
    isLine: true,
    columns: ['k', 'share']
  })
}

function drawReliability({ reliability = [], ECE = 0 }: Rates): HTMLElement {
  const axis = (name: string): Axis => ({
    name,
    ticks: [0, 0.25, 0.5, 0.75, 1],
    write: tickPercent,
    scale: linearScale(0, 1)
  })
  return drawChart({
    title: 'Are its probabilities true? (reliability)',
    description: `How often it is right against how sure it says it is; on the line they are equal. A dot’s area is its share of typings. ${percent(ECE)} apart on average.`,
    x: axis('how sure it is'),
    y: axis('how often it is right'),
    points: reliability.map(({ confidence, accuracy, share }) => ({
      x: confidence,
      y: accuracy,
      weight: share
    })),
    isLine: false,
    diagonal: 'true',
    columns: ['how sure', 'how often right']
  })
}

/** The very share: a tick at 97.5 % is not to be read 98. */
const tickPercent = (share: number): string => `${Number((100 * share).toFixed(1))}\u00a0%`

/** Models beside each other, so that a phone shows them all. */
function tabulate({ models }: Card): HTMLTableElement {
  const measures: [what: string, of: (metrics: Card['models']['SVM']['metrics']) => number][] = [
    ['repetition left out: rank-1', ({ leaveOneRepetitionOut }) => leaveOneRepetitionOut.rank1],
    ['rank-5', ({ leaveOneRepetitionOut }) => leaveOneRepetitionOut.rank5],
    ['equal error rate', ({ leaveOneRepetitionOut }) => leaveOneRepetitionOut.pooledEER],
    ['quarter left out: rank-1', ({ repeatedStratified }) => repeatedStratified.rank1],
    ['rank-5', ({ repeatedStratified }) => repeatedStratified.rank5],
    ['own training rows', ({ trainingAccuracy }) => trainingAccuracy]
  ]
  const found = Object.values(models)
  return table(
    'Share of typings whose user is named (rank-1), or is among five (rank-5)',
    ['', ...Object.keys(models)],
    measures.map(([what, of]) => [what, ...found.map(({ metrics }) => percent(of(metrics)))])
  )
}

function panel(title: string, hint: string, ...children: Node[]): HTMLElement {
  return html(
    'section',
    { class: 'panel' },
    html('h2', {}, title),
    ...(hint === '' ? [] : [html('p', { class: 'hint' }, hint)]),
    ...children
  )
}

function facts(pairs: [what: string, value: string][]): HTMLDListElement {
  return html(
    'dl',
    { class: 'facts' },
    ...pairs.map(([what, value]) => html('div', {}, html('dt', {}, what), html('dd', {}, value)))
  )
}
