import { expect, test } from '@jest/globals';
import { createTraceStore } from '../../src/correlate/store.ts';
import { createTraces } from '../../src/correlate/traces.ts';
import { record, START_MS } from './records.ts';

function traces() {
  const store = createTraceStore({
    maxTraces: 100,
    maxMessages: 1000,
    maxMessagesPerTrace: 100,
    maxBytes: 1e9,
  });
  for (let n = 0; n < 10; n++) {
    const status = n % 2 === 0 ? 'completed' : 'failed';
    store.add(record(n, 's', 'progress', { status }, { jobId: `j${n}`, traceId: `t${n % 3}` }));
  }
  return createTraces(store, { now: () => START_MS + 10 });
}
const idsOf = ({ jobs }: ReturnType<ReturnType<typeof traces>['jobs']>) =>
  jobs.map(({ job_id }) => job_id).join(' ');

test('jobs come newest first, a page at a time', () => {
  const view = traces();
  const first = view.jobs(4);
  expect([idsOf(first), first.next]).toEqual(['j9 j8 j7 j6', 'j6']);
  const second = view.jobs(4, first.next);
  expect([idsOf(second), second.next]).toEqual(['j5 j4 j3 j2', 'j2']);
  const last = view.jobs(4, second.next);
  expect([idsOf(last), last.next]).toEqual(['j1 j0', undefined]);
  expect(view.jobs(10).next).toBeUndefined();
});

test('only those in a state, paged too', () => {
  const view = traces();
  const first = view.jobs(3, undefined, { states: ['failed'] });
  expect([idsOf(first), first.next]).toEqual(['j9 j7 j5', 'j5']);
  expect(idsOf(view.jobs(3, first.next, { states: ['failed'] }))).toBe('j3 j1');
  expect(idsOf(view.jobs(3, undefined, { states: ['stalled'] }))).toBe('');
});

test('a cursor that is not known gives an empty page', () => {
  expect(traces().jobs(3, 'gone')).toEqual({ jobs: [] });
});

test('a job and a trace, each with the other', () => {
  const view = traces();
  expect(view.job('j4')).toMatchObject({ job_id: 'j4', trace_ids: ['t1'], state: 'succeeded', messages: 1 });
  expect(view.trace('t1')).toMatchObject({ trace_id: 't1', job_ids: ['j1', 'j4', 'j7'], messages: 3 });
  expect(view.trace('t1')?.timeline).toHaveLength(3);
  expect([view.job('gone'), view.trace('gone')]).toEqual([undefined, undefined]);
});
