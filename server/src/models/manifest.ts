import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { compileCheck } from '../schemas/check.ts'
import { FEATURE_NAMES } from '../schemas/features.ts'
import { FORMAT_VERSION, type Manifest, ManifestSchema, type ModelFile } from '../schemas/manifest.ts'

const findFault = compileCheck(ManifestSchema, 'manifest')

/** Models that cannot be served; the message is one sentence that says what to do. */
export class ModelsError extends Error {
  override name = 'ModelsError'

  /** The message without what to do, for a program that does it. */
  readonly why: string

  constructor(message: string, why = message) {
    super(message)
    this.why = why
  }
}

/**
 * Read and check `manifest.json`, without its model files.
 *
 * @throws ModelsError if it is missing, damaged, of another version or of other features
 */
export async function readManifest(folder: string): Promise<Manifest> {
  const path = join(folder, 'manifest.json')
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw new ModelsError(`${path}: ${error}.`)
    throw new ModelsError(`There is no ${path}; run npm run train.`, 'there are no models yet.')
  }
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch {
    const why = `${path} is damaged: it is not JSON`
    throw new ModelsError(`${why}; run npm run train.`, `${why}.`)
  }
  const version = (document as { formatVersion?: unknown } | null)?.formatVersion
  if (version !== FORMAT_VERSION) {
    const why = `${path} has format version ${version}; expected ${FORMAT_VERSION}.`
    throw new ModelsError(`${why} Run npm run train.`, why)
  }
  const fault = findFault(document)
  if (fault !== undefined) throw new ModelsError(`${path} is damaged: ${fault}.`)
  const manifest = document as Manifest
  if (manifest.features.names.join() !== FEATURE_NAMES.join()) {
    throw new ModelsError(`${path} has the features ${manifest.features.names}; expected ${FEATURE_NAMES}.`)
  }
  return manifest
}

/**
 * Hold every file that a manifest names against it, without loading models.
 *
 * @throws ModelsError if one is missing or not the file that the manifest names
 */
export async function checkFiles(folder: string, manifest: Manifest): Promise<void> {
  for (const entry of filesOf(manifest)) await readModelFile(folder, entry)
}

/** Every file that a manifest names. */
export function filesOf({ models }: Manifest): ModelFile[] {
  const { enroll, shortlist, templates } = models.typing
  return [...Object.values(models), enroll, shortlist, templates]
}

/**
 * Read a model's file and hold it against the manifest.
 *
 * @param entry - what the manifest says of it
 * @returns the ONNX file's bytes
 * @throws ModelsError if it is missing or not the file that the manifest names
 */
export async function readModelFile(folder: string, entry: ModelFile): Promise<Buffer> {
  const path = join(folder, entry.file)
  let bytes: Buffer
  try {
    bytes = await readFile(path)
  } catch (error) {
    throw new ModelsError(`The manifest names ${path}, which cannot be read: ${(error as Error).message}.`)
  }
  if (bytes.length !== entry.bytes) {
    throw new ModelsError(`${path} has ${bytes.length} bytes, and the manifest says ${entry.bytes}.`)
  }
  if (createHash('sha256').update(bytes).digest('hex') !== entry.sha256) {
    throw new ModelsError(`${path} is not the file that the manifest names: its SHA-256 differs.`)
  }
  return bytes
}
