/** What a spreadsheet would run as a formula. */
const FORMULA = /^[=+\-@]/

/** How `toCell` writes it. */
const ESCAPED = /^'(?=[=+\-@])/

/**
 * Write a name for a CSV that people may open in a spreadsheet: after an apostrophe where it would be run as a formula
 * (CWE-1236).
 */
export const toCell = (name: string): string => (FORMULA.test(name) ? `'${name}` : name)

/** Read a name that `toCell` has written. */
export const fromCell = (cell: string): string => cell.replace(ESCAPED, '')
