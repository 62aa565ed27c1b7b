import type { Card, ClassifierName, ModelName } from './service.ts'

/** What people call the models; others go by their names. */
const LABELS: Partial<Record<string, string>> = {
  RF: 'Random forest',
  XGB: 'Boosted trees',
  typing: 'Typing model'
}

export const labelOf = (model: ModelName): string => LABELS[model] ?? model

/** All models, the most accurate first. */
export const modelsOf = (card: Card): ModelName[] => ['typing', ...classifiersOf(card)]

/** The models that read the 8 features. */
export function classifiersOf({ models }: Card): ClassifierName[] {
  const features = Object.entries(models).filter(([, { input }]) => input === 'features')
  return features.map(([name]) => name as ClassifierName)
}

/** Whether a model's scores are probabilities. */
export function hasProbabilities({ models }: Card, model: ClassifierName): boolean {
  return models[model].metrics.leaveOneRepetitionOut.ECE !== undefined
}
