/**
 * Records when the keys of a fixed string go down and come up. One module without dependencies, for any
 * page; `docs/recorder.md` shows how to use it.
 *
 * A typing is either whole and clean or refused with a reason. What is refused: anything by which its times
 * would not be those of one person's fingers on one keyboard, from the first key to the last.
 */

/** One typing, as `POST /identify`, `/verify` and `/features` take it. */
export interface Typing {
  /** When each key went down, whole ms since the first did, in the order of the string. */
  Press: number[]
  /** When each key came up, likewise; one for each press. */
  Release: number[]
}

/** Why a typing is refused, for programs. */
export type Reason = keyof typeof MESSAGES

/** Why a typing is refused. */
export interface Refusal {
  reason: Reason
  /** For people: one sentence. */
  message: string
}

/** A key of the typing under way. */
export interface Key {
  /** The character it typed. */
  key: string
  /** ms since the first press, with the fraction that the browser gives. */
  press: number
  /** Likewise; undefined while the key is down. */
  release: number | undefined
}

/** What to record, and what to call. */
export interface RecorderOptions {
  /** The string to type; each of its characters one press of a key, with Shift or without. */
  string: string
  /** Called with each clean typing, once its last key is up. */
  onTyping: (typing: Typing) => void
  /** Called for each typing that is refused, at once. What follows without a pause belongs to it and is dropped. */
  onRefusal: (refusal: Refusal) => void
  /** Called on every press and release of the typing under way, and with an empty list when it is reset. */
  onKeys?: (keys: readonly Readonly<Key>[]) => void
}

/** A recorder at work. */
export interface Recorder {
  /** Forget the typing under way, without refusing it. */
  reset: () => void
  /** Listen no more. */
  stop: () => void
}

const MESSAGES = {
  'wrong-key': 'That is not the next key of the string.',
  'caps-lock': 'Caps Lock is on; turn it off.',
  edited: 'The text was changed by something else than typing its next key.',
  'key-repeat': 'A key was held until it repeated.',
  shortcut: 'Ctrl, Alt, Meta, Caps Lock or another key that types nothing was pressed.',
  pasted: 'Pasted or dropped text has no key times.',
  composition: 'Text was composed, with a dead key or an input method.',
  'focus-lost': 'The field lost the focus before the last key was up.',
  untrusted: 'The keys were pressed by a program.',
  'no-key-times': 'This keyboard does not tell when keys go down and come up; use a real one.'
}

/** A pause that ends a refused typing, ms: keys typed for a moment longer are not refused again. */
const PAUSE = 600

/** Keys that a real keyboard holds down for less, ms, all of them, were not pressed one by one. */
const SHORTEST_HOLD = 2

/** Characters that need no Shift on any layout. */
const UNSHIFTED = /^[\p{Ll}\p{Lo} ]*$/u

/**
 * Record typings of a string in an input field.
 *
 * @param input - its text is the recorder's: emptied after each typing
 * @param options - what to record, and what to call
 */
export function record(input: HTMLInputElement, options: RecorderOptions): Recorder {
  // As keyboards type it: some programs write é as two characters.
  const string = options.string.normalize('NFC')
  const characters = [...string]
  const shiftIsUsed = !UNSHIFTED.test(string)
  let keys: Key[] = []
  /** The keys that are down, by their place on the keyboard: Shift may change the character meanwhile. */
  const down = new Map<string, Key>()
  let first = 0
  /** When a typing was last refused, or went on after that. */
  let dropped: number | undefined

  const reset = () => {
    keys = []
    down.clear()
    input.value = ''
    options.onKeys?.(keys)
  }

  const isDropping = ({ timeStamp }: Event) => {
    if (dropped === undefined || timeStamp - dropped > PAUSE) return false
    dropped = timeStamp
    return true
  }

  const refuse = (reason: Reason, event: Event) => {
    // The browser's shortcuts stay the browser's.
    if (reason !== 'shortcut') event.preventDefault()
    keys = []
    down.clear()
    input.value = ''
    // One reason is enough: an input method, for one, tells of each of its steps.
    if (isDropping(event)) return
    dropped = event.timeStamp
    options.onRefusal({ reason, message: MESSAGES[reason] })
  }

  const finish = (event: Event) => {
    const Press = keys.map(({ press }) => Math.round(press))
    const Release = keys.map(({ release }) => Math.round(release!))
    if (Press.every((press, i) => Release[i]! - press < SHORTEST_HOLD)) return refuse('no-key-times', event)
    keys = []
    input.value = ''
    options.onTyping({ Press, Release })
  }

  const listeners: { [type in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[type]) => void } = {
    keydown(event) {
      // What fills forms sends events without a key.
      const { key = '', code, timeStamp } = event
      const isCharacter = [...key].length === 1
      const isShortcut = event.ctrlKey || event.altKey || event.metaKey
      // Otherwise it submits the form that the field is in, and the page is left.
      if (key === 'Enter') event.preventDefault()
      if (isDropping(event)) {
        if (isCharacter && !isShortcut) event.preventDefault()
        return
      }
      if (!event.isTrusted) return refuse('untrusted', event)
      if (key === 'Unidentified' || (isCharacter && !code)) return refuse('no-key-times', event)
      if (event.isComposing || key === 'Dead' || key === 'Process') return refuse('composition', event)
      if (!isCharacter) {
        const isDone = keys.length === characters.length
        if (keys.length === 0 || key === 'Tab' || (key === 'Shift' && shiftIsUsed)) return
        if (key === 'Enter' && isDone) return
        return refuse(['', 'Backspace', 'Delete'].includes(key) ? 'edited' : 'shortcut', event)
      }
      if (isShortcut) {
        if (keys.length > 0) refuse('shortcut', event)
        return
      }
      if (event.repeat || down.has(code)) return refuse('key-repeat', event)
      const next = characters[keys.length]
      if (key !== next) {
        const isCase = event.getModifierState('CapsLock') && key.toLowerCase() === next?.toLowerCase()
        return refuse(isCase ? 'caps-lock' : 'wrong-key', event)
      }
      if (keys.length === 0) first = timeStamp
      const pressed: Key = { key, press: timeStamp - first, release: undefined }
      keys.push(pressed)
      down.set(code, pressed)
      options.onKeys?.(keys)
    },

    keyup(event) {
      const released = down.get(event.code)
      // A key that went down elsewhere, as Tab does on the way here.
      if (released === undefined) return
      if (!event.isTrusted) return refuse('untrusted', event)
      down.delete(event.code)
      released.release = event.timeStamp - first
      options.onKeys?.(keys)
      if (down.size === 0 && keys.length === characters.length) finish(event)
    },

    // Whatever else changes the text, spelling, voice or the mouse, leaves one that no key has typed.
    input(event) {
      if (input.value === characters.slice(0, keys.length).join('')) return
      refuse(event.isTrusted ? 'edited' : 'untrusted', event)
    },
    compositionstart: (event) => refuse('composition', event),
    paste: (event) => refuse('pasted', event),
    drop: (event) => refuse('pasted', event),
    blur(event) {
      if (keys.length > 0) refuse('focus-lost', event)
    }
  }

  input.value = ''
  input.autocomplete = 'off'
  input.autocapitalize = 'off'
  input.spellcheck = false
  input.setAttribute('autocorrect', 'off')

  const stopped = new AbortController()
  for (const [type, listener] of Object.entries(listeners)) {
    input.addEventListener(type, listener as EventListener, { signal: stopped.signal })
  }
  // A page that is hidden keeps its focus in some browsers.
  document.addEventListener(
    'visibilitychange',
    (event) => {
      if (document.hidden && keys.length > 0) refuse('focus-lost', event)
    },
    { signal: stopped.signal }
  )
  return { reset, stop: () => stopped.abort() }
}
