/**
 * `npm run diagrams`: the Mermaid diagrams of docs/architecture.md, drawn as SVG beside it, for readers
 * without Mermaid. Each is named after its accTitle.
 */
import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Mermaid, MermaidConfig } from 'mermaid'
import { startBrowser } from './lib/browser.ts'
import { ROOT } from './lib/processes.ts'

const DOCS = join(ROOT, 'docs')
export const SOURCE = join(DOCS, 'architecture.md')

export interface Diagram {
  readonly text: string
  /** SVG file that it is drawn in. */
  readonly file: string
  /** SHA-256 of the text; the file carries the one of the text it was drawn from. */
  readonly sha256: string
}

/** @returns the diagrams of a Markdown text, in its order */
export function findDiagrams(markdown: string): Diagram[] {
  return [...markdown.matchAll(/^```mermaid\n(.*?)^```$/gms)].map(([, text = '']) => {
    const name = /^\s*accTitle: (\S+)$/m.exec(text)?.[1]
    if (name === undefined) throw new Error(`A diagram has no accTitle of one word:\n${text}`)
    return {
      text,
      file: join(DOCS, 'images', `${name}.svg`),
      sha256: createHash('sha256').update(text).digest('hex')
    }
  })
}

const CONFIG: MermaidConfig = {
  startOnLoad: false,
  theme: 'neutral',
  // Helvetica's, Arial's and Liberation Sans' letters are of one width, so that boxes fit everywhere.
  fontFamily: 'Helvetica, Arial, "Liberation Sans", sans-serif',
  // HTML in an SVG is drawn by browsers alone.
  htmlLabels: false,
  flowchart: {
    htmlLabels: false,
    useMaxWidth: false,
    wrappingWidth: 400,
    nodeSpacing: 30,
    rankSpacing: 50,
    subGraphTitleMargin: { top: 6, bottom: 26 }
  },
  themeCSS: '.edgeLabel .background { fill: white; opacity: 1; }',
  sequence: { useMaxWidth: false },
  deterministicIds: true
}

async function draw(diagrams: Diagram[]): Promise<void> {
  const browser = await startBrowser()
  try {
    const page = await browser.newPage()
    await page.addScriptTag({ path: join(ROOT, 'node_modules', 'mermaid', 'dist', 'mermaid.min.js') })
    for (const { text, file, sha256 } of diagrams) {
      const svg = await page.evaluate(
        async ({ text, config }) => {
          const { mermaid } = globalThis as unknown as { mermaid: Mermaid }
          mermaid.initialize(config)
          return (await mermaid.render('diagram', text)).svg
        },
        { text, config: CONFIG }
      )
      // Nothing behind it would be black where the reader's page is.
      const drawn = svg
        .replace('<svg ', `<svg data-mermaid-sha256="${sha256}" `)
        .replace('style="', 'style="background: white; ')
      await writeFile(file, `${drawn}\n`)
      console.log(file)
    }
  } finally {
    await browser.close()
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await draw(findDiagrams(await readFile(SOURCE, 'utf8')))
}
