import { afterAll, beforeAll, expect, jest } from '@jest/globals';
import type { Browser, Locator, Page } from 'playwright-core';
import { closeAll, ONE_FILE, type RunningSidecar, startSidecar, TEST_MS } from '../processes.ts';
import { launch, originOf, say, sendAll, span, tabAt, there } from './browser.ts';

jest.setTimeout(TEST_MS);

const TRACE = 'fb'.repeat(16);
const JOB = `${'nightly-export-'.repeat(9)}`.slice(0, 128);
/** The last is that of a window of 1,280 at 200 %. */
const WIDTHS = [1280, 768, 360, 640];
/** Least for a text to be read, px. */
const LEGIBLE_PX = 140;

let sidecar: RunningSidecar;
let browser: Browser | undefined;
let tab: Page;

beforeAll(async () => {
  browser = await launch();
  if (browser === undefined) return;
  sidecar = await startSidecar({ yaml: ONE_FILE });
  const job = { job_id: JOB, trace_id: TRACE };
  await sendAll(sidecar, [
    { ...span(TRACE, 1, 0, 90_000), ...job },
    say('short', 'said in a span', { ...job, span_id: '1'.padStart(16, '0') }),
    { source: 's'.repeat(128), type: 'progress', data: { percent: 50, status: 'running' }, ...job },
    say('s'.repeat(128), 'said by one of a long name', job),
  ]);
  tab = await tabAt(browser, sidecar);
});
afterAll(async () => {
  await browser?.close();
  await closeAll();
});

async function open(path: string, width: number): Promise<void> {
  await tab.setViewportSize({ width, height: 800 });
  await tab.goto(originOf(sidecar) + path);
}

const boxOf = async (of: Locator) => (await of.boundingBox()) ?? { x: 0, y: 0, width: 0, height: 0 };

there.each(WIDTHS)('at %d px heads, times and ids of the jobs are not broken up', async (width) => {
  await open('/jobs', width);
  await tab.getByRole('row').nth(1).waitFor();
  for (const part of ['thead th:nth-child(6)', 'tbody time', '.progress']) {
    expect((await boxOf(tab.locator(part).first())).height).toBeLessThan(40);
  }
  expect((await boxOf(tab.locator('tbody th'))).width).toBeGreaterThan(LEGIBLE_PX);
});

there.each(WIDTHS)(
  'at %d px texts of messages can be read, and rows are as high as they say',
  async (width) => {
    await open('/live', width);
    const lines = tab.locator('.line');
    await lines.nth(1).waitFor();
    for (const text of await lines.locator('.text').all()) {
      const { x, width: shown } = await boxOf(text);
      expect(shown).toBeGreaterThan(LEGIBLE_PX);
      expect(x + shown).toBeLessThanOrEqual(width);
    }
    const [first, second] = [await boxOf(lines.nth(0)), await boxOf(lines.nth(1))];
    expect(second.y - first.y).toBe(width > 700 ? 24 : 44);
    await lines.first().click();
    const { x, width: shown } = await boxOf(tab.getByRole('complementary'));
    expect(shown).toBeGreaterThan(2 * LEGIBLE_PX);
    expect(x + shown).toBeLessThanOrEqual(width);
  },
);

there.each(WIDTHS)('at %d px bars and logs of a job have room, and the bar its buttons', async (width) => {
  await open(`/traces/${TRACE}`, width);
  expect((await boxOf(tab.locator('.track'))).width).toBeGreaterThan(LEGIBLE_PX);
  const [theme, keys] = [
    tab.getByRole('button', { name: 'Theme' }),
    tab.getByRole('button', { name: 'Keys' }),
  ];
  expect((await boxOf(theme)).y).toBe((await boxOf(keys)).y);
  await open(`/traces/${TRACE}?tab=Logs`, width);
  const text = await boxOf(tab.getByRole('cell', { name: 'said by one of a long name' }));
  expect(text.width).toBeGreaterThan(LEGIBLE_PX);
  expect(text.x + text.width).toBeLessThanOrEqual(width);
});
