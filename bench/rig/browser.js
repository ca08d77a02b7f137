import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

/** Runs in the page, before its own script: notes when messages arrived, were drawn, and when rows first were. */
function watchPaint() {
  const arrived = new Map();
  const parse = JSON.parse;
  JSON.parse = (...given) => {
    const value = parse(...given);
    for (const { text, received_at } of value?.messages ?? []) arrived.set(text, Date.parse(received_at));
    return value;
  };
  const seen = new Set();
  const watched = { rowsMs: 0, fromServer: [], fromTcp: [] };
  const look = () => {
    const texts = [...document.querySelectorAll('.line .text')].map((one) => one.textContent);
    const fresh = texts.filter((text) => text.startsWith('stamp ') && !seen.has(text));
    const rows = watched.rowsMs === 0 && document.querySelector('[role=row]') !== null;
    for (const text of fresh) seen.add(text);
    if (fresh.length === 0 && !rows) return;
    // What is drawn is on the screen after the next frame.
    requestAnimationFrame(() =>
      setTimeout(() => {
        if (rows && watched.rowsMs === 0) watched.rowsMs = performance.now();
        for (const text of fresh) {
          watched.fromServer.push(Date.now() - (arrived.get(text) ?? Number.NaN));
          watched.fromTcp.push(Date.now() - Number(text.split(' ')[1]));
        }
      }, 0),
    );
  };
  new MutationObserver(look).observe(document, { childList: true, subtree: true, characterData: true });
  globalThis.watched = watched;
}

/** Starts the browser at `executablePath`. */
export const startBrowser = (/** @type {string} */ executablePath) =>
  chromium.launch({ executablePath, args: ['--no-sandbox'] });

/**
 * A tab at a path of a sidecar's page, let in by its token; `watched` there has what `watchPaint` notes.
 * @param {import('playwright-core').Browser} browser
 * @param {{ http: string, folder: string, isWatched?: boolean }} sidecar
 * @param {string} path
 */
export async function openTab(browser, { http, folder, isWatched = false }, path) {
  const tab = await browser.newPage();
  if (isWatched) await tab.addInitScript(watchPaint);
  const token = readFileSync(join(folder, 'state', 'http-token'), 'utf8').trim();
  await tab.goto(`http://${http}${path}?token=${token}`);
  return tab;
}

/** Bytes of the page's heap after a full collection. */
export async function heapBytes(/** @type {import('playwright-core').Page} */ tab) {
  const session = await tab.context().newCDPSession(tab);
  await session.send('HeapProfiler.collectGarbage');
  const { usedSize } = await session.send('Runtime.getHeapUsage');
  await session.detach();
  return usedSize;
}
