import { Tensor } from 'onnxruntime-node'
import t from 'tap'
import { narrow, Templates } from '../../src/models/gallery.ts'

/** Templates of one number and an offset, to tell whose they are. */
const template = (value: number) => ({
  plda: Float32Array.of(value, 0),
  laplace: Float32Array.of(-value, 1)
})

const three = () =>
  new Templates({
    classes: [1, 2, 3],
    enrolled: [8, 8, 7],
    templates: {
      plda: new Tensor(Float32Array.of(1, 0, 2, 0, 3, 0), [3, 2]),
      laplace: new Tensor(Float32Array.of(-1, 1, -2, 1, -3, 1), [3, 2])
    }
  })

/** The rows of a gallery, and which of them are users. */
const rows = (templates: Templates) => {
  const { classes, enrolled, templates: tensors } = templates.gallery()
  const [plda, laplace] = [tensors.plda!, tensors.laplace!]
  t.same(plda.dims, laplace.dims)
  return Array.from({ length: plda.dims[0]! }, (_, row) => ({
    UserID: classes[row],
    enrolled: enrolled[row],
    plda: Number(plda.data[2 * row]),
    laplace: Number(laplace.data[2 * row]),
    isHidden: Number(plda.data[2 * row + 1]) < -1e29
  }))
}
const users = (templates: Templates) => rows(templates).filter(({ isHidden }) => !isHidden)

t.test('enrolled users follow the trained ones, however many', async (t) => {
  const templates = three()
  for (let i = 4; i <= 200; i++) templates.set(i, template(i), 5)
  t.same(
    users(templates),
    Array.from({ length: 200 }, (_, i) => ({
      UserID: i + 1,
      enrolled: i < 2 ? 8 : i === 2 ? 7 : 5,
      plda: i + 1,
      laplace: -i - 1,
      isHidden: false
    }))
  )
  const gallery = templates.gallery()
  t.equal(gallery.users, 200)
  t.equal(gallery.classOf(77), 76)
  t.equal(gallery.classOf('77'), undefined)
})

t.test('a deleted trained user is hidden and keeps its row, as the score compares with it', async (t) => {
  const templates = three()
  templates.delete(2)
  templates.delete(2)
  t.same(
    rows(templates).map(({ UserID, isHidden }) => [UserID, isHidden]),
    [
      [1, false],
      [2, true],
      [3, false]
    ]
  )
  t.match(rows(templates)[1], { laplace: -2 })
  t.equal(templates.gallery().users, 2)
  t.equal(templates.gallery().classOf(2), undefined)
  templates.set(2, template(9), 4)
  t.match(users(templates).at(-1), { UserID: 2, plda: 9, enrolled: 4 })
})

t.test(
  'rows of what was replaced are dropped in time; galleries given before stay as they were',
  async (t) => {
    const templates = three()
    templates.set('ana', template(10), 3)
    const before = templates.gallery()
    const data = Array.from(before.templates.plda!.data as Float32Array).slice(0, 7)
    for (let i = 0; i < 1000; i++) templates.set('ana', template(11 + i), 3)
    templates.set('bob', template(5), 6)
    templates.delete(3)
    t.ok(rows(templates).length < 12, `${rows(templates).length} rows`)
    t.same(
      users(templates).map(({ UserID, plda, enrolled }) => [UserID, plda, enrolled]),
      [
        [1, 1, 8],
        [2, 2, 8],
        ['ana', 1010, 3],
        ['bob', 5, 6]
      ]
    )
    t.same(
      rows(templates)
        .slice(0, 3)
        .map(({ laplace }) => laplace),
      [-1, -2, -3]
    )
    t.same(before.templates.plda!.dims, [4, 2])
    t.same(Array.from(before.templates.plda!.data as Float32Array).slice(0, 7), data)
    t.same(before.classes.slice(0, 4), [1, 2, 3, 'ana'])
  }
)

t.test('a narrowed gallery has the chosen classes, and knows how many users there are', async (t) => {
  const templates = three()
  for (let i = 4; i <= 20; i++) templates.set(i, template(i), i)
  templates.delete(2)
  templates.delete(9)
  const narrowed = narrow(templates.gallery(), [18, 1, 11, 8])
  t.same(narrowed.classes, [19, 2, 12, 9])
  t.same(narrowed.enrolled, [19, 8, 12, 9])
  t.equal(narrowed.users, 18, 'of the whole gallery')
  t.equal(narrowed.listed, 2, 'two of the four are users no longer')
  t.equal(narrowed.classOf(12), 2)
  t.equal(narrowed.classOf(2), undefined)
  t.equal(narrowed.classOf(99), undefined)
  t.equal(narrowed.classOf(5), 4, 'past the end: a user who is not in it')
})
