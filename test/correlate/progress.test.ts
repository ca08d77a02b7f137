import { expect, test } from '@jest/globals';
import { createTraceStore } from '../../src/correlate/store.ts';
import { createTraces } from '../../src/correlate/traces.ts';
import type { Message } from '../../src/message.ts';
import { event, record, START_MS, span } from './records.ts';

const LIMITS = { maxTraces: 100, maxMessages: 1000, maxMessagesPerTrace: 500, maxBytes: 1 << 20 };

function traces(messages: readonly Message[], nowMs: number, absent: ReadonlySet<string> = new Set()) {
  const store = createTraceStore(LIMITS);
  for (const message of messages) store.add(message);
  return createTraces(store, { now: () => START_MS + nowMs }, (source) =>
    absent.has(source) ? START_MS : undefined,
  );
}
const job = (...given: Parameters<typeof traces>) => traces(...given).job('job-12345');
const progress = (atMs: number, percent: number, status = 'running') =>
  record(atMs, 'loader', 'progress', { percent, status });

test('three reports at a pace tell when the job will end', () => {
  const found = job([progress(0, 0), progress(1000, 10), progress(2000, 20)], 3000);
  expect(found?.eta_ms).toBe(7000);
  expect(found?.progress.map(({ percent }) => percent)).toEqual([0, 10, 20]);
});

test('a report without a number is no part of the pace', () => {
  const wordless = record(1500, 'loader', 'progress', { status: 'running' });
  const found = job([progress(0, 0), progress(1000, 10), wordless, progress(2000, 20)], 3000);
  expect(found?.eta_ms).toBe(7000);
  expect(found?.progress.map(({ percent }) => percent)).toEqual([0, 10, 20]);
});

test.each([
  ['two reports', [progress(0, 0), progress(1000, 10)]],
  ['no growth', [progress(0, 10), progress(1000, 10), progress(2000, 10)]],
  ['a restart', [progress(0, 10), progress(1000, 20), progress(2000, 0), progress(3000, 5)]],
  ['an end', [progress(0, 0), progress(1000, 50), progress(2000, 100, 'completed')]],
])('%s: no estimate', (_, messages) => {
  expect(job(messages, 3000)).not.toHaveProperty('eta_ms');
});

test('late reports join in order of their time', () => {
  const found = job([progress(0, 0), progress(2000, 20), progress(1000, 10)], 2000);
  expect([found?.percent, found?.eta_ms]).toEqual([20, 8000]);
});

test('percent is clamped and flagged', () => {
  const found = job([progress(0, -5), progress(1000, 130)], 2000);
  expect([found?.percent, found?.warnings]).toEqual([100, ['percent_clamped']]);
  expect(job([progress(0, 5)], 0)?.warnings).toEqual([]);
});

test('a span that starts before its parent is flagged, its times left alone', () => {
  const messages = [
    span(1000, 'parent', 1000, { id: 'aaaaaaaaaaaaaaaa' }),
    span(900, 'child', 950, { id: 'bbbbbbbbbbbbbbbb', parent_span_id: 'aaaaaaaaaaaaaaaa' }),
  ];
  const found = job(messages, 2000);
  expect(found?.warnings).toEqual(['clock_skew']);
  expect(found?.spans.map(({ source, started, before_parent }) => [source, started, before_parent])).toEqual([
    ['child', '2025-10-20T10:30:44.950Z', true],
    ['parent', '2025-10-20T10:30:45.000Z', undefined],
  ]);
});

test('a span is running until it ends, and abandoned when its job is', () => {
  const start = record(0, 'loader', 'span', { phase: 'start', name: 'load' }, { spanId: 'aaaaaaaaaaaaaaaa' });
  expect(job([start], 10)?.spans[0]).toMatchObject({
    name: 'load',
    state: 'running',
    started: '2025-10-20T10:30:45.000Z',
  });
  expect(job([start], 61_000, new Set(['loader']))?.spans[0]?.state).toBe('abandoned');
});

test.each([
  [59_000, ['loader'], 'stalled'],
  [60_000, ['loader'], 'abandoned'],
  [60_000, [], 'stalled'],
  [60_000, ['other'], 'stalled'],
])('silent for %d ms, gone: %j: %s', (nowMs, gone, state) => {
  const found = job([event(-5000, 'other', 'queued'), event(0, 'loader', 'on it')], nowMs, new Set(gone));
  expect([found?.state, found?.current_source]).toEqual([
    state,
    state === 'abandoned' ? undefined : 'loader',
  ]);
});

test('an end that was said outlives its client', () => {
  expect(job([progress(0, 100, 'completed')], 3_600_000, new Set(['loader']))?.state).toBe('succeeded');
});

test('an abandoned job that is heard of again runs on', () => {
  const view = [event(0, 'loader', 'on it'), event(100_000, 'loader', 'again')];
  expect(job(view, 101_000, new Set(['loader']))?.state).toBe('running');
  // It left before that: whoever took the job up is here, as far as anyone can tell.
  expect(job(view, 500_000, new Set(['loader']))?.state).toBe('stalled');
});

test('a job names its parent, or its spans do', () => {
  const trace = { traceId: '0af7651916cd43dd8448eb211c80319c' };
  const start = (source: string, jobId: string, spanId: string, parent?: string) =>
    record(
      0,
      source,
      'span',
      { phase: 'start', ...(parent && { parent_span_id: parent }) },
      { ...trace, jobId, spanId },
    );
  const view = traces(
    [
      start('queue', 'parent', 'aaaaaaaaaaaaaaaa'),
      start('loader', 'child', 'bbbbbbbbbbbbbbbb', 'aaaaaaaaaaaaaaaa'),
      record(0, 'mail', 'event', { message: 'sent', parent_job_id: 'parent' }, { jobId: 'mail-1' }),
    ],
    0,
  );
  expect(view.job('child')?.parent_job_id).toBe('parent');
  expect(view.job('mail-1')?.parent_job_id).toBe('parent');
  expect(view.job('parent')).not.toHaveProperty('parent_job_id');
  expect([...(view.job('parent')?.child_job_ids ?? [])].sort()).toEqual(['child', 'mail-1']);
});
