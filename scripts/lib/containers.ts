/** What the tests of the image and of the deployment need beyond Node and Python; `.ci/run` installs it. */
import { spawnSync } from 'node:child_process'

/** Programs by name, and how each is asked whether it is there. */
const TOOLS = {
  buildah: ['--version'],
  podman: ['--version'],
  haproxy: ['-v'],
  'docker-registry': ['--version']
} as const

/** What the Dockerfile builds on. */
const BASES = ['docker.io/library/node:24-bookworm-slim', 'docker.io/library/python:3.12-slim-bookworm']

const works = (command: string, args: readonly string[]) =>
  spawnSync(command, args, { stdio: 'ignore' }).status === 0

/** @returns what of these is not here, and how to get it; none if all are */
export function missingTools(...tools: (keyof typeof TOOLS)[]): string[] {
  return tools.filter((tool) => !works(tool, TOOLS[tool])).map((tool) => `${tool} (apt-get install ${tool})`)
}

/** @returns as `missingTools`, of the images that the Dockerfile builds on */
export function missingBases(): string[] {
  return BASES.filter((base) => !works('buildah', ['inspect', '--type', 'image', base])).map(
    (base) => `${base} (buildah pull)`
  )
}

/** @returns as `missingTools`, of the base of an image for ARM64; `.ci/arm64-base` puts it there */
export function missingArmBase(): string[] {
  const found = spawnSync('buildah', ['from', '--pull=never', '--platform', 'linux/arm64', BASES[0]!], {
    encoding: 'utf8'
  })
  if (found.status !== 0) return [`${BASES[0]} for ARM64 (.ci/arm64-base)`]
  spawnSync('buildah', ['rm', found.stdout.trim()])
  return []
}

/** @returns the reason to skip a test, or false */
export function withoutThese(missing: string[]): string | false {
  return missing.length > 0 && `not here: ${missing.join(', ')}`
}
