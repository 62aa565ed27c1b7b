import Type from 'typebox'

export const HealthReply = Type.Object(
  { status: Type.Enum(['alive', 'starting', 'ready', 'draining']) },
  { title: 'Health', description: 'Where the process is in its life' }
)
