import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, jest } from '@jest/globals';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { closeAll, ONE_FILE, type RunningSidecar, startSidecar, TEST_MS } from '../processes.ts';
import { launch, originOf, say, sendAll, tabAt, there } from './browser.ts';

jest.setTimeout(TEST_MS);

let sidecar: RunningSidecar;
let browser: Browser | undefined;
let context: BrowserContext;

beforeAll(async () => {
  browser = await launch();
  if (browser === undefined) return;
  context = await browser.newContext();
  sidecar = await startSidecar({ yaml: ONE_FILE });
});
afterAll(async () => {
  await browser?.close();
  await closeAll();
});

const away = (tab: Page) => tab.getByRole('status').filter({ hasText: 'does not answer' });

there.each([
  ['there is no such level', 'level=loud'],
  ['there is no such place', 'at=nowhere'],
  ['text is too long', `text=${'x'.repeat(300)}`],
])('a tail that is refused says why, “%s”; another filter goes on', async (problem, query) => {
  const tab = await tabAt(context, sidecar, `/live?${query}`);
  await tab.getByRole('alert').filter({ hasText: problem }).waitFor();
  expect(await away(tab).count()).toBe(0);
  await sendAll(sidecar, [say('a', 'taken')]);
  await tab.getByRole('searchbox').fill('taken');
  await tab.keyboard.press('Enter');
  await tab.getByRole('combobox', { name: 'Level' }).selectOption('info');
  await tab.getByRole('combobox', { name: 'Tap' }).selectOption('ingest');
  await tab.locator('.line').first().waitFor();
  expect(await tab.getByRole('alert').count()).toBe(0);
  await tab.close();
});

there('a tail whose token is replaced asks for it, and goes on once the tab beside has it', async () => {
  const tab = await tabAt(context, sidecar, '/live');
  await sendAll(sidecar, [say('a', 'before')]);
  await tab.getByText('before').waitFor();
  await sidecar.stop();
  rmSync(join(sidecar.listening.data_dir, 'http-token'));
  const set = ['tcp.port=0', `http.port=${new URL(originOf(sidecar)).port}`];
  const next = await startSidecar({ yaml: ONE_FILE, folder: sidecar.folder, set });
  await tab.getByRole('alert').filter({ hasText: 'this needs the token' }).waitFor();
  expect(await away(tab).count()).toBe(0);
  expect(await tab.getByText('before').count()).toBe(1);
  const beside = await tabAt(context, next);
  await tab.getByRole('alert').waitFor({ state: 'detached' });
  await sendAll(next, [say('a', 'after')]);
  await tab.getByText('after').waitFor();
  await Promise.all([tab.close(), beside.close()]);
});
