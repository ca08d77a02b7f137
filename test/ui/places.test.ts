import { afterAll, beforeAll, expect, jest } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { closeAll, ONE_FILE, type RunningSidecar, startSidecar, TEST_MS, until } from '../processes.ts';
import { launch, originOf, say, sendAll, span, tabAt, there } from './browser.ts';

jest.setTimeout(TEST_MS);

let sidecar: RunningSidecar;
let browser: Browser | undefined;
let tab: Page;

beforeAll(async () => {
  browser = await launch();
  if (browser === undefined) return;
  sidecar = await startSidecar({ yaml: ONE_FILE });
  const spans = [1, 2, 3].map((id) => ({ ...span('fa'.repeat(16), id, id, 100), job_id: 'spans' }));
  const many = Array.from({ length: 60 }, (_, n) => say('a', `said ${n}`, { job_id: `many-${n}` }));
  await sendAll(sidecar, [...spans, ...many]);
  tab = await tabAt(browser, sidecar);
});
afterAll(async () => {
  await browser?.close();
  await closeAll();
});

const open = (path: string) => tab.goto(originOf(sidecar) + path);
const heading = (name: string) => tab.getByRole('heading', { name, exact: true, level: 1 });

there('keys that lead to another page do so on pages that have a use for the second one', async () => {
  await open('/jobs/spans');
  await tab.getByRole('row').first().waitFor();
  await tab.keyboard.press('g');
  await tab.keyboard.press('j');
  await heading('Jobs').waitFor();
  await tab.keyboard.press('g');
  await tab.keyboard.press('l');
  await tab.locator('.line').first().waitFor();
  await tab.keyboard.press('g');
  await tab.keyboard.press('c');
  await heading('Configuration').waitFor();
});

there('a filter on a page of older jobs looks among all', async () => {
  await open('/jobs');
  await tab.getByRole('link', { name: 'many-59' }).waitFor();
  await tab.getByRole('button', { name: 'Older' }).click();
  await tab.getByRole('link', { name: 'many-0', exact: true }).waitFor();
  await tab.getByRole('searchbox', { name: 'Filter jobs' }).fill('many-59');
  await tab.getByRole('link', { name: 'many-59' }).waitFor();
  expect(new URL(tab.url()).search).toBe('?text=many-59');
});

there('ids that no address can have hide nothing', async () => {
  const half = { job_id: '\ud800', trace_id: `b${'\udc00'}` };
  await sendAll(sidecar, [say('a', 'half', half), say('a', 'beside', { ...half, job_id: 'beside' })]);
  await open('/jobs');
  await until(async () => (await tab.locator('tbody tr').count()) === 50, 'a page of jobs');
  await tab.getByRole('link', { name: 'beside' }).click();
  await tab.getByText('1 message').first().waitFor();
  await open('/jobs/%zz');
  await tab.getByRole('alert').filter({ hasText: 'no job "%zz" is known' }).waitFor();
});

there('a job of another day says which', async () => {
  const at = (time: string) => say('a', 'then', { job_id: 'old', timestamp: time });
  await sendAll(sidecar, [at('2024-02-29T23:59:58.123Z'), at('2024-02-29T23:59:59.456Z')]);
  await open('/jobs?text=old');
  const row = tab.getByRole('row').filter({ has: tab.getByRole('link', { name: 'old', exact: true }) });
  await row.getByText('2024-02-29 23:59:58', { exact: true }).waitFor();
  await open('/jobs?text=many-5');
  await tab.getByRole('link', { name: 'many-5', exact: true }).waitFor();
  expect(await tab.getByText(/\d{4}-\d\d-\d\d/).count()).toBe(0);
});

there('a message that is opened has the focus, and Escape gives it back', async () => {
  await open('/live');
  const line = tab.locator('.line').first();
  await tab.getByRole('button', { name: 'Pause' }).click();
  await line.focus();
  await tab.keyboard.press('Enter');
  const close = tab.locator('.detail button');
  await close.and(tab.locator(':focus')).waitFor();
  await tab.keyboard.press('Escape');
  await close.waitFor({ state: 'detached' });
  await line.and(tab.locator(':focus')).waitFor();
});
