/** Finding and making elements. */

type Child = Node | string
type Attributes = Record<string, string | number | boolean>

/** @throws Error if the page has no such element of that class: page and script do not match */
export function byId<E extends Element>(id: string, type: new () => E): E {
  return find(document, `#${CSS.escape(id)}`, type)
}

/** The first element inside that matches; @throws Error if there is none, as above */
export function find<E extends Element>(inside: ParentNode, selector: string, type: new () => E): E {
  const found = inside.querySelector(selector)
  if (!(found instanceof type)) throw new Error(`the page has no ${type.name} ${selector}`)
  return found
}

/** Make an HTML element; text is text and never markup, whatever names people have. */
export function html<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[Tag] {
  return fill(document.createElement(tag), attributes, children)
}

/** Make an SVG element. */
export function svg<Tag extends keyof SVGElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: Child[]
): SVGElementTagNameMap[Tag] {
  return fill(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children)
}

/** Make a table with a header row. */
export function table(caption: string, columns: string[], rows: (string | number)[][]): HTMLTableElement {
  return html(
    'table',
    {},
    html('caption', {}, caption),
    html('thead', {}, html('tr', {}, ...columns.map((column) => html('th', { scope: 'col' }, column)))),
    html('tbody', {}, ...rows.map((row) => html('tr', {}, ...row.map((cell) => html('td', {}, `${cell}`)))))
  )
}

function fill<E extends Element>(element: E, attributes: Attributes, children: Child[]): E {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, '')
    else if (value !== false) element.setAttribute(name, `${value}`)
  }
  element.append(...children)
  return element
}
