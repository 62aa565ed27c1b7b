import { byId, find } from '../lib/dom.ts'
import type { AskKey } from '../lib/service.ts'

/** Ask for an API key in a dialog; Escape and Cancel say no. */
export const askKey: AskKey = (why) => {
  const dialog = byId('key-dialog', HTMLDialogElement)
  const form = find(dialog, 'form', HTMLFormElement)
  const input = find(form, 'input', HTMLInputElement)
  byId('key-fault', HTMLElement).textContent = why
  input.value = ''
  return new Promise((resolve) => {
    form.onsubmit = (event) => {
      event.preventDefault()
      dialog.close('use')
    }
    byId('key-cancel', HTMLButtonElement).onclick = () => dialog.close('')
    dialog.onclose = () => resolve(dialog.returnValue === 'use' ? input.value : undefined)
    dialog.returnValue = ''
    dialog.showModal()
  })
}
