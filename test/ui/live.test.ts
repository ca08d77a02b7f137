import { afterAll, beforeAll, expect, jest } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { closeAll, ONE_FILE, type RunningSidecar, startSidecar, TEST_MS, until } from '../processes.ts';
import { launch, originOf, say, sendAll, tabAt, there } from './browser.ts';

jest.setTimeout(TEST_MS);

let sidecar: RunningSidecar;
let browser: Browser | undefined;
let page: Page;

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

/** Opens the tail and waits until it listens. */
const openTail = async (search = '') => {
  const url = `${originOf(sidecar)}/live${search}`;
  // Its own stream, not one that the page before it still gets.
  const listens = page.waitForResponse(
    (response) => response.url().includes('/api/v1/stream?') && response.frame().url() === url,
  );
  await page.goto(url);
  await listens;
};
const lines = () => page.locator('.line');

there('begins with what came before it was opened', async () => {
  await sendAll(sidecar, [say('early', 'before the tail'), say('other', 'also before')]);
  await openTail();
  await page.getByText('before the tail').waitFor();
  await until(async () => (await lines().count()) === 2, 'both lines');
});

there('the filter asks again, of the past too, and marks what it looks for', async () => {
  await page.keyboard.press('/');
  await page.keyboard.type('the tail');
  await page.keyboard.press('Enter');
  await page.locator('mark').waitFor();
  expect(await page.locator('mark').allInnerTexts()).toEqual(['the tail']);
  expect(await lines().count()).toBe(1);
  expect(page.url()).toContain('text=the+tail');
  await openTail();
  await until(async () => (await lines().count()) === 2, 'both lines');
});

there('sources can be left out, which is in the URL', async () => {
  const other = page.getByRole('group', { name: 'Sources' }).getByRole('button', { name: 'other' });
  await other.click();
  await until(async () => (await lines().count()) === 1, 'one line');
  expect(page.url()).toContain('hide=other');
  await page.reload();
  await page.getByText('before the tail').waitFor();
  expect(await lines().count()).toBe(1);
  await other.click();
  await until(async () => (await lines().count()) === 2, 'both lines');
});

there('what the past shows of a paused tail does not wait as well', async () => {
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const past = '**/api/v1/messages?*';
  await page.route(past, async (route) => {
    await released;
    await route.continue();
  });
  await openTail();
  await page.keyboard.press('Space');
  await sendAll(sidecar, [say('both', 'by stream and past')]);
  await page.getByRole('button', { name: 'Resume (1)' }).waitFor();
  release();
  await page.getByText('by stream and past').waitFor();
  await page.getByRole('button', { name: 'Resume (0)' }).waitFor();
  await page.keyboard.press('Space');
  expect(await page.getByText('by stream and past').count()).toBe(1);
  await page.unroute(past);
});

there('a flood draws only the lines in sight, is sampled, and leaves the page its answers', async () => {
  await openTail();
  const flood = Array.from({ length: 10_000 }, (_, n) => say(`flood-${n % 3}`, `line ${n}`));
  let isOver = false;
  const sending = (async () => {
    while (!isOver) await sendAll(sidecar, flood);
  })();
  await page.getByText(/^Sampled/).waitFor();
  expect(await lines().count()).toBeLessThan(80);
  await page.keyboard.press('Space');
  await page.getByRole('button', { name: /^Resume \([1-9]/ }).waitFor();
  const first = await lines().first().innerText();
  await until(
    async () => /Resume \([\d,]*\d{3}\)/.test(await page.getByRole('button', { name: /Resume/ }).innerText()),
    'more',
  );
  expect(await lines().first().innerText()).toBe(first);
  await page.keyboard.press('Space');
  await until(async () => (await lines().first().innerText()) !== first, 'the tail goes on');
  expect(
    await page.evaluate(
      () =>
        (
          globalThis as unknown as { document: { querySelectorAll(all: string): ArrayLike<unknown> } }
        ).document.querySelectorAll('*').length,
    ),
  ).toBeLessThan(1_200);
  isOver = true;
  await sending;
  await until(async () => {
    // The last of the flood may still be on its way.
    await page.keyboard.press('c');
    return (await lines().count()) === 0;
  }, 'it is clear');
});

there('Ctrl+K finds jobs, traces and pages', async () => {
  await sendAll(sidecar, [
    say('worker', 'begun', { job_id: 'nightly-7' }),
    say('worker', 'x', { job_id: 'other' }),
  ]);
  const dialog = page.getByRole('dialog', { name: 'Jump' });
  const options = dialog.getByRole('option');
  await page.keyboard.press('Control+k');
  await options.filter({ hasText: 'nightly-7' }).waitFor();
  await page.keyboard.type('night');
  await until(async () => {
    const [first = '', ...others] = await options.allInnerTexts();
    return first.startsWith('nightly-7') && !others.some((text) => text.startsWith('other'));
  }, 'fewer');
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/jobs\/nightly-7$/);
  await dialog.waitFor({ state: 'hidden' });
  await page.keyboard.press('Control+k');
  await page.keyboard.type('heal');
  await options.filter({ hasText: 'Health' }).waitFor();
  expect(await dialog.getByRole('combobox').getAttribute('aria-activedescendant')).toBe('found-0');
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/health$/);
  await page.keyboard.press('Control+k');
  await page.keyboard.type('ef'.repeat(16));
  await options.filter({ hasText: 'trace' }).waitFor();
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/traces\/(ef){16}$/);
});

there('what is typed as soon as the dialog is open again stays', async () => {
  const dialog = page.getByRole('dialog', { name: 'Jump' });
  await page.keyboard.press('Control+k');
  // In one turn, so that the first closing is told after all of it.
  await page.evaluate(`
    const dialog = document.querySelector('dialog.palette');
    dialog.querySelector('form').requestSubmit();
    dispatchEvent(new KeyboardEvent('keydown', { key: 'k', ctrlKey: true }));
    const input = dialog.querySelector('input');
    input.value = 'typed';
    input.dispatchEvent(new Event('input', { bubbles: true }));
  `);
  await dialog.getByRole('option', { name: 'job typed' }).waitFor();
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'hidden' });
  await page.keyboard.press('Control+k');
  expect(await dialog.getByRole('combobox').inputValue()).toBe('');
  await page.keyboard.press('Escape');
});

there('of ten tabs at once each shows what comes, also those without a stream', async () => {
  const context = await (browser as Browser).newContext();
  const tabs: Page[] = [];
  for (let n = 0; n < 10; n++) {
    const tab = await tabAt(context, sidecar, '/live');
    await tab.getByRole('heading', { name: 'Live' }).waitFor();
    tabs.push(tab);
  }
  await sendAll(sidecar, [say('all', 'heard by everyone')]);
  for (const tab of tabs) await tab.getByText('heard by everyone').waitFor();
  await tabs[0]?.getByText('Newer tabs have the streams').waitFor();
  expect(await tabs[9]?.getByText('Newer tabs have the streams').count()).toBe(0);
  await context.close();
});
