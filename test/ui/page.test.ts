import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { type Browser, chromium, type Page } from 'playwright-core';
import {
  closeAll,
  ONE_FILE,
  ROOT,
  type RunningSidecar,
  send,
  startSidecar,
  TEST_MS,
  tokenOf,
  until,
} from '../processes.ts';

jest.setTimeout(TEST_MS);
/** Debian's; `npm test` says how to get it. */
const CHROMIUM = '/usr/bin/chromium';
const isAbsent = (process.env.SIDECAR_TEST_WITHOUT ?? '').split(',').includes('chromium');
const there = isAbsent ? test.skip : test;
const HOSTILE = '<img src=x onerror="document.title=1">\u202e"\'';

let sidecar: RunningSidecar;
let browser: Browser;
let page: Page;
const foreign: string[] = [];
const problems: string[] = [];

const START = Date.now() - 120_000;
const at = (ms: number) => new Date(START + ms).toISOString();
const span = (source: string, span_id: string, from: number, to: number, parent_span_id?: string) => ({
  source,
  timestamp: at(to),
  type: 'span',
  trace_id: '0af7651916cd43dd8448eb211c80319c',
  span_id,
  job_id: 'job-12345',
  data: {
    phase: 'end',
    name: source,
    parent_span_id,
    start_us: (START + from) * 1000,
    duration_us: (to - from) * 1000,
    status: 'success',
  },
});
const RECORDS = [
  span('file-receiver', '00000000000000a1', 0, 2300),
  span('queue-service', '00000000000000a2', 2300, 47_600),
  span('db-loader', '00000000000000a3', 2400, 47_600, '00000000000000a2'),
  {
    source: 'evil',
    timestamp: at(0),
    type: 'event',
    job_id: HOSTILE,
    data: { level: 'error', message: HOSTILE },
  },
];

beforeAll(async () => {
  if (isAbsent) return;
  sidecar = await startSidecar({ yaml: ONE_FILE });
  browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
  page = await browser.newPage();
  const origin = `http://${sidecar.listening.http}`;
  page.on('request', (request) => {
    if (!request.url().startsWith(origin) && !request.url().startsWith('data:')) foreign.push(request.url());
  });
  page.on('console', (message) => {
    if (message.type() === 'error' && !/40[04]/.test(message.text())) problems.push(message.text());
  });
  page.on('pageerror', (error) => problems.push(String(error)));
  await page.goto(`${origin}/?token=${tokenOf(sidecar.listening)}`);
});
afterAll(async () => {
  await browser?.close();
  await closeAll();
});

const open = (path: string) => page.goto(`http://${sidecar.listening.http}${path}`);

there('an empty sidecar says how to send', async () => {
  await page.getByRole('heading', { name: 'Waiting for the first message' }).waitFor();
  expect(await page.getByText('nc -w1').count()).toBe(1);
});

there('the hero shows the times of the brief', async () => {
  await send(sidecar.port, RECORDS.map((record) => `${JSON.stringify(record)}\n`).join(''));
  await open('/jobs');
  await page.getByRole('link', { name: 'job-12345' }).click();
  const legend = page.getByRole('region', { name: 'Time by service' });
  await legend.getByText('45.2 s').waitFor();
  expect(await legend.innerText()).toMatch(
    /file-receiver 2\.3 s[\s\S]*queue-service 0\.1 s[\s\S]*db-loader 45\.2 s/,
  );
  expect(await page.locator('.total').innerText()).toContain('47.6 s');
  expect(await page.title()).toBe('job-12345 · Sidecar');
  expect(await page.getByRole('row').count()).toBe(3);
  const bars = await page.getByRole('row').allInnerTexts();
  expect(bars.map((text) => /[\d.]+ s/.exec(text)?.[0])).toEqual(['2.3 s', '45.3 s', '45.2 s']);
});

there('the selected span is in the URL, by keys; back goes to the list', async () => {
  await page.keyboard.press('j');
  await page.waitForURL(/span=00000000000000a2/);
  await page.goBack();
  await page.getByRole('heading', { name: 'Jobs', exact: true }).waitFor();
  await page.goForward();
  await page.getByRole('row', { selected: true }).filter({ hasText: 'queue-service' }).waitFor();
});

there('keys open pages, help and the other theme', async () => {
  for (const [key, title] of Object.entries({
    h: 'Health',
    c: 'Configuration',
    m: 'Metrics',
    l: 'Live',
    o: 'Overview',
  })) {
    await page.keyboard.press('g');
    await page.keyboard.press(key);
    await page.getByRole('heading', { name: title, exact: true, level: 1 }).waitFor();
  }
  await page.keyboard.press('?');
  await page.getByRole('dialog', { name: 'Keys' }).waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog', { name: 'Keys' }).waitFor({ state: 'hidden' });
  const theme = () => page.evaluate('document.documentElement.dataset.theme');
  const before = await theme();
  await page.keyboard.press('t');
  expect(await theme()).not.toBe(before);
});

there('hostile text is shown as text', async () => {
  await open('/jobs');
  await page.getByText('<img src=x').first().click();
  await page.getByText('\\u{202e}').first().waitFor();
  expect(await page.locator('img').count()).toBe(0);
});

there('the tail pauses and goes on', async () => {
  const past = page.waitForResponse((response) => response.url().includes('/api/v1/messages?'));
  await open('/live');
  await past;
  const say = (message: string) =>
    send(
      sidecar.port,
      `${JSON.stringify({ source: 'tail', type: 'event', data: { level: 'info', message } })}\n`,
    );
  await say('first');
  await page.getByText('first').waitFor();
  await page.keyboard.press('Space');
  await say('second');
  await page.getByRole('button', { name: 'Resume (1)' }).waitFor();
  expect(await page.getByText('second').count()).toBe(0);
  await page.keyboard.press('Space');
  await page.getByText('second').waitFor();
});

/** Pictures for the README, made where this names a folder. */
const SHOTS = process.env.SIDECAR_SCREENSHOTS;
const sendStory = async (port: number) => {
  const trace_id = '5a'.repeat(16);
  const id = (n: number) => (n + 1).toString(16).padStart(16, '0');
  const names = ['gateway', 'orders', 'stock', 'billing', 'mailer'];
  const spans = Array.from({ length: 120 }, (_, n) => {
    const source = names[n === 0 ? 0 : 1 + (n % 4)] ?? '';
    const from = n * 90;
    const one = span(source, id(n), from, n === 0 ? 12_000 : from + 300 + ((n * 37) % 900));
    const more = {
      name: n === 0 ? 'GET /checkout' : `${source} step ${n}`,
      status: n === 77 ? 'error' : 'ok',
    };
    const parent = n === 0 ? undefined : id(Math.floor((n - 1) / 4));
    return {
      ...one,
      trace_id,
      job_id: 'checkout-881',
      data: { ...one.data, ...more, parent_span_id: parent },
    };
  });
  const events = spans.map(({ source, span_id }, n) => ({
    source,
    timestamp: at(n * 90 + 120),
    type: 'event',
    trace_id,
    span_id,
    job_id: 'checkout-881',
    data: {
      level: n === 77 ? 'error' : 'info',
      message: n === 77 ? `order ${n} refused` : `order ${n} written`,
    },
  }));
  const progress = ['nightly-export', 'reindex-42'].map((job_id, n) => ({
    source: 'worker',
    type: 'progress',
    job_id,
    data: { percent: 35 + n * 30, status: 'running' },
  }));
  const lines = [...spans, ...events, ...progress].map((one) => `${JSON.stringify(one)}\n`);
  await send(port, lines.join(''));
};
const takePictures = async () => {
  const own = await startSidecar({ yaml: ONE_FILE });
  const tab = await browser.newPage();
  await tab.goto(`http://${own.listening.http}/?token=${tokenOf(own.listening)}`);
  await send(
    own.port,
    RECORDS.slice(0, 3)
      .map((record) => `${JSON.stringify(record)}\n`)
      .join(''),
  );
  await tab.setViewportSize({ width: 1200, height: 640 });
  const take = async (path: string, theme: string, name: string) => {
    await tab.goto(`http://${own.listening.http}${path}`);
    await tab.evaluate(`localStorage.setItem('theme', '${theme}')`);
    await tab.reload();
    await tab.locator('[data-row], [role=row]').first().waitFor();
    await tab.waitForTimeout(1_500);
    await tab.screenshot({ path: join(SHOTS ?? '', `${name}-${theme}.png`) });
  };
  for (const theme of ['light', 'dark']) await take('/jobs/job-12345', theme, 'job');
  await sendStory(own.port);
  await take('/', 'light', 'overview');
  await take('/live?text=order', 'light', 'live');
  await take(`/traces/${'5a'.repeat(16)}`, 'light', 'trace');
  await tab.close();
};
if (SHOTS) there('pictures', takePictures);

const figure = (of: Page, name: string) =>
  of
    .locator('.figures div')
    .filter({ has: of.getByText(name, { exact: true }) })
    .locator('dd');

there('the oldest of many tabs loses its stream, and asks instead', async () => {
  const context = await browser.newContext();
  const origin = `http://${sidecar.listening.http}`;
  const tabs: Page[] = [];
  for (let n = 0; n < 6; n++) {
    const tab = await context.newPage();
    await tab.goto(`${origin}/?token=${tokenOf(sidecar.listening)}`);
    await figure(tab, 'messages').waitFor();
    tabs.push(tab);
  }
  const [oldest] = tabs as [Page];
  const before = await figure(oldest, 'rejected').innerText();
  await send(sidecar.port, '{"source":5}\n'.repeat(3));
  await until(async () => (await figure(oldest, 'rejected').innerText()) !== before, 'the oldest tab asks');
  await context.close();
});

there(
  'a sidecar that is gone is said to be; what was shown stays, and goes on with the next one',
  async () => {
    const mortal = await startSidecar({ yaml: ONE_FILE });
    const tab = await (await browser.newContext()).newPage();
    await tab.goto(`http://${mortal.listening.http}/?token=${tokenOf(mortal.listening)}`);
    await figure(tab, 'messages').waitFor();
    const isOffline = tab.getByRole('status').filter({ hasText: /answer|offline|away/i });
    mortal.kill('SIGKILL');
    await isOffline.waitFor();
    expect(await figure(tab, 'messages').count()).toBe(1);
    await startSidecar({
      yaml: ONE_FILE,
      folder: mortal.folder,
      set: ['tcp.port=0', `http.port=${mortal.listening.http.split(':').at(-1)}`],
    });
    await isOffline.waitFor({ state: 'detached' });
    await tab.context().close();
  },
);

there('parallel spans of a service count once, and a gap is nobody\u2019s', async () => {
  const lines = [
    { ...span('twice', 'b1'.padEnd(16, '0'), 0, 10_000), job_id: 'parallel' },
    { ...span('twice', 'b2'.padEnd(16, '0'), 0, 10_000), job_id: 'parallel' },
    { ...span('after', 'b3'.padEnd(16, '0'), 15_000, 20_000), job_id: 'parallel' },
  ].map((one) => JSON.stringify({ ...one, trace_id: 'c'.repeat(32) }));
  await send(sidecar.port, `${lines.join('\n')}\n`);
  await open('/jobs/parallel');
  const legend = page.getByRole('region', { name: 'Time by service' });
  await legend.getByText('twice 10.0 s').waitFor();
  expect(await legend.innerText()).toMatch(/unattributed 5\.0 s/);
  expect(await page.locator('.total').innerText()).toContain('20.0 s');
});

there('another name for the address is not answered', async () => {
  const tab = await browser.newPage();
  const port = sidecar.listening.http.split(':').at(-1);
  const answer = await tab.goto(`http://evil.localhost:${port}/`);
  expect(answer?.status()).toBe(421);
  await tab.close();
});

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
interface Axe {
  run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }>;
}

there('axe finds nothing, on any page, in either theme', async () => {
  // Its script is not the page's own; the page's policy is tested by `problems`.
  const context = await browser.newContext({ bypassCSP: true });
  const bare = await context.newPage();
  const origin = `http://${sidecar.listening.http}`;
  await bare.goto(`${origin}/?token=${tokenOf(sidecar.listening)}`);
  const found: string[] = [];
  for (const theme of ['light', 'dark'] as const) {
    await bare.emulateMedia({ colorScheme: theme });
    for (const path of [
      '/',
      '/jobs',
      '/jobs/job-12345',
      '/jobs/none',
      '/live',
      '/metrics',
      '/health',
      '/config',
    ]) {
      await bare.goto(origin + path);
      await bare.waitForTimeout(400);
      await bare.evaluate(axe);
      const { violations } = await bare.evaluate(() => (globalThis as unknown as { axe: Axe }).axe.run());
      found.push(...violations.map(({ id, nodes }) => `${theme} ${path} ${id} ${nodes[0]?.html}`));
    }
  }
  await context.close();
  expect(found).toEqual([]);
});

there('nothing is asked of others, and no policy was hurt', () => {
  expect(foreign).toEqual([]);
  expect(problems).toEqual([]);
});

test('the first route has at most 35 KB of script, everything 250 KB', () => {
  const folder = join(ROOT, 'dist/ui/assets');
  const bytes = readdirSync(folder).map((name) => ({
    name,
    size: gzipSync(readFileSync(join(folder, name))).length,
  }));
  const first = bytes.filter(({ name }) => /^index-.*\.js$/.test(name));
  expect(first).toHaveLength(1);
  expect(first[0]?.size).toBeLessThanOrEqual(35 * 1024);
  expect(bytes.reduce((sum, { size }) => sum + size, 0)).toBeLessThanOrEqual(250 * 1024);
});
