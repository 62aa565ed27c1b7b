/** `npm run schema`: write models/manifest.schema.json, by which Python checks a manifest before it publishes one. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ManifestSchema } from '../server/src/schemas/manifest.ts'
import { ROOT } from './lib/processes.ts'

/** The schema of the manifest as a file. */
export function manifestSchema(): string {
  const schema = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Manifest',
    ...ManifestSchema
  }
  return `${JSON.stringify(schema, null, 2)}\n`
}

// import.meta.main is Node 24's.
if (process.argv[1] === import.meta.filename) {
  await writeFile(join(ROOT, 'models', 'manifest.schema.json'), manifestSchema())
}
