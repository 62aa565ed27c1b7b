import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import t from 'tap'
import { findDiagrams, SOURCE } from '../diagrams.ts'

const diagrams = findDiagrams(await readFile(SOURCE, 'utf8'))

t.ok(diagrams.length > 0)
for (const { file, sha256 } of diagrams) {
  t.test(`docs/${basename(file)} was drawn from the diagram in docs/architecture.md`, async (t) => {
    t.ok(existsSync(file), 'npm run diagrams draws it')
    const svg = await readFile(file, 'utf8')
    t.equal(/^<svg data-mermaid-sha256="(\w+)"/.exec(svg)?.[1], sha256, 'npm run diagrams draws it anew')
  })
}
