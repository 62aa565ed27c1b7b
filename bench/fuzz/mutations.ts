import type { Random } from '../random.ts'

/** Values as JSON writes them, or nearly so. */
const VALUES = [
  'null',
  'true',
  '""',
  '"48.43"',
  '"a"',
  '-1',
  '0',
  '-0',
  '1e308',
  '1e309',
  '1e-400',
  '0.1',
  '9007199254740991',
  '9007199254740993',
  '[]',
  '{}',
  '[1,2]',
  '{"a":1}',
  'NaN',
  'Infinity',
  '01',
  '1.',
  '"\\ud800"',
  '"\\u0000"',
  `"${'x'.repeat(3000)}"`,
  `${'['.repeat(50)}${']'.repeat(50)}`
] as const

/** The parts of a text of JSON: strings, numbers, brackets and what is between them. */
const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|[[\]{}:,]/g

/** @returns the text of a value in which some tokens are replaced, repeated, or left out */
export function mutateJson(random: Random, value: unknown, times: number): string {
  let tokens = JSON.stringify(value).match(TOKEN)!
  for (let i = 0; i < times; i++) {
    const at = random.below(tokens.length)
    const change = random.pick([
      () => [random.pick(VALUES)],
      () => [random.pick(VALUES)],
      () => [],
      () => [tokens[at]!, tokens[at]!],
      () => tokens.slice(at, at + 6).concat([','], tokens.slice(at, at + 6)),
      () => [random.pick(tokens)]
    ])
    tokens = [...tokens.slice(0, at), ...change(), ...tokens.slice(at + 1)] as RegExpMatchArray
  }
  return tokens.join('')
}

const FIELDS = [
  '',
  '-1',
  '1.5',
  '1e3',
  '84.0',
  ' 84',
  '"84"',
  '"8"4',
  '"',
  'x',
  '9007199254740993',
  '\u0000',
  '\u00e9',
  '=1+1',
  ';',
  '1,2',
  '\n',
  '\r'
]

/** @returns some lines of a CSV, of which fields are replaced, lines repeated, and ends of lines changed */
export function mutateLines(random: Random, csv: string, times: number): string {
  const [header, ...all] = csv.trimEnd().split('\n') as [string, ...string[]]
  const from = random.below(all.length - 5)
  const lines = [header, ...all.slice(from, from + 1 + random.below(5))]
  for (let i = 0; i < times; i++) {
    const at = random.below(lines.length)
    const fields = lines[at]!.split(',')
    fields[random.below(fields.length)] = random.pick(FIELDS)
    lines[at] = random.pick([
      fields.join(','),
      fields.slice(0, -1).join(','),
      `${fields.join(',')},1`,
      '',
      lines[at]!
    ])
  }
  return (
    random.pick(['', '', '', '\ufeff']) +
    lines.join(random.pick(['\n', '\n', '\r\n', '\r'])) +
    random.pick(['', '\n'])
  )
}

/** @returns bytes of which some are changed, left out or cut off */
export function mutateBytes(random: Random, bytes: Buffer): Buffer {
  const changed = Buffer.from(bytes)
  if (changed.length === 0) return changed
  for (let i = random.below(4); i >= 0; i--) changed[random.below(changed.length)] = random.below(256)
  return random.next() < 0.3 ? changed.subarray(0, random.below(changed.length)) : changed
}
