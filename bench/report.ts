import { readFile, writeFile } from 'node:fs/promises'
import { basename } from 'node:path'

/**
 * Put figures between their two comments in a report.
 *
 * @param script - that makes them, as the first comment names it
 */
export async function writeFigures(
  report: string,
  name: string,
  script: string,
  figures: string
): Promise<void> {
  const text = await readFile(report, 'utf8')
  const [start, end] = [`<!-- ${name}: npm run ${script} -->`, `<!-- end of ${name} -->`]
  const [from, to] = [text.indexOf(start), text.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`${basename(report)} has no place for ${name}`)
  await writeFile(report, `${text.slice(0, from)}${start}\n${figures}\n${text.slice(to)}`)
}
