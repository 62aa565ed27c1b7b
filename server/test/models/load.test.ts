import { createHash } from 'node:crypto'
import { cp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { loadModels } from '../../src/models/load.ts'
import type { Manifest } from '../../src/schemas/manifest.ts'
import { folder } from '../fixtures.ts'

/** A copy of good models for a test to spoil. */
async function copyModels(t: Test): Promise<{ dir: string; manifest: Manifest; save: () => Promise<void> }> {
  const dir = t.testdir({})
  for (const file of await readdir(folder('sample'))) {
    if (file === 'manifest.json' || file.endsWith('.onnx'))
      await cp(join(folder('sample'), file), join(dir, file))
  }
  const path = join(dir, 'manifest.json')
  const manifest = JSON.parse(await readFile(path, 'utf8')) as Manifest
  return { dir, manifest, save: () => writeFile(path, JSON.stringify(manifest)) }
}

const refused = (message: RegExp) => ({ name: 'ModelsError', message })

t.test('models as the notebook left them load, and close', async (t) => {
  const { dir } = await copyModels(t)
  const models = await loadModels(dir)
  t.equal(models.manifest.dataset.users, 110)
  t.same(Object.keys(models.byName), ['SVM', 'RF', 'XGB', 'typing'])
  await models.close()
})

t.test('a missing manifest is reported with what makes one', async (t) => {
  await t.rejects(loadModels(t.testdir({})), refused(/^There is no .*manifest\.json; run npm run train\.$/))
})

t.test('a manifest that is cut off is refused', async (t) => {
  const { dir } = await copyModels(t)
  await truncate(join(dir, 'manifest.json'), 500)
  await t.rejects(loadModels(dir), refused(/manifest\.json is damaged: it is not JSON/))
})

t.test('a manifest of another version is refused', async (t) => {
  const { dir, manifest, save } = await copyModels(t)
  manifest.formatVersion = 1
  await save()
  await t.rejects(loadModels(dir), refused(/has format version 1; expected 6\. Run npm run train/))
})

t.test('a manifest that lacks a field, or has one too many, is refused by its place', async (t) => {
  const { dir, manifest, save } = await copyModels(t)
  Object.assign(manifest.models.RF, { extra: 1 })
  await save()
  await t.rejects(loadModels(dir), refused(/is damaged: manifest\.models\.RF/))
})

t.test('a manifest of other features is refused', async (t) => {
  const { dir, manifest, save } = await copyModels(t)
  manifest.features.names.reverse()
  await save()
  await t.rejects(loadModels(dir), refused(/has the features RPT\.STD,.* expected HT\.Mean/))
})

t.test('a model file that is missing, cut off or altered is refused by name', async (t) => {
  const { dir, manifest } = await copyModels(t)
  const path = join(dir, manifest.models.XGB.file)
  const bytes = await readFile(path)

  bytes[bytes.length >> 1]! ^= 1
  await writeFile(path, bytes)
  await t.rejects(
    loadModels(dir),
    refused(/xgb-.*is not the file that the manifest names: its SHA-256 differs/)
  )

  await truncate(path, 1000)
  await t.rejects(loadModels(dir), refused(/xgb-.* has 1000 bytes, and the manifest says \d+/))

  await rm(path)
  await t.rejects(loadModels(dir), refused(/The manifest names .*xgb-.*, which cannot be read: ENOENT/))
})

t.test('a file that is not a model is refused though its hash is right', async (t) => {
  const { dir, manifest, save } = await copyModels(t)
  const bytes = Buffer.from('no graph at all')
  await writeFile(join(dir, manifest.models.SVM.file), bytes)
  manifest.models.SVM.bytes = bytes.length
  manifest.models.SVM.sha256 = createHash('sha256').update(bytes).digest('hex')
  await save()
  await t.rejects(loadModels(dir), refused(/svm-.* is not a valid ONNX model/))
})

t.test('inputs and outputs other than the manifest says are refused', async (t) => {
  const { dir, manifest, save } = await copyModels(t)
  manifest.models.RF.input = 'times'
  await save()
  await t.rejects(loadModels(dir), refused(/rf-.* has the tensors .*"features".*; expected .*"times"/))
})

t.test('a manifest of fewer users than a model scores is refused', async (t) => {
  const { dir, manifest, save } = await copyModels(t)
  manifest.classes.pop()
  await save()
  await t.rejects(loadModels(dir), refused(/scores 110 users, and the manifest names 109/))
})

t.test('a golden row that comes out otherwise is refused', async (t) => {
  const { dir, manifest, save } = await copyModels(t)
  const { golden } = manifest.models.RF
  const labels = Buffer.from(golden.labels, 'base64')
  const third = manifest.classes[labels.readInt32LE(8)]
  labels.writeInt32LE((labels.readInt32LE(8) + 1) % 110, 8)
  const { labels: right } = golden
  golden.labels = labels.toString('base64')
  await save()
  await t.rejects(
    loadModels(dir),
    refused(new RegExp(`rf-.* names user ${third} for golden row 2, and the manifest says`))
  )

  golden.labels = right
  const sums = Buffer.from(golden.sums, 'base64')
  for (const faulty of [sums.readDoubleLE(24) + 1e-4, Number.NaN]) {
    sums.writeDoubleLE(faulty, 24)
    golden.sums = sums.toString('base64')
    await save()
    await t.rejects(
      loadModels(dir),
      refused(/rf-.* scores golden row 3 with a sum of [\d.]+, and the manifest says/)
    )
  }
})

t.test('golden rows and answers that are not as many are refused', async (t) => {
  const { dir, manifest, save } = await copyModels(t)
  const { golden } = manifest.models.XGB
  golden.labels = Buffer.from(golden.labels, 'base64').subarray(0, -4).toString('base64')
  await save()
  await t.rejects(
    loadModels(dir),
    refused(/The manifest has 880 golden rows for XGB, 879 labels and 880 sums/)
  )
  manifest.golden.features = 'AAAA'
  await save()
  await t.rejects(loadModels(dir), refused(/The manifest has 0 golden rows for (SVM|RF|XGB)/))
})

t.test('as many rows as rounding may tip may differ', async (t) => {
  const { dir, manifest, save } = await copyModels(t)
  const { golden } = manifest.models.RF
  const labels = Buffer.from(golden.labels, 'base64')
  for (const row of [0, 1]) labels.writeInt32LE((labels.readInt32LE(4 * row) + 1) % 110, 4 * row)
  Object.assign(golden, { labels: labels.toString('base64'), mayDiffer: 2 })
  await save()
  await (await loadModels(dir)).close()
  golden.mayDiffer = 1
  await save()
  await t.rejects(loadModels(dir), refused(/rf-.* names user \d+ for golden row 0, and the manifest says/))
})

t.test('one damaged weight is found though the hash is right', async (t) => {
  // Each weight of a leaf is five bytes, the first of which is its tag in Protocol Buffers.
  const leaf = (bytes: Buffer) => bytes.lastIndexOf('class_weights') + 'class_weights'.length + 5 * 80 + 1
  const places = { SVM: (bytes: Buffer) => bytes.length >> 1, RF: leaf, XGB: leaf }
  for (const name of ['SVM', 'RF', 'XGB'] as const) {
    const { dir, manifest, save } = await copyModels(t)
    const entry = manifest.models[name]
    const path = join(dir, entry.file)
    const bytes = await readFile(path)
    bytes.writeFloatLE(0.7, places[name](bytes))
    await writeFile(path, bytes)
    entry.sha256 = createHash('sha256').update(bytes).digest('hex')
    await save()
    await t.rejects(
      loadModels(dir),
      refused(/-.* (names user|scores golden row) .*, and the manifest says/),
      name
    )
  }
})

t.test('an enrollment that comes out otherwise, and one in place of templates, are refused', async (t) => {
  const { dir, manifest, save } = await copyModels(t)
  const { enroll } = manifest.models.typing
  enroll.golden.plda[50]! += 0.001
  await save()
  await t.rejects(
    loadModels(dir),
    refused(/typing-enroll-.* makes .* of the golden typings for plda\[50\], and the manifest says/)
  )
  enroll.golden.plda[50]! -= 0.001
  const { golden, ...file } = enroll
  manifest.models.typing.templates = file
  await save()
  await t.rejects(
    loadModels(dir),
    refused(/typing-enroll-.* has the tensors .*"times".*; expected .*"enrolled"/)
  )
})

t.test('a shortlist that scores otherwise is refused though its hash is right', async (t) => {
  const { dir, manifest, save } = await copyModels(t)
  const { shortlist } = manifest.models.typing
  const path = join(dir, shortlist.file)
  const bytes = await readFile(path)
  // In the middle is the matrix that makes PLDA's view of the timings.
  for (let i = 0; i < 40; i++) bytes.writeFloatLE(1.5, (bytes.length >> 1) + 4 * i)
  await writeFile(path, bytes)
  shortlist.sha256 = createHash('sha256').update(bytes).digest('hex')
  await save()
  await t.rejects(loadModels(dir), refused(/typing-shortlist-.* (names user|scores) .*; expected/))
})

t.test('templates of more or fewer typings than the data has are refused', async (t) => {
  const { dir, manifest, save } = await copyModels(t)
  manifest.dataset.typings++
  await save()
  await t.rejects(
    loadModels(dir),
    refused(/typing-templates-.* is of 880 typings, and the manifest says 881/)
  )
})

t.test('a file of templates that is altered is refused by name', async (t) => {
  const { dir, manifest } = await copyModels(t)
  const path = join(dir, manifest.models.typing.templates.file)
  const bytes = await readFile(path)
  bytes[bytes.length >> 1]! ^= 1
  await writeFile(path, bytes)
  await t.rejects(loadModels(dir), refused(/typing-templates-.* is not the file .*: its SHA-256 differs/))
})
