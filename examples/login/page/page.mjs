import { record } from './recorder.js'

const ENROLLED_WITH = 5

const says = document.querySelector('#says')
const typingField = document.querySelector('#typing')

/** Ask our own back end; it alone knows keys and users of the recognition service. */
async function call(method, path, body) {
  const response = await fetch(path, {
    method,
    ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
  })
  const reply = await response.json()
  // The answer of an error says why, and where to go on.
  if (!response.ok) throw Object.assign(new Error(reply.message), { state: reply.state })
  return reply
}

function show(state, message) {
  for (const part of document.querySelectorAll('[data-state]')) part.hidden = part.dataset.state !== state
  says.textContent = message
  if (state === 'out') showCode('')
  document.querySelector(`[data-state=${state}] input`)?.focus()
}

/** Show the recovery code for as long as nobody logs out: it is shown once. */
function showCode(code) {
  document.querySelector('#recovery').hidden = code === ''
  document.querySelector('#recovery code').textContent = code
}

/** What is typed to be enrolled; undefined while it is for a log-in. */
let enrolling

function enroll(before = '') {
  enrolling = { typings: [], wanted: ENROLLED_WITH }
  show('type', `${before}Now type the words below ${ENROLLED_WITH} times, as you always would.`)
}

/** Go where an answer says. */
function go({ state, name, code, advice, done, of, message }) {
  if (state === 'enroll' && advice === 'type two more') {
    enrolling.wanted += 2
    says.textContent = 'They differ a lot: type it twice more.'
  } else if (state === 'enroll') {
    if (code) showCode(code)
    enroll(code ? '' : 'They differ too much. ')
  } else if (state === 'type') {
    enrolling = undefined
    show('type', done ? `Type it again to be surer (${done + 1} of ${of}).` : 'Now type the words below.')
  } else {
    const words = {
      code: 'We are not sure that it is you. Your recovery code, please.',
      in: `Welcome, ${name}.`,
      out: ''
    }
    show(state, message ?? words[state])
  }
}

async function attempt(method, path, body) {
  // What was said of the last attempt is not the answer to this one.
  says.textContent = ''
  try {
    go(await call(method, path, body))
  } catch ({ state, message }) {
    if (state) go({ state, message })
    else says.textContent = message
  }
}

function keep(typing) {
  enrolling.typings.push(typing)
  const { typings, wanted } = enrolling
  if (typings.length < wanted) says.textContent = `${typings.length} of ${wanted}. Type it again.`
  else attempt('POST', '/enroll', { typings })
}

const { string, ...state } = await call('GET', '/state')
document.querySelector('.string').textContent = string
const { notice } = record(typingField, {
  string,
  onTyping: (typing) => {
    if (enrolling) keep(typing)
    else attempt('POST', '/typing', { typing })
  },
  onRefusal: ({ message }) => {
    says.textContent = `${message} Please type it again.`
  }
})
// A phone's keyboard will not do, which people should know before they type.
if (notice) says.textContent = notice
document.querySelector('form[data-state=out]').addEventListener('submit', (event) => {
  event.preventDefault()
  const { name, password } = Object.fromEntries(new FormData(event.target))
  event.target.password.value = ''
  attempt('POST', event.submitter.value, { name, password })
})
document.querySelector('form[data-state=code]').addEventListener('submit', (event) => {
  event.preventDefault()
  const { code } = Object.fromEntries(new FormData(event.target))
  event.target.reset()
  attempt('POST', '/code', { code })
})
document.querySelector('#enroll').addEventListener('click', () => enroll())
document.querySelector('#log-out').addEventListener('click', () => attempt('POST', '/log-out'))
document.querySelector('#delete').addEventListener('click', () => attempt('DELETE', '/account'))
go(state)
