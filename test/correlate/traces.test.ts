import { expect, test } from '@jest/globals';
import { readCursor } from '../../src/correlate/cursor.ts';
import { createTraceStore } from '../../src/correlate/store.ts';
import { createTraces } from '../../src/correlate/traces.ts';
import type { JobPage } from '../../src/correlate/view.ts';
import { record, START_MS } from './records.ts';

const LIMITS = { maxTraces: 100, maxMessages: 1000, maxMessagesPerTrace: 100, maxBytes: 1e9 };

function open() {
  const store = createTraceStore(LIMITS);
  for (let n = 0; n < 10; n++) {
    const status = n % 2 === 0 ? 'completed' : 'failed';
    store.add(record(n, 's', 'progress', { status }, { jobId: `j${n}`, traceId: `t${n % 3}` }));
  }
  /** Something is heard of a job, milliseconds after the start. */
  const heard = (atMs: number, jobId: string) => store.add(record(atMs, 's', 'event', {}, { jobId }));
  return { view: createTraces(store, { now: () => START_MS + 10 }), heard };
}
const traces = () => open().view;
const idsOf = ({ jobs }: JobPage) => jobs.map(({ job_id }) => job_id).join(' ');
/** Where the next page begins. */
const afterOf = ({ next = '' }: JobPage) => {
  const cursor = readCursor(next);
  return cursor?.from === 'memory' ? cursor.after : undefined;
};

test('jobs come newest first, a page at a time', () => {
  const view = traces();
  const first = view.jobs(4);
  expect([idsOf(first), afterOf(first)]).toEqual(['j9 j8 j7 j6', { lastMs: START_MS + 6, id: 'j6' }]);
  const second = view.jobs(4, afterOf(first));
  expect([idsOf(second), afterOf(second)?.id]).toEqual(['j5 j4 j3 j2', 'j2']);
  const last = view.jobs(4, afterOf(second));
  expect([idsOf(last), last.next]).toEqual(['j1 j0', undefined]);
  expect(view.jobs(10).next).toBeUndefined();
});

test('only those in a state, paged too', () => {
  const view = traces();
  const first = view.jobs(3, undefined, { states: ['failed'] });
  expect([idsOf(first), afterOf(first)?.id]).toEqual(['j9 j7 j5', 'j5']);
  expect(idsOf(view.jobs(3, afterOf(first), { states: ['failed'] }))).toBe('j3 j1');
  expect(idsOf(view.jobs(3, undefined, { states: ['stalled'] }))).toBe('');
});

test('a page goes on where the one before it ended, though its last job is heard of meanwhile', () => {
  const { view, heard } = open();
  const first = view.jobs(4);
  heard(20, 'j6');
  heard(21, 'j4');
  expect(idsOf(view.jobs(4, afterOf(first)))).toBe('j5 j3 j2 j1');
  expect(idsOf(view.jobs(2))).toBe('j4 j6');
});

test('a walk ends and has no job twice while jobs are heard of all the time', () => {
  const { view, heard } = open();
  const ids: string[] = [];
  let page = view.jobs(3);
  for (let n = 0; n < 20; n++) {
    ids.push(...page.jobs.map(({ job_id }) => job_id));
    if (page.next === undefined) break;
    heard(20 + n, ids.at(-1) ?? '');
    page = view.jobs(3, afterOf(page));
  }
  expect(ids.join(' ')).toBe('j9 j8 j7 j6 j5 j4 j3 j2 j1 j0');
});

test('jobs that were active in the same millisecond have an order that stays, whatever their ids', () => {
  const { view, heard } = open();
  const ids = ['', '"', ' ', 'z', '\ud800', '\ud801', '\u{1f6f0}', 'é/…'].map((end) => `x${end}`);
  for (const id of ids) heard(30, id);
  const walk: string[] = [];
  let page = view.jobs(1);
  for (; walk.length < ids.length; page = view.jobs(1, afterOf(page))) {
    walk.push(idsOf(page));
    heard(30, ids[walk.length - 1] ?? '');
  }
  expect([walk, idsOf(page)]).toEqual([ids.sort().reverse(), 'j9']);
});

test('what was made by hand is no cursor', () => {
  for (const text of ['', 'j6', 'postgres:now', '!', ...['1', 'null', '["1","j6"]', '[1]'].map(encoded)])
    expect(readCursor(text)).toBeUndefined();
  expect(readCursor(encoded('[1,"j6"]'))).toEqual({ from: 'memory', after: { lastMs: 1, id: 'j6' } });
});

const encoded = (json: string) => Buffer.from(json).toString('base64url');

test('a job and a trace, each with the other', () => {
  const view = traces();
  expect(view.job('j4')).toMatchObject({ job_id: 'j4', trace_ids: ['t1'], state: 'succeeded', messages: 1 });
  expect(view.trace('t1')).toMatchObject({ trace_id: 't1', job_ids: ['j1', 'j4', 'j7'], messages: 3 });
  expect(view.trace('t1')?.timeline).toHaveLength(3);
  expect([view.job('gone'), view.trace('gone')]).toEqual([undefined, undefined]);
});

test('jobs that share a trace are summed up once each, not once for every other', () => {
  let looks = 0;
  const store = createTraceStore(LIMITS);
  const messages = Array.from({ length: 100 }, (_, n) => {
    const jobId = `j${n % 10}`;
    const parent_span_id = n < 10 ? 'elsewhere' : jobId;
    const ids = { jobId, traceId: 'shared', spanId: n < 10 ? jobId : `${n}` };
    return record(n, 'worker', 'span', { phase: 'start', parent_span_id }, ids);
  });
  for (const message of messages) store.add(message);
  const get = () => {
    looks++;
    return 'worker';
  };
  for (const { messages: kept } of store.jobs())
    for (const message of kept) Object.defineProperty(message, 'source', { get });
  const view = createTraces(store, { now: () => START_MS + 100 });
  for (const ask of [() => view.jobs(10), () => view.job('j1')]) {
    looks = 0;
    ask();
    expect(looks).toBeGreaterThanOrEqual(messages.length);
    expect(looks).toBeLessThanOrEqual(3 * messages.length);
  }
});
