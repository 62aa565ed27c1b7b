/** Numbers as people read them. */

/** @returns a share in percent, with more digits where it is small */
export function percent(share: number): string {
  const value = 100 * share
  if (value > 0 && value < 0.1) return '< 0.1 %'
  return `${value.toFixed(value < 10 || value > 99 ? 1 : 0).replace(/\.0$/, '')} %`
}

/** @returns the number with so many digits after the point, and a real minus */
export function number(value: number, digits: number): string {
  return value.toFixed(digits).replace('-', '−')
}
