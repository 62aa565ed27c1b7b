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
  /** For people, before they type: why this string or this device may not do, and what to do. */
  notice: string | undefined
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
  'key-bounce': 'A key went down twice in a moment, as worn keys do.',
  shortcut: 'Ctrl, Alt, AltGr, Meta, Caps Lock or another key that types nothing was pressed.',
  pasted: 'Pasted or dropped text has no key times.',
  composition: 'Text was composed, with a dead key or an input method.',
  'focus-lost': 'The field lost the focus before the last key was up.',
  pause: 'More than 10 seconds passed between two keys.',
  untrusted: 'The keys were pressed by a program.',
  'no-key-times':
    'This keyboard does not say when keys go down and come up, as those on screens do not; connect another one, or use a computer.',
  'no-clock': 'This browser does not say when keys go down and come up; update it, or use another one.',
  'clock-back': 'The clock went back while the string was typed.'
}

/** A pause that ends a refused typing, ms: keys typed for a moment longer are not refused again. */
const PAUSE = 600

/**
 * Longest time between two presses, ms, as in the service: of 39,000 typings of the GREYC-NISLAB, MOBIKEY and CMU
 * recordings, 23 have a longer one.
 */
const LONGEST_PAUSE = 10_000

/** After the last press, ms, a keyboard that has not sent a release yet sends none. */
const LONGEST_HOLD = 3_000

/** Nobody holds so many keys of a string down at once. */
const MOST_DOWN = 6

/** Keys that a real keyboard holds down for less, ms, all of them, were not pressed one by one. */
const SHORTEST_HOLD = 2

/** One finger presses a key twice in no less, ms: of 6,600 double letters in the GREYC-NISLAB recordings, 4 are closer. */
const SHORTEST_DOUBLE = 30

/** Characters that need no Shift on any layout. */
const UNSHIFTED = /^[\p{Ll}\p{Lo} ]*$/u

/** Word processors put them in place of those that were typed. */
const TYPOGRAPHIC = /[\u2018-\u201f\u2026\u2010-\u2015\u00a0\u202f]/u

/**
 * Record typings of a string in an input field.
 *
 * @param input - its text is the recorder's: emptied after each typing
 * @param options - what to record, and what to call
 * @throws TypeError if the string can never be typed into that field
 */
export function record(input: HTMLInputElement, options: RecorderOptions): Recorder {
  // As keyboards type it: some programs write é as two characters.
  const string = options.string.normalize('NFC')
  const characters = [...string]
  requireTypable(input, characters)
  const shiftIsUsed = !UNSHIFTED.test(string)
  let keys: Key[] = []
  /** The keys that are down, by their place on the keyboard: Shift may change the character meanwhile. */
  const down = new Map<string, Key>()
  /** Where the last key is on the keyboard. */
  let lastCode = ''
  let first = 0
  /** Whether the last key that went down was pressed with Alt or AltGr. */
  let withAlt = false
  /** When a typing was last refused, or went on after that. */
  let dropped: number | undefined
  /** Ends a typing that does not go on. */
  let timer: ReturnType<typeof setTimeout> | undefined

  const forget = () => {
    clearTimeout(timer)
    keys = []
    down.clear()
    input.value = ''
  }

  const reset = () => {
    forget()
    options.onKeys?.(keys)
  }

  const isDropping = (event: Event) => {
    const now = timeOf(event)
    // Not so after a clock that went back.
    if (dropped === undefined || now < dropped || now - dropped > PAUSE) return false
    dropped = now
    return true
  }

  const tell = (reason: Reason) => options.onRefusal({ reason, message: MESSAGES[reason] })

  const refuse = (reason: Reason, event: Event) => {
    // The browser's shortcuts stay the browser's.
    if (reason !== 'shortcut') event.preventDefault()
    forget()
    // One reason is enough: an input method, for one, tells of each of its steps.
    if (isDropping(event)) return
    dropped = timeOf(event)
    tell(reason)
  }

  const hasNoRelease = () => down.size === keys.length

  const waitForMore = () => {
    clearTimeout(timer)
    const isLast = keys.length === characters.length && hasNoRelease()
    timer = setTimeout(
      () => {
        const reason = hasNoRelease() ? 'no-key-times' : 'pause'
        forget()
        tell(reason)
      },
      isLast ? LONGEST_HOLD : LONGEST_PAUSE
    )
  }

  const finish = (event: Event) => {
    const Press = keys.map(({ press }) => Math.round(press))
    const Release = keys.map(({ release }) => Math.round(release!))
    if (Press.every((press, i) => Release[i]! - press < SHORTEST_HOLD)) return refuse('no-key-times', event)
    forget()
    options.onTyping({ Press, Release })
  }

  const listeners: { [type in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[type]) => void } = {
    keydown(event) {
      // What fills forms sends events without a key.
      const { key = '', code, timeStamp } = event
      const isCharacter = [...key].length === 1
      withAlt = isCharacter && (event.altKey || event.getModifierState('AltGraph'))
      const isShortcut = event.ctrlKey || event.metaKey || withAlt
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
      if (event.repeat) return refuse('key-repeat', event)
      if (timeStamp === 0) return refuse('no-clock', event)
      const last = keys.at(-1)
      const sinceLast = last === undefined ? 0 : timeStamp - first - last.press
      if (sinceLast < 0) return refuse('clock-back', event)
      if (sinceLast > LONGEST_PAUSE) return refuse('pause', event)
      // Without a release in between, nor the mark of a repeat.
      if (down.has(code)) return refuse(hasNoRelease() ? 'no-key-times' : 'key-repeat', event)
      if (last !== undefined && code === lastCode && sinceLast < SHORTEST_DOUBLE) {
        return refuse('key-bounce', event)
      }
      const next = characters[keys.length]
      if (key !== next) {
        const isCase = event.getModifierState('CapsLock') && key.toLowerCase() === next?.toLowerCase()
        return refuse(isCase ? 'caps-lock' : 'wrong-key', event)
      }
      if (keys.length === 0) first = timeStamp
      const pressed: Key = { key, press: timeStamp - first, release: undefined }
      keys.push(pressed)
      down.set(code, pressed)
      if (down.size > MOST_DOWN) return refuse('no-key-times', event)
      lastCode = code
      waitForMore()
      options.onKeys?.(keys)
    },

    keyup(event) {
      const released = down.get(event.code)
      // A key that went down elsewhere, as Tab does on the way here.
      if (released === undefined) return
      if (!event.isTrusted) return refuse('untrusted', event)
      const release = event.timeStamp - first
      if (release < released.press) return refuse('clock-back', event)
      if (release - released.press > LONGEST_PAUSE) return refuse('pause', event)
      down.delete(event.code)
      released.release = release
      options.onKeys?.(keys)
      if (down.size === 0 && keys.length === characters.length) finish(event)
      else waitForMore()
    },

    // Whatever else changes the text, spelling, voice or the mouse, leaves one that no key has typed.
    input(event) {
      if (input.value === characters.slice(0, keys.length).join('')) return
      refuse(!event.isTrusted ? 'untrusted' : withAlt ? 'shortcut' : 'edited', event)
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
  const stop = () => {
    clearTimeout(timer)
    stopped.abort()
  }
  return { notice: findNotice(string), reset, stop }
}

/** When an event happened, ms; some versions of WebKit say 0 of key events (https://bugs.webkit.org/show_bug.cgi?id=296331). */
function timeOf({ timeStamp }: Event): number {
  return timeStamp === 0 ? performance.now() : timeStamp
}

function requireTypable(input: HTMLInputElement, characters: readonly string[]): void {
  const string = characters.join('')
  const named = JSON.stringify(string)
  if (/\p{Cc}/u.test(string)) {
    throw new TypeError(`${named} has a tab or another control character, which cannot be typed into a field`)
  }
  if (input.maxLength >= 0 && string.length > input.maxLength) {
    throw new TypeError(`${named} is longer than the maxlength of the field, ${input.maxLength}`)
  }
  // An email field trims its text, and a number field empties what is not a number.
  let typed = ''
  for (const character of characters) {
    typed += character
    input.value = typed
    if (input.value === typed) continue
    input.value = ''
    throw new TypeError(
      `a field of type ${input.type} does not keep ${JSON.stringify(character)} of ${named} as it is typed; use type=text`
    )
  }
}

function findNotice(string: string): string | undefined {
  const [rare] = TYPOGRAPHIC.exec(string) ?? []
  if (rare !== undefined) {
    const name = /\s/.test(rare) ? 'A no-break space' : `“${rare}”`
    return `${name} is on hardly any keyboard; if yours has none, the string has to be another.`
  }
  if (matchMedia('(pointer: coarse)').matches && !matchMedia('(any-pointer: fine)').matches) {
    return 'Keyboards on screens do not say when keys go down and come up; connect a keyboard, or use a computer.'
  }
  return undefined
}
