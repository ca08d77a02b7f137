import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { afterAll, beforeAll, expect, jest } from '@jest/globals';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import {
  closeAll,
  freePort,
  ONE_FILE,
  type RunningSidecar,
  startSidecar,
  TEST_MS,
  until,
} from '../processes.ts';
import { launch, originOf, say, sendAll, span, tabAt, there } from './browser.ts';

jest.setTimeout(TEST_MS);

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
interface Axe {
  run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }>;
}
const TRACE = 'fa'.repeat(16);
const PAGES = [
  ...['/', '/jobs', '/live', '/metrics', '/health', '/config'],
  ...['/jobs/shown', `/traces/${TRACE}`, '/jobs/shown?tab=Logs', '/jobs/shown?tab=Raw'],
];

let browser: Browser | undefined;
let context: BrowserContext;

beforeAll(async () => {
  browser = await launch();
  // The script of axe is not the page's own.
  context = (await browser?.newContext({ bypassCSP: true })) as BrowserContext;
});
afterAll(async () => {
  await browser?.close();
  await closeAll();
});

/** What axe finds in the tab as it is, in both themes. */
async function violations(tab: Page, where: string): Promise<string[]> {
  const found: string[] = [];
  await tab.evaluate(axe);
  for (const theme of ['light', 'dark']) {
    await tab.evaluate(`document.documentElement.dataset.theme = '${theme}'`);
    const result = await tab.evaluate(() => (globalThis as unknown as { axe: Axe }).axe.run());
    found.push(...result.violations.map(({ id, nodes }) => `${where} ${theme} ${id} ${nodes[0]?.html}`));
  }
  return found;
}

/** What axe finds on every page of a sidecar. */
async function violationsOf(sidecar: RunningSidecar): Promise<string[]> {
  const tab = await tabAt(context, sidecar);
  const found: string[] = [];
  for (const path of PAGES) {
    const url = originOf(sidecar) + path;
    // Its own, not one that the page before it still gets.
    const asked = tab.waitForResponse(
      (response) => response.url().includes('/api/v1/') && response.frame().url() === url,
    );
    await tab.goto(url);
    await asked;
    await tab.waitForTimeout(200);
    found.push(...(await violations(tab, path)));
  }
  await tab.close();
  return found;
}

/** A backend that nobody answers for, and tries again late. */
const DEAD = (port: number) => `
routing:
  default:
    - backend: gone
backends:
  gone:
    type: postgres
    connection_string: postgresql://nobody:none@127.0.0.1:${port}/none
`;

there('axe finds nothing where nothing came yet', async () => {
  expect(await violationsOf(await startSidecar({ yaml: ONE_FILE }))).toEqual([]);
});

there('axe finds nothing where there is data, a dialog, a drawer, a zoom', async () => {
  const sidecar = await startSidecar({ yaml: ONE_FILE });
  const job = { job_id: 'shown' };
  await sendAll(sidecar, [
    { ...span(TRACE, 1, 0, 1_000), ...job },
    { ...span(TRACE, 2, 100, 900, 1, { status: 'error' }), ...job },
    say('service-1', 'said', { ...job, trace_id: TRACE, data: { level: 'error', message: 'said' } }),
    {
      source: 'service-1',
      type: 'metric',
      data: { name: 'rows', value: 3, unit: 'rows', tags: { table: 'a' } },
    },
  ]);
  expect(await violationsOf(sidecar)).toEqual([]);
  const tab = await tabAt(context, sidecar, '/live?text=said');
  await tab.locator('.line').first().click();
  await tab.getByRole('complementary').waitFor();
  const found = await violations(tab, 'drawer');
  await tab.keyboard.press('Control+k');
  await tab.getByRole('dialog', { name: 'Jump' }).getByRole('option').first().waitFor();
  found.push(...(await violations(tab, 'palette')));
  await tab.goto(`${originOf(sidecar)}/jobs/shown?range=100-500`);
  await tab.getByRole('button', { name: 'Whole time' }).waitFor();
  found.push(...(await violations(tab, 'zoom')));
  expect(found).toEqual([]);
  await tab.close();
});

/** Of the first windows at once. */
const SUMS = ['tcp.port=0', 'http.port=0', 'metrics.aggregate=true', 'metrics.window=1s', 'metrics.grace=1s'];

there('metrics are chosen by tag, and shown by a statistic, which the URL keeps', async () => {
  const sidecar = await startSidecar({ yaml: ONE_FILE, set: SUMS });
  const metric = (table: string, value: number) => ({
    source: 'loader',
    type: 'metric',
    data: { name: 'rows', value, tags: { table } },
  });
  await sendAll(sidecar, [metric('a', 5), metric('a', 3), metric('b', 40)]);
  const tab = await tabAt(context, sidecar, '/metrics');
  const tag = tab.getByRole('combobox', { name: 'Tag' });
  await until(async () => (await tag.locator('option').count()) === 3, 'both tags');
  await tag.selectOption('table:a');
  await tab.getByRole('combobox', { name: 'Statistic' }).selectOption('max');
  const figure = tab.locator('figcaption');
  await until(
    async () => /table:a 5\b/.test(await figure.innerText()),
    'the greatest of a',
    () => tab.url(),
  );
  expect(await figure.innerText()).not.toContain('table:b');
  await tag.selectOption('');
  await until(async () => (await figure.locator('.swatch').count()) === 2, 'both lines');
  const colours: string[] = await tab.evaluate(
    `[...document.querySelectorAll('figcaption .swatch')].map((swatch) => getComputedStyle(swatch).backgroundColor)`,
  );
  expect(new Set(colours).size).toBe(2);
  await tag.selectOption('table:a');
  await tab.reload();
  await until(async () => /table:a 5\b/.test(await figure.innerText()), 'the same again');
  await tab.close();
});

/** Makes a tab remember what its canvases write: the labels of axes are no text of the page. */
const rememberLabels = (tab: Page) =>
  tab.addInitScript(`
    globalThis.labels = [];
    const write = CanvasRenderingContext2D.prototype.fillText;
    CanvasRenderingContext2D.prototype.fillText = function (text, ...at) {
      labels.push(String(text));
      return write.call(this, text, ...at);
    };
  `);

there(
  'a chart of one window is drawn over the time that was asked for, in UTC, with short numbers',
  async () => {
    const sidecar = await startSidecar({ yaml: ONE_FILE, set: SUMS });
    await sendAll(sidecar, [{ source: 'loader', type: 'metric', data: { name: 'once', value: 1_739_548 } }]);
    await until(async () => {
      const { series } = await sidecar.get('/api/v1/metrics/query?name=once');
      return series[0]?.points.length === 1;
    }, 'its window has ended');
    const far = (await browser?.newContext({ timezoneId: 'Asia/Kolkata' })) as BrowserContext;
    const tab = await tabAt(far, sidecar);
    await rememberLabels(tab);
    const from = Date.now() - 600_000;
    await tab.goto(`${originOf(sidecar)}/metrics?from=5m`);
    const labels = () => tab.evaluate(() => (globalThis as unknown as { labels: string[] }).labels);
    await until(async () => (await labels()).length > 0, 'the chart is drawn');
    const minutes = new Set((await labels()).filter((label) => /^\d\d:\d\d$/.test(label)));
    expect(minutes.size).toBeGreaterThan(3);
    const utc = Array.from({ length: 30 }, (_, n) => new Date(from + n * 60_000).toISOString().slice(11, 16));
    expect([...minutes].filter((minute) => !utc.includes(minute))).toEqual([]);
    expect((await labels()).some((label) => /^[\d.]+M$/.test(label))).toBe(true);
    await far.close();
  },
);

there('metrics are looked for among all series, and what is not shown is counted', async () => {
  const sidecar = await startSidecar({ yaml: ONE_FILE, set: SUMS });
  const metric = (name: string, tags: object = {}) => ({
    source: 'loader',
    type: 'metric',
    data: { name, value: 1, tags },
  });
  // More than a page of answers has.
  const first = Array.from({ length: 600 }, (_, n) => metric('a', { table: `t${n}` }));
  const others = Array.from({ length: 250 }, (_, n) => metric(`cache_${n}`));
  await sendAll(sidecar, [...first, ...others, metric('zz_rows_loaded')]);
  const isThere = async () => (await sidecar.get('/api/v1/metrics/series')).names === 252;
  await until(isThere, 'all series');
  const tab = await tabAt(context, sidecar, '/metrics');
  const panels = tab.locator('figure');
  await tab.getByText('246 more').waitFor();
  expect(await panels.count()).toBe(6);
  await tab.getByRole('button', { name: 'Show 6 more' }).click();
  await tab.getByText('240 more').waitFor();
  expect(await panels.count()).toBe(12);
  const filter = tab.getByRole('searchbox', { name: 'Filter metrics' });
  await filter.fill('zz_rows');
  await tab.getByRole('heading', { name: 'zz_rows_loaded' }).waitFor();
  await until(async () => (await panels.count()) === 1, 'it alone');
  expect(await tab.getByText(/ more/).count()).toBe(0);
  await filter.fill('nothing');
  await tab.getByText('No metric has this in its name.').waitFor();
  expect(await tab.getByText('metrics.aggregate').count()).toBe(0);
  await tab.close();
});

there('without any metric the page says how to have some, whatever is looked for', async () => {
  const sidecar = await startSidecar({ yaml: ONE_FILE });
  for (const path of ['/metrics', '/metrics?text=rows']) {
    const tab = await tabAt(context, sidecar, path);
    await tab.getByText('metrics.aggregate: true').waitFor();
    await tab.close();
  }
});

there('no page scrolls sideways, however long texts, tags, names and ids without a blank are', async () => {
  const sidecar = await startSidecar({ yaml: ONE_FILE, set: SUMS });
  const long = 'x'.repeat(3_000);
  const job = { job_id: 'shown', trace_id: TRACE };
  const tags = { table: 'v'.repeat(250) };
  await sendAll(sidecar, [
    span(TRACE, 1, 0, 1_000, 0, { name: long }),
    say('said', long, job),
    say('s'.repeat(128), 'of a long name', job),
    { source: 'sums', type: 'metric', data: { name: 'n'.repeat(250), value: 1, tags }, ...job },
  ]);
  const tab = await tabAt(context, sidecar, '/metrics');
  await until(async () => (await tab.locator('option', { hasText: 'vvv' }).count()) > 0, 'the tag');
  const wide: string[] = [];
  for (const width of [1280, 390]) {
    await tab.setViewportSize({ width, height: 800 });
    for (const path of [...PAGES, `/jobs/${'none'.repeat(50)}`]) {
      await tab.goto(originOf(sidecar) + path);
      await tab.waitForTimeout(400);
      const across = await tab.evaluate<number>('document.documentElement.scrollWidth');
      if (across > width) wide.push(`${path} is ${across} px at ${width}`);
    }
  }
  expect(wide).toEqual([]);
  await tab.close();
});

there('axe finds nothing where a backend is in trouble; its next probe is counted down', async () => {
  const sidecar = await startSidecar({ yaml: DEAD(await freePort()) });
  await sendAll(sidecar, [say('a', 'lost', { data: { level: 'error', message: 'lost' } })]);
  const tab = await tabAt(context, sidecar, '/health');
  const timer = tab.getByRole('timer');
  await until(
    async () => (await timer.allInnerTexts()).some((text) => /next probe in/.test(text)),
    'a probe',
  );
  const before = await timer.innerText();
  await until(async () => (await timer.allInnerTexts())[0] !== before, 'it is counted');
  await tab.getByText(/^Last error at \d\d:\d\d:\d\d\.\d{3}: \S/).waitFor();
  const found = await violations(tab, 'health');
  await sidecar.kill('SIGKILL');
  await tab.getByRole('status').filter({ hasText: 'does not answer' }).waitFor();
  expect(await tab.getByRole('region', { name: 'gone' }).count()).toBe(1);
  found.push(...(await violations(tab, 'offline')));
  expect(found).toEqual([]);
  await tab.close();
});
