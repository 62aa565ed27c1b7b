import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Value } from 'typebox/value'
import { FEATURE_NAMES } from './predict.ts'
import { type Manifest, ManifestSchema, type ModelName } from './schemas.ts'

/** The manifest's version that this server reads; the notebook's `FORMAT_VERSION`. */
const FORMAT_VERSION = 2

/** Models that cannot be served; the message is one sentence that says what to do. */
export class ModelsError extends Error {
  override name = 'ModelsError'
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
    throw new ModelsError(`There is no ${path}; npm run train makes one.`)
  }
  let manifest: unknown
  try {
    manifest = JSON.parse(text)
  } catch {
    throw new ModelsError(`${path} is damaged: it is not JSON; npm run train makes a new one.`)
  }
  const version = (manifest as { formatVersion?: unknown } | null)?.formatVersion
  if (version !== FORMAT_VERSION) {
    throw new ModelsError(
      `${path} is of format version ${version}, and this server reads ${FORMAT_VERSION}; npm run train makes one.`
    )
  }
  if (!Value.Check(ManifestSchema, manifest)) {
    const fault = Value.Errors(ManifestSchema, manifest)[0]
    throw new ModelsError(`${path} is damaged at ${fault?.instancePath || 'its top'}: ${fault?.message}.`)
  }
  if (manifest.features.names.join() !== FEATURE_NAMES.join()) {
    throw new ModelsError(
      `${path} is of the features ${manifest.features.names}, and this server computes ${FEATURE_NAMES}.`
    )
  }
  return manifest
}

/**
 * Read a model's file and hold it against the manifest.
 *
 * @returns the ONNX file's bytes
 * @throws ModelsError if it is missing or not the file that the manifest names
 */
export async function readModelFile(
  folder: string,
  name: ModelName | 'typing',
  manifest: Manifest
): Promise<Buffer> {
  const entry = name === 'typing' ? manifest.typingModel : manifest.models[name]
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
