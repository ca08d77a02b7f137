import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { ticksOf } from '../../src/ui/spans.ts';
import { closeAll, ONE_FILE, type RunningSidecar, startSidecar, TEST_MS, until } from '../processes.ts';
import { idOf, launch, originOf, START_MS, say, sendAll, span, tabAt, there } from './browser.ts';

jest.setTimeout(TEST_MS);

let sidecar: RunningSidecar;
let browser: Browser | undefined;
let page: Page;

const TRACE = 'ab'.repeat(16);
const SPANS = 10_000;

beforeAll(async () => {
  browser = await launch();
  if (browser === undefined) return;
  sidecar = await startSidecar({ yaml: ONE_FILE });
  page = await tabAt(browser, sidecar);
});
afterAll(async () => {
  await browser?.close();
  await closeAll();
});

const rows = () => page.getByRole('row');
const count = async () => Number(await page.getByRole('treegrid').getAttribute('aria-rowcount'));

there('all 10,000 spans of a trace are rows, of which those in sight are drawn', async () => {
  const all = [
    span(TRACE, 1, 0, SPANS + 10),
    ...Array.from({ length: SPANS - 1 }, (_, n) =>
      span(TRACE, n + 2, n, n + 10, 1, { status: n === 9_000 ? 'error' : 'success' }),
    ),
  ];
  // Of more than 10,000 in one second only sums are kept.
  for (let at = 0; at < SPANS; at += 2_500) {
    await sendAll(sidecar, all.slice(at, at + 2_500));
    await page.waitForTimeout(700);
  }
  await page.goto(`${originOf(sidecar)}/traces/${TRACE}`);
  await rows().first().waitFor();
  expect(await count()).toBe(SPANS);
  expect(await rows().count()).toBeLessThan(60);
  await page.getByRole('treegrid').evaluate((grid) => grid.scrollTo(0, 5_000 * 26));
  await page.getByText('step 5010 ').waitFor();
  expect(await rows().count()).toBeLessThan(60);
});

there('e goes to the next error, however far; f shows its subtree alone', async () => {
  await page.getByRole('treegrid').evaluate((grid) => grid.scrollTo(0, 0));
  await rows().first().click();
  await page.keyboard.press('e');
  await page.waitForURL(new RegExp(idOf(9_002)));
  await page.getByRole('row', { selected: true }).filter({ hasText: 'step 9002' }).waitFor();
  await page.keyboard.press('f');
  await until(async () => (await count()) === 1, 'the subtree');
  await page.keyboard.press('f');
  await until(async () => (await count()) === SPANS, 'all rows');
});

there('arrows and the twisty collapse and expand', async () => {
  await page.getByRole('treegrid').evaluate((grid) => grid.scrollTo(0, 0));
  await rows().first().click();
  await page.keyboard.press('ArrowLeft');
  await until(async () => (await count()) === 1, 'the root alone');
  await page.getByText('▸').click();
  await until(async () => (await count()) === SPANS, 'all rows');
});

there('z zooms to a span, and out; dragging on the map chooses a stretch that is in the URL', async () => {
  const range = () => new URL(page.url()).searchParams.get('range');
  await rows().nth(3).click();
  await page.keyboard.press('z');
  await until(() => range() === '2-12', 'the zoom');
  const bar = page.getByRole('row', { selected: true }).locator('.bar');
  expect(await bar.evaluate((one) => (one as unknown as { style: { width: string } }).style.width)).toBe(
    '100%',
  );
  await page.keyboard.press('z');
  await until(() => range() === null, 'the whole');
  const map = await page.locator('[data-minimap]').boundingBox();
  if (map === null) throw new Error('there is no map');
  await page.mouse.move(map.x + map.width * 0.25, map.y + 10);
  await page.mouse.down();
  await page.mouse.move(map.x + map.width * 0.5, map.y + 10);
  await page.mouse.up();
  await until(() => range() !== null, 'the stretch');
  const [from = 0, to = 0] = (range() ?? '').split('-').map(Number);
  expect(Math.abs(from - SPANS * 0.25)).toBeLessThan(100);
  expect(Math.abs(to - SPANS * 0.5)).toBeLessThan(100);
  await page.reload();
  await page.getByRole('button', { name: 'Whole time' }).click();
  await until(() => range() === null, 'the whole');
});

there('what was said in a span is a tick on its line; clocks that differ have a badge', async () => {
  const trace = 'cd'.repeat(16);
  const at = (ms: number) => new Date(START_MS + ms).toISOString();
  await sendAll(sidecar, [
    span(trace, 1, 0, 1_000),
    span(trace, 2, -500, 500, 1),
    { ...say('service-1', 'half way', { trace_id: trace, span_id: idOf(1) }), timestamp: at(250) },
    { ...say('service-1', 'and again', { trace_id: trace, span_id: idOf(1) }), timestamp: at(750) },
  ]);
  await page.goto(`${originOf(sidecar)}/traces/${trace}`);
  const root = rows().filter({ hasText: 'step 1' });
  await until(async () => (await root.locator('.tick').count()) === 2, 'two ticks');
  await page.getByText('a child starts before its parent').waitFor();
  await root.click();
  await page.getByRole('region', { name: 'The selected span' }).getByText('half way').waitFor();
});

test('ticks too near to tell apart are one, as bad as the worst; those outside are none', () => {
  const entry = (ms: number, level = 'info') => ({
    id: `${ms}`,
    time: new Date(ms).toISOString(),
    source: 's',
    type: 'event',
    span_id: 'a',
    level,
    text: '',
  });
  const ticks = ticksOf([entry(500), entry(500.4, 'error'), entry(900), entry(1_001)], [0, 1_000]);
  expect(ticks.get('a')).toEqual([
    { at: 0.5, bad: true },
    { at: 0.9, bad: false },
  ]);
});
