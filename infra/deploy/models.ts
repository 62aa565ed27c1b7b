/**
 * `npm run deploy:models -- SOURCE`: have the models to deploy in models/, for the pipeline, whose repository holds
 * nobody's data. SOURCE is one of
 *
 *   path/to.csv          a CSV here: the models are trained on it
 *   s3://BUCKET/KEY.csv  a CSV in a bucket: the models are trained on it, and it is deleted here
 *   s3://BUCKET/PREFIX/  models that were trained elsewhere: the manifest and the files that it names
 */
import { createWriteStream } from 'node:fs'
import { copyFile, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { GetObjectCommand, NoSuchBucket, NoSuchKey, S3Client } from '@aws-sdk/client-s3'
import { ROOT } from '../../scripts/lib/processes.ts'
import { train } from '../../scripts/train.ts'
import { checkFiles, filesOf, ModelsError, readManifest } from '../../server/src/models/manifest.ts'
import { command, DeployError } from './steps.ts'

const MODELS = join(ROOT, 'models')

const USAGE = 'Use npm run deploy:models -- path/to.csv, s3://BUCKET/KEY.csv or s3://BUCKET/PREFIX/.'

await command(async () => {
  const [source = '', ...rest] = process.argv.slice(2)
  if (source === '' || rest.length > 0) throw new DeployError('One source of the models is needed.', USAGE)
  const [, bucket, key = ''] = /^s3:\/\/([^/]+)\/(.*)$/.exec(source) ?? []
  if (bucket === undefined && source.startsWith('s3:')) throw new DeployError(`Invalid: ${source}.`, USAGE)
  if (bucket === undefined) return trainOn(source)
  if (key !== '' && !/\/$|\.csv$/i.test(key)) {
    throw new DeployError(`${source} is neither a CSV nor a folder, which ends with a slash.`, USAGE)
  }
  // Readable for its owner alone: it may hold people's typings.
  const folder = await mkdtemp(join(tmpdir(), 'keystroke-models-'))
  try {
    const s3 = new S3Client({
      forcePathStyle: process.env.AWS_ENDPOINT_URL !== undefined,
      followRegionRedirects: true
    })
    const fetchFile = (name: string, at: string) => download(s3, bucket, at, join(folder, name))
    if (/\.csv$/i.test(key)) {
      const csv = basename(key)
      await fetchFile(csv, key)
      await trainOn(join(folder, csv))
    } else await takeModels(folder, key, fetchFile)
  } finally {
    await rm(folder, { recursive: true })
  }
})

async function trainOn(csv: string): Promise<void> {
  if ((await train([csv])) === 0) return
  throw new DeployError('Training failed; the lines above say why.', 'Fix the cause and run it again.')
}

async function takeModels(
  folder: string,
  prefix: string,
  fetchFile: (name: string, at: string) => Promise<void>
): Promise<void> {
  await fetchFile('manifest.json', `${prefix}manifest.json`)
  try {
    const manifest = await readManifest(folder)
    const names = [...new Set(filesOf(manifest).map(({ file }) => file))]
    for (const name of names) await fetchFile(name, `${prefix}${name}`)
    await checkFiles(folder, manifest)
    await mkdir(MODELS, { recursive: true })
    // The manifest comes last, so that models/ never has one whose files are not there.
    for (const name of [...names, 'manifest.json']) await copyFile(join(folder, name), join(MODELS, name))
    for (const name of await readdir(MODELS)) {
      if (name.endsWith('.onnx') && !names.includes(name)) await rm(join(MODELS, name))
    }
    const { name, users } = manifest.dataset
    console.log(`Models of ${name}, ${users} users, made ${manifest.createdAt}.`)
  } catch (error) {
    if (!(error instanceof ModelsError)) throw error
    throw new DeployError(
      `The models in the bucket are invalid: ${error.why}`,
      'Train and upload them again.'
    )
  }
}

/** @throws DeployError if it is not there */
async function download(s3: S3Client, bucket: string, key: string, path: string): Promise<void> {
  try {
    const { Body, ContentLength = 0 } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }))
    console.log(`s3://${bucket}/${key}: ${ContentLength} bytes`)
    await pipeline(Body as Readable, createWriteStream(path, { mode: 0o600 }))
  } catch (error) {
    if (!(error instanceof NoSuchKey || error instanceof NoSuchBucket)) throw error
    throw new DeployError(
      `s3://${bucket}/${key} does not exist.`,
      'Upload it (aws s3 cp), or name another source.'
    )
  }
}
