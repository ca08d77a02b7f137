import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { partsOf, servicesOf, summarise, timelineOf } from '../../src/correlate/describe.ts';
import { createTraceStore } from '../../src/correlate/store.ts';
import type { Message } from '../../src/message.ts';
import { event, record, START_MS, span } from './records.ts';

const LIMITS = { maxTraces: 100, maxMessages: 1000, maxMessagesPerTrace: 500, maxBytes: 1e9 };

function view(messages: readonly Message[], { limits = {}, laterMs = 0 } = {}) {
  const store = createTraceStore({ ...LIMITS, ...limits });
  for (const message of messages) store.add(message);
  const story = store.job('job-12345')!;
  const parts = partsOf(story);
  return {
    ...summarise(story, parts, story.lastMs + laterMs),
    services: servicesOf(parts),
    timeline: timelineOf(story),
  };
}
const timesOf = ({ services }: ReturnType<typeof view>) =>
  Object.fromEntries(services.map(({ source, time_ms }) => [source, time_ms]));
const stateOf = (...messages: readonly Message[]) => view(messages).state;

/** The brief's use case. */
const BRIEF = [
  event(0, 'file-receiver', 'File received'),
  event(1000, 'file-receiver', 'validated'),
  record(2000, 'file-receiver', 'metric', { name: 'file_valid', value: 1 }),
  event(2300, 'file-receiver', 'queued'),
  span(2400, 'queue-service', 100, { id: 'q' }),
  event(2350, 'queue-service', 'Job dequeued'),
  event(2400, 'queue-service', 'processing started'),
  span(47_600, 'db-loader', 45_200, { id: 'l', parent_span_id: 'q' }),
  event(47_600, 'db-loader', 'Data loaded'),
  event(47_600, 'db-loader', '10,000 rows inserted'),
];

describe("the brief's unified view", () => {
  test('has its figures', () => {
    const { services, ...summary } = view(BRIEF);
    expect(services.map(({ source, summary: text, time_ms }) => [source, text, time_ms])).toEqual([
      ['file-receiver', 'File received, validated, queued', 2300],
      ['queue-service', 'Job dequeued, processing started', 100],
      ['db-loader', 'Data loaded, 10,000 rows inserted', 45_200],
    ]);
    expect(summary).toMatchObject({
      state: 'succeeded',
      started: '2025-10-20T10:30:45.000Z',
      ended: '2025-10-20T10:31:32.600Z',
      total_ms: 47_600,
      unattributed_ms: 0,
      messages: 10,
      errors: 0,
      truncated: false,
    });
    expect(services.map(({ spans, parents }) => [spans, parents])).toEqual([
      [0, []],
      [1, []],
      [1, ['queue-service']],
    ]);
  });

  test('is the same in whatever order the messages come', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(BRIEF, { minLength: BRIEF.length }), (shuffled) => {
        expect(timesOf(view(shuffled))).toEqual(timesOf(view(BRIEF)));
        expect(view(shuffled)).toMatchObject({ total_ms: 47_600, state: 'succeeded' });
      }),
      { numRuns: 50 },
    );
  });

  test('is the same when the story is only kept as sums, and says so', () => {
    const summed = view(BRIEF, { limits: { maxMessagesPerTrace: 2 } });
    const whole = view(BRIEF);
    expect({ ...summed, timeline: [], truncated: false }).toEqual({ ...whole, timeline: [] });
    expect(summed.truncated).toBe(true);
    expect(summed.timeline.length).toBeLessThanOrEqual(2);
  });
});

describe('times', () => {
  test('of parallel spans are their union', () => {
    expect(timesOf(view([span(1000, 'a', 1000), span(1500, 'a', 1000), span(900, 'a', 100)]))).toEqual({
      a: 1500,
    });
  });

  test('in which nobody was active are unattributed', () => {
    const { total_ms, unattributed_ms } = view([span(1000, 'a', 1000), span(7000, 'b', 1000)]);
    expect([total_ms, unattributed_ms]).toEqual([7000, 5000]);
  });

  test('of a span without its start end at its record', () => {
    const bare = record(3000, 'a', 'span', { phase: 'end', duration_us: 1_000_000 });
    expect(view([bare]).services[0]).toMatchObject({ time_ms: 1000, started: '2025-10-20T10:30:47.000Z' });
  });

  test('of a service include messages outside of its spans in its start and end only', () => {
    const { services } = view([event(0, 'a', 'x'), span(2000, 'a', 500), event(3000, 'a', 'y')]);
    expect(services[0]).toMatchObject({
      time_ms: 500,
      started: '2025-10-20T10:30:45.000Z',
      ended: '2025-10-20T10:30:48.000Z',
    });
  });

  test.each([
    ['negative', { duration_us: -5e9 }],
    ['huge', { duration_us: 1e300 }],
    ['from the dawn of time', { start_us: 0, duration_us: 1 }],
    ['no number', { start_us: 'x', duration_us: 'y' }],
    ['null', { start_us: null, duration_us: null }],
    ['negative, without a start', { start_us: null, duration_us: -5e9 }],
  ])('of a span that is %s do not spoil the view', (_, data) => {
    const { total_ms, services } = view([event(0, 'a', 'x'), record(1000, 'a', 'span', data)]);
    expect(total_ms).toBe(1000);
    expect(services[0]?.time_ms).toBeLessThanOrEqual(1000);
  });

  test('nothing that is sent makes it throw', () => {
    const anyData = fc.dictionary(
      fc.constantFrom(
        'phase',
        'start_us',
        'duration_us',
        'status',
        'percent',
        'message',
        'parent_span_id',
        'level',
        'name',
      ),
      fc.oneof(fc.jsonValue(), fc.double(), fc.constantFrom('start', 'end', 'failed')),
    );
    const anyMessage = fc
      .tuple(
        fc.nat(100_000),
        fc.constantFrom('a', 'b'),
        fc.constantFrom('event', 'span', 'progress', 'resource', 'x'),
        anyData,
      )
      .map(([atMs, source, type, data]) => record(atMs, source, type, JSON.parse(JSON.stringify(data))));
    fc.assert(
      fc.property(fc.array(anyMessage, { minLength: 1, maxLength: 12 }), (messages) => {
        const seen = view(messages, { limits: { maxMessagesPerTrace: 4 } });
        expect(seen.messages).toBe(messages.length);
        expect(seen.total_ms).toBeGreaterThanOrEqual(0);
        expect(seen.unattributed_ms).toBeLessThanOrEqual(seen.total_ms);
        expect(JSON.parse(JSON.stringify(seen))).toEqual(seen);
      }),
      { numRuns: 500 },
    );
  });
});

describe('the state', () => {
  const progress = (status: string | null, percent: number | null = 10, atMs = 0) =>
    record(atMs, 'a', 'progress', { status, percent });

  test.each([
    ['queued', 'queued'],
    ['Pending', 'queued'],
    ['completed', 'succeeded'],
    ['done', 'succeeded'],
    ['failed', 'failed'],
    ['ERROR', 'failed'],
    ['canceled', 'cancelled'],
    ['cancelled', 'cancelled'],
    ['started', 'running'],
    ['', 'running'],
  ])('after progress "%s" is %s', (word, state) => {
    expect(stateOf(progress(word))).toBe(state);
  });

  test('is what the latest progress says, in the order of their times', () => {
    expect(stateOf(progress('completed', 100, 900), progress('started', 0, 100))).toBe('succeeded');
    expect(stateOf(progress('failed', 40, 100), progress('started', 0, 900))).toBe('running');
  });

  test('after 100 % without a word is succeeded', () => {
    expect(stateOf(progress(null, 100))).toBe('succeeded');
    expect(view([progress(null, 100), progress('x', null, 1)]).percent).toBe(100);
    expect(view([progress('x', 250)]).percent).toBe(100);
    expect(view([progress('x', -3)]).percent).toBe(0);
  });

  test('of finished spans is succeeded, of a running one running', () => {
    const start = record(0, 'a', 'span', { phase: 'start', name: 'x' }, { spanId: '1' });
    expect(stateOf(span(1000, 'a', 1000, { id: '1' }))).toBe('succeeded');
    expect(stateOf(start)).toBe('running');
    expect(stateOf(start, span(1000, 'a', 1000, { id: '1' }))).toBe('succeeded');
    // The start is late: it does not open the span again.
    expect(stateOf(span(1000, 'a', 1000, { id: '1' }), start)).toBe('succeeded');
  });

  test('of a failed span is failed if nobody above it went well', () => {
    const failed = { id: '2', parent_span_id: '1', status: 'failed' };
    expect(stateOf(span(1000, 'a', 1000, { id: '1', status: 'error' }))).toBe('failed');
    expect(stateOf(span(1000, 'a', 1000, failed))).toBe('failed');
    expect(stateOf(span(1000, 'a', 1000, failed), span(1000, 'b', 1000, { id: '1' }))).toBe('succeeded');
  });

  test('of a silent story is stalled after 30 s or three usual pauses', () => {
    const at = (...times: readonly number[]) => times.map((atMs) => event(atMs, 'a', 'x'));
    expect(view(at(0), { laterMs: 30_000 }).state).toBe('running');
    expect(view(at(0), { laterMs: 30_001 }).state).toBe('stalled');
    expect(view(at(0, 60_000, 120_000), { laterMs: 180_000 }).state).toBe('running');
    expect(view(at(0, 60_000, 120_000), { laterMs: 180_001 }).state).toBe('stalled');
    expect(view([progress('completed')], { laterMs: 1e9 }).state).toBe('succeeded');
  });
});

describe('a service', () => {
  test("names the sources of its spans' parents, itself excluded", () => {
    const { services } = view([
      span(1000, 'a', 1000, { id: '1' }),
      span(900, 'a', 100, { id: '2', parent_span_id: '1' }),
      span(950, 'b', 100, { id: '3', parent_span_id: '2' }),
      span(960, 'b', 100, { id: '4', parent_span_id: '1' }),
      span(970, 'c', 10, { id: '5', parent_span_id: 'unknown' }),
    ]);
    expect(services.map(({ source, parents }) => [source, parents])).toEqual([
      ['a', []],
      ['b', ['a']],
      ['c', []],
    ]);
  });

  test('counts what went wrong once', () => {
    const { errors, services } = view([
      event(0, 'a', 'x', 'error'),
      event(0, 'a', 'x', 'warn'),
      record(0, 'a', 'event', { level: 'fatal', status: 'failed' }),
      span(0, 'b', 1, { status: 'failure' }),
      record(0, 'b', 'progress', { status: 'aborted' }),
    ]);
    expect([errors, ...services.map((service) => service.errors)]).toEqual([4, 2, 2]);
  });

  test('says each thing once, and no more than eight', () => {
    const events = [...'aabbcdefghij'].map((text, n) => event(n, 's', text));
    expect(view(events).services[0]?.summary).toBe('a, b, c, d, e, f, g, h');
  });
});

describe('the timeline', () => {
  test('is in order of time, with what each message says', () => {
    const { timeline } = view([
      record(5, 'a', 'resource', { cpu: 12.5, memory_mb: 3, note: 'x' }),
      record(4, 'a', 'span', { phase: 'start', name: 'load', parent_span_id: 'p' }, { spanId: 's' }),
      record(3, 'a', 'progress', { percent: 40, status: 'half', message: 'there' }),
      record(2, 'a', 'metric', { name: 'rows', value: 7, unit: 'count' }),
      record(1, 'a', 'event', { level: 'info', message: 'hello' }),
      record(0, 'a', 'other', { message: 'm', name: 'n' }),
    ]);
    expect(timeline.map(({ type, text }) => [type, text])).toEqual([
      ['other', 'm n'],
      ['event', 'hello'],
      ['metric', 'rows = 7 count'],
      ['progress', '40 % half there'],
      ['span', 'start load'],
      ['resource', 'cpu 12.5, memory_mb 3'],
    ]);
    expect(timeline[4]).toMatchObject({ span_id: 's', parent_span_id: 'p', name: 'load' });
    expect(timeline[1]).toMatchObject({ level: 'info', time: new Date(START_MS + 1).toISOString() });
    expect(view([span(9, 'a', 4)]).timeline[0]).toMatchObject({ duration_ms: 4, status: 'ok' });
  });
});

test('the times of a service with hundreds of spans are those of their union, gaps left out', () => {
  const spans = (source: string, count: number, everyMs: number) =>
    Array.from({ length: count }, (_, n) => span(n * everyMs + 1000, source, 1000, { id: `${source}${n}` }));
  const found = view([...spans('a', 250, 2000), ...spans('b', 200, 2500)]);
  expect(timesOf(found)).toEqual({ a: 250_000, b: 200_000 });
  expect(view(spans('a', 250, 2000)).unattributed_ms).toBe(249_000);
  expect(found.warnings).toEqual([]);
  // Without ids they cannot be told apart once more than are kept, which is said.
  const nameless = Array.from({ length: 100 }, (_, n) => span(n * 2000, 'a', 1000, { id: '' }));
  expect(view(nameless).warnings).toEqual(['approximate']);
});

test('a percentage stands until another is reported, by whichever service', () => {
  const found = view([
    record(0, 'a', 'progress', { percent: 40 }),
    record(1000, 'b', 'progress', { status: 'loading' }),
  ]);
  expect(found.percent).toBe(40);
});

describe('in a flood', () => {
  /** Of another job, all in one second. */
  const noise = Array.from({ length: 12_000 }, () =>
    record(0, 'n', 'event', { message: 'noise' }, { jobId: 'noise' }),
  );
  const viewed = (...messages: readonly Message[]) =>
    view([...noise, ...messages], { limits: { maxMessages: 1e6, maxMessagesPerTrace: 1e6 } });

  test('the end of a job is seen, by its report and by its spans', () => {
    const failed = viewed(record(10, 'a', 'progress', { percent: 80, status: 'failed' }));
    expect(failed).toMatchObject({ state: 'failed', percent: 80, errors: 1, warnings: [] });
    const begun = record(0, 'a', 'span', { phase: 'start', name: 'load' }, { spanId: 's' });
    const found = view([begun, ...noise, span(500, 'a', 500, { id: 's', status: 'error' })]);
    expect(found).toMatchObject({ state: 'failed', errors: 1 });
  });

  test('what is only counted is counted, and said to be approximate', () => {
    const events = Array.from({ length: 100 }, () => event(10, 'a', 'x', 'error'));
    expect(viewed(...events)).toMatchObject({
      ...{ messages: 100, errors: 100, truncated: true, warnings: ['approximate'] },
    });
  });
});
