/** Numbers as people read them. */

/** @returns a share in percent, with more digits where it is small or nearly 1 */
export function percent(share: number): string {
  const value = 100 * share
  if (value > 0 && value < 0.1) return '<\u00a00.1\u00a0%'
  if (value > 99.9 && value < 100) return '>\u00a099.9\u00a0%'
  return `${value.toFixed(value < 10 || value > 99 ? 1 : 0).replace(/\.0$/, '')}\u00a0%`
}

/** @returns the number with so many digits after the point, and a real minus */
export function number(value: number, digits: number): string {
  return value.toFixed(digits).replace('-', '−')
}
