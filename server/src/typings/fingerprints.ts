import { createHash } from 'node:crypto'
import type { Typing } from '../schemas/typing.ts'

/** Characters of a fingerprint: 66 bits, so that no two typings of a user have the same by chance. */
const LENGTH = 11

/** Move the times of a typing to begin with the first press. When somebody typed is nobody's business. */
export function fromFirstPress({ Press, Release }: Typing): Typing {
  const since = (time: number) => time - Press[0]!
  return { Press: Press.map(since), Release: Release.map(since) }
}

/** Hash the times of a typing, whenever it began. */
export function fingerprint(typing: Typing): string {
  const text = JSON.stringify(fromFirstPress(typing))
  return createHash('sha256').update(text).digest('base64url').slice(0, LENGTH)
}
