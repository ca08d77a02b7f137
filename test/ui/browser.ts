import { test } from '@jest/globals';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { type RunningSidecar, send, tokenOf } from '../processes.ts';

const isAbsent = (process.env.SIDECAR_TEST_WITHOUT ?? '').split(',').includes('chromium');
/** A test that needs the browser. */
export const there = isAbsent ? test.skip : test;
/** Debian's; `npm test` says how to get it. */
export const launch = async (): Promise<Browser | undefined> =>
  isAbsent ? undefined : chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });

export const originOf = ({ listening }: RunningSidecar): string => `http://${listening.http}`;

/** A new tab at `path`, let in by the token. */
export async function tabAt(
  context: Browser | BrowserContext,
  sidecar: RunningSidecar,
  path = '/',
): Promise<Page> {
  const tab = await context.newPage();
  const to = new URL(path, originOf(sidecar));
  to.searchParams.set('token', tokenOf(sidecar.listening));
  await tab.goto(to.href);
  return tab;
}

/** Sends records, one a line. */
export const sendAll = (sidecar: RunningSidecar, records: readonly object[]): Promise<void> =>
  send(sidecar.port, records.map((record) => `${JSON.stringify(record)}\n`).join(''));

/** An event of level info. */
export const say = (source: string, message: string, more: object = {}) => ({
  source,
  type: 'event',
  data: { level: 'info', message },
  ...more,
});

/** Start of the spans below, epoch milliseconds. */
export const START_MS = Date.now() - 3_600_000;

/** A finished span of trace `trace_id`; `from` and `to` in milliseconds since `START_MS`. */
export const span = (
  trace_id: string,
  id: number,
  from: number,
  to: number,
  parent = 0,
  more: object = {},
) => ({
  source: `service-${id % 5}`,
  type: 'span',
  timestamp: new Date(START_MS + to).toISOString(),
  trace_id,
  span_id: idOf(id),
  data: {
    phase: 'end',
    name: `step ${id}`,
    start_us: (START_MS + from) * 1000,
    duration_us: (to - from) * 1000,
    status: 'success',
    ...(parent > 0 && { parent_span_id: idOf(parent) }),
    ...more,
  },
});

export const idOf = (id: number): string => id.toString(16).padStart(16, '0');
