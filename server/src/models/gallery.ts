import { Tensor } from 'onnxruntime-node'
import type { UserID } from '../schemas/common.ts'
import { TEMPLATE_ROWS, type Template } from './enrollment.ts'
import type { Gallery } from './model.ts'

/** Whom the typing model tells apart: trained users and enrolled ones. */
export interface UserGallery extends Gallery {
  /** Typings that each class's template is made of. */
  enrolled: readonly number[]
  /** How many of the classes are users still. */
  listed: number
  /** How many users there are, with those whom a shortlist left out. */
  users: number
  /** The class of a user; undefined of one who is not a user, or no longer. */
  classOf(userID: UserID): number | undefined
}

/** What a class that is no longer a user scores: so little that its probability is 0. */
const HIDDEN = Math.fround(-1e30)

/**
 * Templates of all users in memory, as the matrices that are scored. Trained users come first and keep their rows
 * even when they are deleted, for the score compares with them; enrolled ones follow.
 */
export class Templates {
  readonly #trained: number
  #classes: UserID[]
  #enrolled: number[]
  #classOf: Map<UserID, number>
  #matrices: Record<keyof Template, Float32Array>
  readonly #columns: Record<keyof Template, number>

  /** @param trained - the users of the training, whose templates are copied */
  constructor(trained: Pick<UserGallery, 'classes' | 'enrolled' | 'templates'>) {
    this.#trained = trained.classes.length
    this.#classes = [...trained.classes]
    this.#enrolled = [...trained.enrolled]
    this.#classOf = new Map(trained.classes.map((userID, index) => [userID, index]))
    const copy = (name: keyof Template) => Float32Array.from(trained.templates[name]!.data as Float32Array)
    this.#matrices = { plda: copy('plda'), laplace: copy('laplace') }
    const columns = (name: keyof Template) => trained.templates[name]!.dims[1]!
    this.#columns = { plda: columns('plda'), laplace: columns('laplace') }
  }

  has(userID: UserID): boolean {
    return this.#classOf.has(userID)
  }

  /** Add a user, or replace their template. */
  set(userID: UserID, template: Template, enrolled: number): void {
    this.delete(userID)
    const index = this.#classes.length
    for (const name of TEMPLATE_ROWS) {
      const row = template[name]
      if (this.#matrices[name].length < (index + 1) * row.length) {
        const grown = new Float32Array(2 * (index + 1) * row.length)
        grown.set(this.#matrices[name])
        this.#matrices[name] = grown
      }
      this.#matrices[name].set(row, index * row.length)
    }
    this.#classes.push(userID)
    this.#enrolled.push(enrolled)
    this.#classOf.set(userID, index)
  }

  delete(userID: UserID): void {
    const index = this.#classOf.get(userID)
    if (index === undefined) return
    this.#classOf.delete(userID)
    // The last number of PLDA's row is added to its log-likelihood ratio.
    const columns = this.#columns.plda
    this.#matrices.plda[(index + 1) * columns - 1] = HIDDEN
    const hidden = this.#classes.length - this.#classOf.size
    if (hidden > this.#trained + this.#classOf.size) this.#compact()
  }

  /** What the model scores from now on. */
  gallery(): UserGallery {
    const rows = this.#classes.length
    const tensor = (name: keyof Template) => {
      const columns = this.#columns[name]
      return new Tensor(this.#matrices[name].subarray(0, rows * columns), [rows, columns])
    }
    const classOf = this.#classOf
    return {
      classes: this.#classes,
      enrolled: this.#enrolled,
      listed: classOf.size,
      users: classOf.size,
      classOf: (userID) => classOf.get(userID),
      templates: { plda: tensor('plda'), laplace: tensor('laplace') }
    }
  }

  /** Leave out rows that are hidden, but for the trained users'; galleries given before keep their own. */
  #compact(): void {
    const kept = this.#classes.flatMap((userID, index) =>
      index < this.#trained || this.#classOf.get(userID) === index ? [index] : []
    )
    const matrices = TEMPLATE_ROWS.map((name) => {
      const columns = this.#columns[name]
      const matrix = new Float32Array(kept.length * columns)
      for (const [row, index] of kept.entries()) {
        matrix.set(this.#matrices[name].subarray(index * columns, (index + 1) * columns), row * columns)
      }
      return [name, matrix] as const
    })
    const isUser = kept.map((index) => this.#classOf.get(this.#classes[index]!) === index)
    this.#matrices = Object.fromEntries(matrices) as Record<keyof Template, Float32Array>
    this.#classes = kept.map((index) => this.#classes[index]!)
    this.#enrolled = kept.map((index) => this.#enrolled[index]!)
    this.#classOf = new Map(
      this.#classes.flatMap((userID, row) => (isUser[row] ? [[userID, row] as const] : []))
    )
  }
}

/**
 * Leave out classes of a gallery.
 *
 * @param rows - the classes that stay, each once, in this order
 */
export function narrow(gallery: UserGallery, rows: readonly number[]): UserGallery {
  const plda = gallery.templates.plda!
  const columns = plda.dims[1]!
  return {
    classes: rows.map((row) => gallery.classes[row]!),
    enrolled: rows.map((row) => gallery.enrolled[row]!),
    listed: rows.reduce((count, row) => {
      return count + Number(plda.data[(row + 1) * columns - 1] !== HIDDEN)
    }, 0),
    users: gallery.users,
    classOf(userID) {
      const index = gallery.classOf(userID)
      if (index === undefined) return undefined
      const place = rows.indexOf(index)
      // One who was replaced meanwhile has a row past those that were scored, as in the whole gallery.
      return place < 0 ? rows.length : place
    },
    // None that could be scored: they are scored already.
    templates: {}
  }
}
