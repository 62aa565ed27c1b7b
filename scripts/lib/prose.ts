/** Words that our prose, messages and comments avoid, with what to write; part of `npm run check`. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ROOT } from './processes.ts'

/** As regular expressions on lines. `told` and the like are also avoided as names in code. */
const AVOID: [word: RegExp, write: string][] = [
  [/\btold\b/i, '“is reported”, “is called with”, “receives SIGTERM”'],
  [/\bstands?\b(?![- ]?ins?\b)/i, '“is”, “exists”'],
  [/\bwhoever\b/i, '“callers”, “users”, the person or program itself'],
  [/\b(?:that|which|what) (?:is|are) none\b/i, '“invalid …”'],
  [/\b(?:is|are) no (?!longer|more|other|faster)[a-z]+\b(?<!\bthere (?:is|are) no [a-z]+)/i, '“is not a …”'],
  [/, and no (?:proof|guarantee|measure|recognition|probabilit)/i, '“, not …”'],
  [/\b(?:un)?mend(?:s|ed|ing)?\b/i, '“fix”'],
  [/\bbring .{1,30} about\b/i, '“deploy”, “make”'],
  [/\bin (?:its|their) place\b/i, 'what happens: “gets an error; the rest are answered”'],
  [/\b(?:does|do) not fit\b/i, '“is invalid”'],
  [/\benrol(?:s|ment)?\b/i, '“enroll”, “enrollment”'],
  [/colour|behaviour|favour|neighbour|\bcentre|\blicence\b|\bgrey\b/i, 'American spelling'],
  [/recognis|normalis|analys(?:e|ing)\b|initialis|serialis|optimis|labelled(?!by)/i, 'American spelling']
]

const PROSE = /\.(?:md|ts|mjs|py|ipynb|html|css|yml|toml)$|^Dockerfile$|^\.ci\/run$/
/** Installed, made or cached; and this file, which names the words. */
const EXCEPT =
  /(?:^|\/)(?:node_modules|\.venv|\.git|\.tap|\.\w+_cache|dist|cdk\.out)(?:\/|$)|^models\/train|^scripts\/lib\/prose\.ts$/

let found = 0
for await (const file of filesBelow('')) {
  const lines = (await readFile(join(ROOT, file), 'utf8')).split('\n')
  for (const [i, line] of lines.entries()) {
    // Plots in the notebook.
    if (line.length > 2000) continue
    for (const [word, write] of AVOID) {
      const match = word.exec(line)
      if (!match) continue
      found++
      console.error(`${file}:${i + 1}: “${match[0]}”; write ${write}`)
    }
  }
}
if (found > 0) process.exitCode = 1

/** Files of prose, by their paths from the project's root. */
async function* filesBelow(folder: string): AsyncGenerator<string> {
  for (const entry of await readdir(join(ROOT, folder), { withFileTypes: true })) {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`
    if (EXCEPT.test(path)) continue
    if (entry.isDirectory()) yield* filesBelow(path)
    else if (PROSE.test(path)) yield path
  }
}
