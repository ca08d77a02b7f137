import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, expect, jest } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { type Server, startServer } from '../postgres-server.ts';
import { closeAll, type RunningSidecar, startSidecar, TEST_MS, until } from '../processes.ts';
import { launch, originOf, say, sendAll, tabAt, there } from './browser.ts';

jest.setTimeout(TEST_MS);

const TRACE = '0af7651916cd43dd8448eb211c80319c';
/** Messages of one story that are read from the database. */
const READ = 2000;
const ROWS = READ + 1 + 2 + 4;

let server: Server;
let sidecar: RunningSidecar;
let browser: Browser | undefined;
let page: Page;

beforeAll(async () => {
  browser = await launch();
  if (browser === undefined) return;
  server = await startServer();
  const database = await server.createDatabase();
  sidecar = await startSidecar({
    yaml: `
batch: { max_age: 20ms }
data_dir: data
routing: { default: [{ backend: db }] }
correlation: { max_traces: 2, warm_start: { enabled: false } }
backends:
  db: { type: postgres, connection_string: '${server.url(database)}' }
`,
  });
  const big = Array.from({ length: READ + 1 }, (_, n) => say('a', `big ${n}`, { job_id: 'big' }));
  await sendAll(sidecar, big);
  // Of the second of the many not all are kept.
  await setTimeout(1_100);
  await sendAll(
    sidecar,
    [0, 1].map((n) => say('a', `old ${n}`, { job_id: 'old', trace_id: TRACE })),
  );
  for (let n = 0; n < 4; n++) {
    const trace_id = `${n + 1}`.repeat(32);
    await sendAll(sidecar, [say('a', 'x', { job_id: `new-${n}`, trace_id })]);
  }
  await until(async () => {
    const [row] = await server
      .query('SELECT count(*)::int AS rows FROM monitoring_events', [], database)
      .catch(() => [{ rows: 0 }]);
    return row.rows === ROWS;
  }, 'all rows are in the table');
  page = await tabAt(browser, sidecar);
});
afterAll(async () => {
  await browser?.close();
  await closeAll();
  await server?.remove();
});

const open = (path: string) => page.goto(originOf(sidecar) + path);
const origin = () => page.locator('.origin');

there('a job and a trace say that they are from the database, one from memory says nothing', async () => {
  for (const path of ['/jobs/old', `/traces/${TRACE}`]) {
    await open(path);
    await origin().waitFor();
    expect(await origin().innerText()).toBe('from the database');
    expect(await page.getByText('left off').count()).toBe(0);
  }
  await sendAll(sidecar, [say('a', 'x', { job_id: 'fresh' })]);
  await open('/jobs/fresh');
  await page.getByText('1 message').first().waitFor();
  expect(await origin().count()).toBe(0);
});

there('what is left off of a job is said', async () => {
  await open('/jobs/big');
  await page.getByText('1 older message in the database left off').waitFor();
  expect(await page.getByText('known only as sums').count()).toBe(0);
});

there('so does a page of jobs', async () => {
  await open('/jobs');
  await page.getByRole('link', { name: 'big' }).waitFor();
  expect(await origin().innerText()).toBe('from the database');
});

there('without its database an answer is from memory, and says why that is all', async () => {
  await server.remove();
  await open('/jobs');
  await page.getByRole('link', { name: 'fresh' }).waitFor();
  expect(await origin().innerText()).toMatch(
    /^the database does not answer, so this is what is in memory: \S/,
  );
  expect(await page.getByRole('link', { name: 'big' }).count()).toBe(0);
  await open('/jobs/fresh');
  await origin().getByText('the database does not answer').waitFor();
  await open('/jobs/old');
  await page.getByRole('alert').getByText('the database does not answer').waitFor();
});
