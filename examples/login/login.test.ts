/** The example in a browser, before the service as it is in production: with keys. */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { withoutBrowser } from '../../scripts/lib/browser.ts'
import { ROOT } from '../../scripts/lib/processes.ts'
import { buildApp } from '../../server/src/app.ts'
import { loadModels } from '../../server/src/models/load.ts'
import type { Typing } from '../../server/src/schemas/typing.ts'
import { folder, oracle, typing } from '../../server/test/fixtures.ts'
import { openBrowser, openPage, type Typist } from '../../server/test/page/browser.ts'
import { buildLogin } from './app.ts'
import { Recognition } from './recognition.ts'

const STRING = 'quiet morning'
const PASSWORD = 'correct horse'
const hash = (key: string) => createHash('sha256').update(key).digest('hex')

const said = oracle('sample')
/** Somebody who is not in the sample: slower than user 2, and with longer holds. */
const mine = (row: number): Typing => {
  const { Press, Release } = typing(said, 8 + row)
  return {
    Press: Press.map((time) => Math.round(time * 1.4)),
    Release: Release.map((time) => Math.round(time * 1.4) + 20)
  }
}
const anothers = (row: number) => typing(said, 100 + row)

/** Start the service. */
async function startService(): Promise<{ service: FastifyInstance; recognition: Recognition }> {
  const models = loadModels(folder('sample'))
  const service = await buildApp({
    models,
    keyHashes: { ask: [hash('asking')], administer: [hash('admin')] }
  })
  await models
  const url = await service.listen({ host: '127.0.0.1', port: 0 })
  return { service, recognition: new Recognition(url, 'asking', 'admin') }
}

const users = async (service: FastifyInstance): Promise<{ UserID: string; Typings: number }[]> => {
  const response = await service.inject({ url: '/users?limit=1000', headers: { 'x-api-key': 'admin' } })
  return response.json().Users.filter(({ Source }: { Source: string }) => Source === 'enrolled')
}

t.test('the guide shows what the example does', async (t) => {
  const guide = await readFile(join(ROOT, 'docs', 'recorder.md'), 'utf8')
  const source = (name: string) => readFile(join(import.meta.dirname, name), 'utf8')
  const files = (await Promise.all(['app.ts', 'recognition.ts', 'page/page.mjs'].map(source))).join('\n')
  const quoted = [...guide.matchAll(/```(?:ts|js)\n(.*?)```/gs)].flatMap(([, code]) => code!.split('\n'))
  t.ok(quoted.length > 20)
  for (const line of quoted) t.ok(files.includes(line.trim()), line)
})

t.test('in a browser', { skip: withoutBrowser }, async (t) => {
  const { service, recognition } = await startService()
  t.teardown(() => service.close())
  const site = await buildLogin(recognition)
  t.teardown(() => site.close())
  const url = await site.listen({ host: '127.0.0.1', port: 0 })
  const browser = await openBrowser(t)

  const open = async (t: Test, at = url) => {
    const typist = await openPage(browser, at)
    await typist.page.locator('[name=name]').waitFor()
    t.teardown(() => typist.page.close())
    return typist
  }
  const says = ({ page }: Typist, text: string | RegExp) => page.locator('#says').getByText(text).waitFor()
  const submit = async (
    { page }: Typist,
    button: 'Log in' | 'Sign up',
    name: string,
    password = PASSWORD
  ) => {
    await page.fill('[name=name]', name)
    await page.fill('[name=password]', password)
    await page.getByRole('button', { name: button }).click()
  }
  /** Give the password, and type. */
  const logIn = async (typist: Typist, name: string, ...typings: Typing[]) => {
    await submit(typist, 'Log in', name)
    for (const [i, typing] of typings.entries()) {
      await says(typist, i === 0 ? 'Now type the words below' : `Type it again to be surer (${i + 1} of 3)`)
      await typist.type(STRING, typing)
    }
  }
  /** Sign up and type five times. */
  const signUp = async (typist: Typist, name: string): Promise<string> => {
    await submit(typist, 'Sign up', name)
    await says(typist, 'Now type the words below 5 times')
    const code = (await typist.page.textContent('#recovery code'))!
    for (const row of [0, 1, 2, 3, 4]) {
      await typist.type(STRING, mine(row))
      await says(typist, row < 4 ? `${row + 1} of 5.` : `Welcome, ${name}.`)
    }
    await typist.page.getByRole('button', { name: 'Log out' }).click()
    await typist.page.locator('[name=name]').waitFor()
    return code
  }

  let code = ''
  await t.test('people sign up, and log in by password and typing', async (t) => {
    const typist = await open(t)
    code = await signUp(typist, 'Ada')
    const [user, ...others] = await users(service)
    t.same(others, [])
    t.match(user, { Typings: 5, UserID: /^[0-9a-f-]{36}$/ }, 'the service does not know her name')

    await logIn(typist, 'Ada', mine(5))
    await says(typist, 'Welcome, Ada.')
    await typist.page.reload()
    await says(typist, 'Welcome, Ada.')
    t.same(typist.faults, [], 'the page asks nobody but its own back end')
  })

  await t.test('the password alone, or the typing alone, lets nobody in', async (t) => {
    const typist = await open(t)
    await submit(typist, 'Log in', 'Ada', 'not her password')
    await says(typist, 'Name or password are wrong.')
    await submit(typist, 'Log in', 'Nobody')
    await says(typist, 'Name or password are wrong.')
    await logIn(typist, 'Ada', anothers(1), anothers(2), anothers(3))
    await says(typist, 'Your recovery code, please')
    await typist.page.fill('[name=code]', 'a guess')
    await typist.page.getByRole('button', { name: 'Go on' }).click()
    await says(typist, 'That is not the code. Please log in again.')
  })

  await t.test('who is refused comes in by the recovery code', async (t) => {
    const typist = await open(t)
    await logIn(typist, 'Ada', anothers(4), anothers(5), anothers(6))
    await says(typist, 'Your recovery code, please')
    await typist.page.fill('[name=code]', code)
    await typist.page.getByRole('button', { name: 'Go on' }).click()
    await says(typist, 'Welcome, Ada.')
  })

  await t.test('the browser cannot say who is verified, nor try for ever', async (t) => {
    const post = async (path: string, body: object, cookie = '') => {
      const response = await site.inject({
        method: 'POST',
        url: path,
        headers: { cookie },
        body
      })
      const set = response.headers['set-cookie']
      return { response, cookie: set === undefined ? cookie : `${set}`.split(';')[0]! }
    }
    const out = await post('/typing', { typing: mine(5) })
    t.equal(out.response.statusCode, 401)
    const extra = await post('/typing', { typing: mine(5), UserID: (await users(service))[0]!.UserID })
    t.not(extra.response.json().state, 'in')

    const { cookie } = await post('/log-in', { name: 'Ada', password: PASSWORD })
    const asked = t.capture(recognition, 'isMatch', recognition.isMatch)
    for (const tries of [1, 2, 3]) await post('/typing', { typing: anothers(tries) }, cookie)
    const late = await post('/typing', { typing: mine(5) }, cookie)
    t.same(late.response.json(), { state: 'code' })
    t.equal(asked().length, 3, 'after three, not even her own is looked at')

    const again = await post('/log-in', { name: 'Ada', password: PASSWORD })
    await Promise.all([4, 5, 6, 7, 8].map((row) => post('/typing', { typing: anothers(row) }, again.cookie)))
    t.equal(asked().length, 3, 'nor more than three that come at once')
  })

  await t.test('where the service refuses, or is away, people come in by the code', async (t) => {
    const { service: other, recognition: away } = await startService()
    const lonely = await buildLogin(away)
    t.teardown(() => lonely.close())
    const typist = await open(t, await lonely.listen({ host: '127.0.0.1', port: 0 }))
    const own = await signUp(typist, 'Grace')
    const [grace] = await users(other)
    const admin = { 'x-api-key': 'admin' }
    await other.inject({ method: 'DELETE', url: `/users/${grace!.UserID}`, headers: admin })
    await logIn(typist, 'Grace', mine(5))
    await says(typist, 'Your recovery code, please')
    await other.close()
    await typist.page.reload()
    await logIn(typist, 'Grace', mine(5))
    await says(typist, 'Your recovery code, please')
    await typist.page.fill('[name=code]', own)
    await typist.page.getByRole('button', { name: 'Go on' }).click()
    await says(typist, 'Welcome, Grace.')
    await typist.page.getByRole('button', { name: 'Delete my account' }).click()
    await says(typist, 'That cannot be done right now.')
  })

  await t.test('who deletes their account is deleted from the service', async (t) => {
    const typist = await open(t)
    // By now so many claims to be Ada failed that the service answers none for a while.
    await logIn(typist, 'Ada', mine(6))
    await says(typist, 'Your recovery code, please')
    await typist.page.fill('[name=code]', code)
    await typist.page.getByRole('button', { name: 'Go on' }).click()
    await says(typist, 'Welcome, Ada.')
    await typist.page.getByRole('button', { name: 'Delete my account' }).click()
    await typist.page.locator('[name=name]').waitFor()
    t.same(await users(service), [])
    await submit(typist, 'Log in', 'Ada')
    await says(typist, 'Name or password are wrong.')
  })

  await t.test('a session of a deleted account is not one of somebody of the same name', async (t) => {
    const [one, other] = [await open(t), await open(t)]
    await signUp(one, 'Eve')
    for (const [typist, row] of [
      [one, 5],
      [other, 6]
    ] as const) {
      await logIn(typist, 'Eve', mine(row))
      await says(typist, 'Welcome, Eve.')
    }
    await one.page.getByRole('button', { name: 'Delete my account' }).click()
    await one.page.locator('[name=name]').waitFor()
    await signUp(one, 'Eve')
    await other.page.reload()
    await other.page.locator('[name=name]').waitFor()
  })
})
