// /config in a browser: the rules in force, by what is typed, and after an edit.
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, jest } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { closeAll, createFolder, startSidecar, TEST_MS, write } from '../processes.ts';
import { launch, tabAt, there } from './browser.ts';

jest.setTimeout(TEST_MS);

let browser: Browser | undefined;
beforeAll(async () => {
  browser = await launch();
});
afterEach(closeAll);
afterAll(() => browser?.close());

const backends = (out: string) => `
reload: { debounce: 20ms, poll: 500ms }
backends:
  files: { type: filesystem, base_path: ${out} }
  other: { type: filesystem, base_path: ${out}/other }
`;
const RULES = `
routing:
  web:
    - { backend: files, filter: { types: [metric, event], min_level: warn }, config: { path: "a/{date}.jsonl" } }
    - { backend: other, enabled: false, operators: [dedupe, { use: rate-limit, rate: 5 }] }
  default: [{ backend: other }]
`;

there('the rules in force are shown, and found by what is typed', async () => {
  const folder = createFolder();
  const out = join(folder, 'out');
  const sidecar = await startSidecar({ yaml: RULES + backends(out), folder });
  const tab = await tabAt(browser as Browser, sidecar, '/config');
  const rows = async () => {
    const texts = await tab.locator('tbody tr').allInnerTexts();
    return texts.map((text) => text.replaceAll(/\s+/g, ' ').trim());
  };
  await tab.getByRole('table').waitFor();
  expect(await rows()).toEqual([
    'web files types: metric, event · min_level: warn path: a/{date}.jsonl',
    'web other ○ disabled everything dedupe → rate-limit',
    'default sources without rules of their own other everything',
  ]);
  await tab.keyboard.press('/');
  await tab.keyboard.type('RATE');
  await tab.getByText('1 of 3').waitFor();
  expect(await rows()).toEqual(['web other ○ disabled everything dedupe → rate-limit']);
  await tab.getByRole('searchbox').fill('loader');
  await tab.getByText('No rule has “loader” in it. A source without rules of its own').waitFor();
  await tab.getByRole('searchbox').fill('');
  write(sidecar.path, RULES.replace('backend: files', 'backend: other') + backends(out));
  await tab.locator('tbody tr').first().getByRole('link', { name: 'other' }).waitFor();
  expect((await rows())[0]).toContain('web other types: metric');
});

there('of many rules their number is shown, and they on demand', async () => {
  const many = Array.from({ length: 300 }, (_, n) => `  service-${n}: [{ backend: files }]`).join('\n');
  const folder = createFolder();
  const yaml = `routing:\n${many}\n${backends(join(folder, 'out'))}`;
  const tab = await tabAt(browser as Browser, await startSidecar({ yaml, folder }), '/config');
  await tab.getByText('Rules in force').waitFor();
  expect(await tab.locator('tbody tr:visible').count()).toBe(0);
  await tab.getByText('Rules in force').click();
  await tab.getByText('service-299', { exact: true }).waitFor();
  expect(await tab.locator('tbody tr:visible').count()).toBe(300);
});
