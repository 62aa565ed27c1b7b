import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import dockerignore from '@balena/dockerignore'
import { ended, ROOT, run } from '../../scripts/lib/processes.ts'
import type { Config } from '../config.ts'
import type { Login } from './ecr.ts'
import { DeployError } from './steps.ts'

/** Programs that build and push images, in the order they are looked for. */
const ENGINES = ['docker', 'buildah', 'podman'] as const
export type Engine = (typeof ENGINES)[number]

/** @returns the first engine that works here: a docker without its daemon does not */
export function findEngine(): Engine | undefined {
  return ENGINES.find((engine) => {
    const works = engine === 'docker' ? ['version', '--format', '{{.Server.Version}}'] : ['--version']
    return spawnSync(engine, works, { stdio: 'ignore' }).status === 0
  })
}

/** What makes room on the engine's disk. */
const PRUNE = {
  docker: 'docker system prune',
  buildah: 'buildah prune',
  podman: 'podman system prune'
} as const

const PLATFORMS = { X86_64: 'linux/amd64', ARM64: 'linux/arm64' } as const

/** Of this machine, on which the stages run that build. */
export const HOST_PLATFORM = `linux/${process.arch === 'x64' ? 'amd64' : process.arch}`

/**
 * Name the image after all that it is made of: the same files give the same tag on any machine,
 * so what is in the repository under that tag need not be built again.
 *
 * @returns 16 hex digits
 */
export async function contentTag({ architecture }: Pick<Config, 'architecture'>): Promise<string> {
  const ignored = dockerignore.default({ ignorecase: false })
  ignored.add(await readFile(join(ROOT, '.dockerignore'), 'utf8'))
  const entries = await readdir(ROOT, { recursive: true, withFileTypes: true })
  const paths = entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
  const hash = createHash('sha256').update(architecture)
  for (const path of ['Dockerfile', ...ignored.filter(paths)].sort()) {
    const content = createHash('sha256').update(await readFile(join(ROOT, path)))
    hash.update(`\n${path} ${content.digest('hex')}`)
  }
  return hash.digest('hex').slice(0, 16)
}

/** Build the image with the models of models/; layers that have not changed are taken from before. */
export async function build(engine: Engine, name: string, { architecture }: Config): Promise<void> {
  const { stdout: revision } = spawnSync('git', ['rev-parse', 'HEAD'], { cwd: ROOT, encoding: 'utf8' })
  // Where a proxy inspects TLS, Node has its certificate; the build needs it too.
  const bundle = process.env.NODE_EXTRA_CA_CERTS
  const code = await run(engine, [
    ...(engine === 'docker' ? ['buildx', 'build', '--load', '--provenance=false'] : ['build', '--layers']),
    // The other format has no HEALTHCHECK.
    ...(engine === 'docker' ? [] : ['--format', 'docker']),
    ...['--platform', PLATFORMS[architecture]],
    // Docker knows it; buildah 1.28 does not, and would run the building stages on the image's platform.
    ...(engine === 'docker' ? [] : ['--build-arg', `BUILDPLATFORM=${HOST_PLATFORM}`]),
    ...['--build-arg', 'MODELS=given', '--build-arg', `REVISION=${revision?.trim() || 'unknown'}`],
    ...(bundle !== undefined && existsSync(bundle) ? ['--secret', `id=ca,src=${bundle}`] : []),
    ...['-t', name, '.']
  ])
  if (code === 0) return
  throw new DeployError(
    `${engine} could not build the image; its lines above say why.`,
    `Fix what they name (no space left on device: ${PRUNE[engine]}) and run the same command again.`
  )
}

/** Log in to the registry and push; layers that are there are not sent. */
export async function push(engine: Engine, name: string, { user, password }: Login): Promise<void> {
  const registry = name.slice(0, name.indexOf('/'))
  // Docker takes a registry on loopback without TLS by itself; the others need an option.
  const loopback = /^(localhost|127\.0\.0\.1|\[::1\])(:|$)/.test(registry)
  const tls = engine !== 'docker' && loopback ? ['--tls-verify=false'] : []
  const login = spawn(engine, ['login', ...tls, '--username', user, '--password-stdin', registry], {
    stdio: ['pipe', 'ignore', 'inherit']
  })
  login.stdin.end(password)
  if ((await ended(login)) !== 0) {
    throw new DeployError(
      `${engine} login to ${registry} failed; its lines above say why.`,
      'Check the network and the right ecr:GetAuthorizationToken, and run it again.'
    )
  }
  const format = engine === 'docker' ? [] : ['--format', 'docker']
  if ((await run(engine, ['push', ...tls, ...format, name])) === 0) return
  throw new DeployError(
    `${engine} could not push ${name}; its lines above say why.`,
    `Fix what they name (no space left on device: ${PRUNE[engine]}) and run the same command again: ` +
      'layers that arrived are not sent twice.'
  )
}
