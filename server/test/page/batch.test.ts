import { readFile } from 'node:fs/promises'
import t from 'tap'
import { withoutBrowser } from '../../../scripts/lib/browser.ts'
import { csv, readyApp } from '../fixtures.ts'
import { openBrowser, openPage } from './browser.ts'

const [HEADER, ...ROWS] = csv('sample').toString().trimEnd().split('\n') as [string, ...string[]]

t.test('a file of typings', { skip: withoutBrowser }, async (t) => {
  const app = await readyApp()
  t.teardown(() => app.close())
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  const browser = await openBrowser(t)

  const ask = async (Model: string, payload: string) => {
    const headers = { 'content-type': 'text/csv' }
    return (await app.inject({ method: 'POST', url: `/predict/batch?Model=${Model}`, headers, payload })).body
  }
  const open = async () => {
    const typist = await openPage(browser, `${url}/#batch`)
    const { page } = typist
    const choose = (content: string) =>
      page.setInputFiles('#batch [name=file]', {
        name: 'some.csv',
        mimeType: 'text/csv',
        buffer: Buffer.from(content)
      })
    const done = () => page.locator('#batch-progress').waitFor({ state: 'hidden' })
    const download = async () => {
      const [file] = await Promise.all([page.waitForEvent('download'), page.click('#batch-download')])
      return { name: file.suggestedFilename(), content: await readFile(await file.path(), 'utf8') }
    }
    return { ...typist, choose, done, download }
  }

  await t.test('is answered row by row as the API answers it, and can be downloaded', async (t) => {
    const { page, choose, done, download, faults } = await open()
    const models = page.locator('#batch option')
    t.same(await models.allTextContents(), ['Typing model', 'SVM', 'Random forest', 'Boosted trees'])
    t.equal(await page.inputValue('#batch select'), 'typing', 'the most accurate, unless asked otherwise')
    await page.selectOption('#batch select', 'XGB')
    await choose(csv('sample').toString())
    await done()
    const expected = await ask('XGB', csv('sample').toString())
    const { name, content } = await download()
    t.equal(name, 'some-XGB.csv')
    t.equal(content, expected)
    const right = expected.split('\n').filter((row) => /^\d+,(\d+),\1,$/.test(row)).length
    t.match(
      (await page.textContent('#batch-summary'))!.replaceAll('\u00a0', ' '),
      `Rows880Answered880Faulty0Named as in the file${right}, 100 %`
    )
    t.equal(await page.locator('#batch-table tbody tr').count(), 100)
    t.notOk(await page.isVisible('#batch-filter'), 'all are named as in the file')
    t.match(await page.textContent('#batch-table caption'), 'The first 100 of 880 rows')
    t.same(faults, [])
  })

  await t.test('rows that are named otherwise than their user are marked, and shown alone', async (t) => {
    const { page, choose, done } = await open()
    await page.selectOption('#batch select', 'SVM')
    await choose(csv('sample').toString())
    await done()
    const rows = (await ask('SVM', csv('sample').toString())).trimEnd().split('\n').slice(1)
    const others = rows.filter((row) => !/^\d+,(\d+),\1,$/.test(row))
    const shown = () => page.locator('#batch-table tbody tr').allInnerTexts()
    const marked = await page.locator('#batch-table tr.other').allInnerTexts()
    const text = (rows: string[]) => rows.map((row) => row.replaceAll(',', '\t'))
    t.same(marked, text(rows.slice(0, 100).filter((row) => others.includes(row))))
    await page.getByLabel(`Only the ${others.length} named otherwise`).check()
    t.same(await shown(), text(others.slice(0, 100)))
    t.match(
      await page.textContent('#batch-table caption'),
      `The first 100 of ${others.length} rows named otherwise`
    )
    await page.getByLabel('named otherwise').uncheck()
    t.same(await shown(), text(rows.slice(0, 100)))
  })

  for (const end of ['\r\n', '\n', '\r']) {
    await t.test(
      `of many pieces gets the answer of the whole: lines that end with ${JSON.stringify(end)}, quotes, faults`,
      async (t) => {
        const { page, choose, done, download } = await open()
        const odd = [
          ROWS[0]!.replace(/^1,/, `"ana${end}maria",`),
          ROWS[1]!.replace(/^1,/, '"bob, ""the fast""",'),
          ROWS[2]!.replace(/^1,/, 'o"neill,'),
          '',
          ROWS[3]!.replace(/,\d+$/, ',x'),
          'é,1,2',
          ROWS[4]!
        ]
        const rows = Array.from({ length: 6 }, () => [...ROWS, ...odd]).flat()
        const text = `\ufeff${end}${[HEADER, ...rows].join(end)}`
        const requests: string[] = []
        page.on('request', (request) => requests.push(request.url()))
        await choose(text)
        await done()
        t.ok(requests.length > 2, `${requests.length} pieces`)
        t.equal((await download()).content, await ask('typing', text))
        t.match(await page.textContent('#batch-summary'), 'Faulty12')
      }
    )
  }

  await t.test('without users has no share named right', async (t) => {
    const { page, choose, done } = await open()
    await choose([HEADER, ...ROWS.slice(0, 3)].map((row) => row.slice(row.indexOf(',') + 1)).join('\n'))
    await done()
    t.equal(await page.textContent('#batch-summary'), 'Rows3Answered3Faulty0')
    t.notOk(await page.isVisible('#batch-memory'))
  })

  await t.test('that is not one is refused in the service’s words', async (t) => {
    const { page, choose, done } = await open()
    for (const [content, why] of [
      ['', 'the CSV is empty; a header comes first'],
      [HEADER, 'the CSV has no row after its header'],
      ['name,time\nana,5', 'column 1 should be press-0, is "name"']
    ] as const) {
      await choose(content)
      await done()
      t.match(await page.textContent('#batch-fault'), why)
      t.notOk(await page.isVisible('#batch-result'))
    }
  })

  await t.test('that is large and not one is refused as soon', async (t) => {
    const { page, choose, done } = await open()
    const row = `${'s002,1,1,'.repeat(12)}0.1\n`
    for (const bytes of [400_000, 1_000_000, 4_600_000]) {
      await choose(`subject,sessionIndex,rep\n${row.repeat(bytes / row.length)}`)
      await done()
      t.match(
        await page.textContent('#batch-fault'),
        'column 2 should be press-0, is "sessionIndex"',
        `${bytes} bytes`
      )
    }
  })

  await t.test('can be dropped', async (t) => {
    const { page, done } = await open()
    const transfer = await page.evaluateHandle(`{
      const transfer = new DataTransfer()
      transfer.items.add(new File([${JSON.stringify(`${HEADER}\n${ROWS[0]}\n`)}], 'dropped.csv', { type: 'text/csv' }))
      transfer
    }`)
    await page.dispatchEvent('#drop', 'drop', { dataTransfer: transfer })
    await page.waitForSelector('#batch-result')
    await done()
    t.equal(await page.textContent('#batch-status'), '1 rows answered.')
  })

  await t.test('can be stopped; the answers so far are kept', async (t) => {
    const { page, choose, done, download } = await open()
    const text = [HEADER, ...Array.from({ length: 8 }, () => ROWS).flat()].join('\n')
    let requests = 0
    await page.route('**/predict/batch*', async (route) => {
      if (++requests === 1) await route.continue()
    })
    await choose(text)
    await page.waitForSelector('#batch-result')
    await page.click('#batch-stop')
    await done()
    t.match(await page.textContent('#batch-fault'), 'Stopped; the answers so far are below.')
    const { content } = await download()
    t.ok((await ask('typing', text)).startsWith(content) && content.length > 1000)
  })
})
