import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import t from 'tap'
import { ROOT } from '../../../scripts/lib/processes.ts'
import { type CsvTyping, readCsv } from '../../src/typings/csv.ts'

interface Case {
  name: string
  text?: string
  bytes?: string
  rows?: [line: number, user: string][]
  line?: number
  says?: string
}

const { cases } = JSON.parse(readFileSync(join(ROOT, 'data', 'csv-cases.json'), 'utf8')) as { cases: Case[] }

async function read(source: Readable): Promise<CsvTyping[]> {
  const { rows } = await readCsv(source, 2)
  const all: CsvTyping[] = []
  for await (const batch of rows) all.push(...batch)
  return all
}

t.ok(cases.length > 50)
for (const { name, text, bytes, rows, line, says } of cases) {
  const file = bytes === undefined ? Buffer.from(text!) : Buffer.from(bytes, 'hex')
  if (rows) {
    t.test(`taken, as in training: ${name}`, async (t) => {
      const found = await read(Readable.from([file]))
      t.same(
        found.map(({ line, user, error }) => [line, user, error]),
        rows.map(([line, user]) => [line, user, undefined])
      )
      t.same(await read(Readable.from([...file].map((byte) => Buffer.of(byte)))), found, 'byte by byte')
    })
    continue
  }
  t.test(`refused, as in training: ${name}`, async (t) => {
    const refuse = async (chunks: Buffer[]): Promise<string> => {
      try {
        const wrong = (await read(Readable.from(chunks))).find(({ error }) => error)!
        return `line ${wrong.line}: ${wrong.error}`
      } catch (error) {
        return (error as Error).message
      }
    }
    const message = await refuse([file])
    t.equal(await refuse([...file].map((byte) => Buffer.of(byte))), message, 'byte by byte')
    t.match(message, says!)
    if (line !== undefined) t.ok(message.startsWith(`line ${line}: `), message)
    t.ok(message.length < 250, 'repeats no more of the file than helps')
  })
}
