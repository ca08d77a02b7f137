import { expect, test } from '@jest/globals';
import { asyncScheduler, of } from 'rxjs';
import { cursorAfter, storedCursor } from '../../src/correlate/cursor.ts';
import { createTraceStore } from '../../src/correlate/store.ts';
import { createTraces } from '../../src/correlate/traces.ts';
import type { Stored, StoredJobsQuery } from '../../src/deliver/sink.ts';
import { createWhole } from '../../src/sidecar/past.ts';
import { record, START_MS } from '../correlate/records.ts';
import { createLogged } from '../http/serving.ts';

const PLACE = '2025-10-20T10:30:00.000000Z/0199fffe-0000-7000-8000-000000000001';

/** Jobs a, b and c in memory, in this order, and a database that has no others but says that there is more. */
function open() {
  const store = createTraceStore({ maxTraces: 9, maxMessages: 99, maxMessagesPerTrace: 9, maxBytes: 1e9 });
  for (const [n, jobId] of ['a', 'b', 'c'].entries()) store.add(record(n, 's', 'event', {}, { jobId }));
  const asked: StoredJobsQuery[] = [];
  const stored: Stored = {
    story: () => of({ messages: [], leftOff: 0 }),
    jobs: (query) => {
      asked.push(query);
      return of({ jobs: new Map(), next: PLACE });
    },
  };
  const absentSince = () => undefined;
  const parts = { store, traces: createTraces(store, asyncScheduler), stored: () => [stored], absentSince };
  const { log } = createLogged().context;
  const whole = createWhole(parts, { scheduler: asyncScheduler, log });
  const page = async (limit: number, cursor?: string) => {
    const { jobs = [], next } = (await whole.jobs(limit, cursor)) ?? {};
    return { ids: jobs.map(({ job_id }) => job_id).join(''), next };
  };
  return { whole, asked, page };
}

test('the database begins where memory ends, and goes on from its own places', async () => {
  const { asked, page } = open();
  const ofB = cursorAfter({ lastMs: START_MS + 1, id: 'b' });
  expect(await page(2)).toEqual({ ids: 'cb', next: ofB });
  expect(asked).toEqual([]);
  expect(await page(1, ofB)).toEqual({ ids: 'a', next: storedCursor() });
  expect(asked).toEqual([]);
  expect(await page(2, ofB)).toEqual({ ids: 'a', next: storedCursor(PLACE) });
  expect(await page(2, storedCursor())).toEqual({ ids: '', next: storedCursor(PLACE) });
  expect(await page(2, storedCursor(PLACE))).toEqual({ ids: '', next: storedCursor(PLACE) });
  const query = { except: ['a', 'b', 'c'], sinceMs: undefined };
  expect(asked).toEqual([
    { limit: 1, after: undefined, ...query },
    { limit: 2, after: undefined, ...query },
    { limit: 2, after: PLACE, ...query },
  ]);
});

const ID = '01a20ac8-5feb-7000-8000-000000000000';

test.each([
  'b',
  'postgres:b',
  `postgres:2026-02-30T10:30:45.123456Z/${ID}`,
  `postgres:2026-02-28T25:30:45.123456Z/${ID}`,
  `postgres:0000-02-28T10:30:45.123456Z/${ID}`,
  `postgres:00012-02-28T10:30:45.123456Z/${ID}`,
  `postgres:2026-02-28T10:30:45.123456Z/${'-'.repeat(36)}`,
])('%s is no cursor: it has no page, and the database is not asked', async (text) => {
  const { whole, asked } = open();
  expect(await whole.jobs(2, text)).toBeUndefined();
  expect(asked).toEqual([]);
});

test('a row of a year of five digits has a cursor', async () => {
  const { whole, asked } = open();
  await whole.jobs(2, `postgres:20000-02-29T10:30:45.123456Z/${ID}`);
  expect(asked).toMatchObject([{ after: `20000-02-29T10:30:45.123456Z/${ID}` }]);
});
