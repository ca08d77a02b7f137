import { describe, expect, test } from '@jest/globals';
import {
  copyPart,
  fold,
  foldEnvelope,
  isFailure,
  type Part,
  spanInterval,
} from '../../src/correlate/story.ts';
import { event, record, START_MS, span } from './records.ts';

const partOf = (...messages: Parameters<typeof fold>[1][]) => {
  const sums = { parts: new Map<string, Part>(), knownSpans: 0 };
  for (const message of messages) fold(sums, message);
  return sums.parts.get('a')!;
};

describe('folding', () => {
  test('sums up times, counts and what was said', () => {
    const part = partOf(event(5, 'a', 'x'), event(1, 'a', 'y', 'error'), event(9, 'a', 'x'), span(9, 'a', 2));
    expect(part).toMatchObject({
      firstMs: START_MS + 1,
      lastMs: START_MS + 9,
      messages: 4,
      errors: 1,
      spans: 1,
    });
    expect(part.texts).toEqual(['x', 'y']);
  });

  test('remembers the parent of a span whichever phase told it', () => {
    const start = record(0, 'a', 'span', { phase: 'start', parent_span_id: 'p' }, { spanId: 's' });
    const part = partOf(start, span(5, 'a', 5, { id: 's', status: 'failed' }));
    expect(part.spansById.get('s')).toMatchObject({ parent: 'p', ended: true, failed: true });
    expect(partOf(start).spansById.get('s')).toMatchObject({ parent: 'p', ended: false, failed: false });
  });

  test('remembers 16,384 spans of all services together, and goes on to count', () => {
    const one = span(0, 'b', 1, { id: 'one' });
    const part = partOf(one, ...Array.from({ length: 16_400 }, (_, n) => span(n, 'a', 1, { id: `${n}` })));
    expect([part.spansById.size, part.spans]).toEqual([16_383, 16_400]);
  });

  test('of the envelope alone does not look into the data', () => {
    const message = event(0, 'a', 'x', 'fatal');
    const sums = { parts: new Map<string, Part>(), knownSpans: 0 };
    foldEnvelope(sums, message);
    expect(message.parsed).toBeUndefined();
    expect(sums.parts.get('a')).toMatchObject({ messages: 1, errors: 1, texts: [] });
  });

  test('into a copy leaves the original alone', () => {
    const part = partOf(span(5, 'a', 5, { id: 's' }), event(5, 'a', 'x'));
    const copy = copyPart(part);
    const sums = { parts: new Map([['a', copy]]), knownSpans: 1 };
    fold(sums, span(50, 'a', 5, { id: 't' }));
    fold(sums, event(50, 'a', 'y'));
    expect(part).toMatchObject({ messages: 2, texts: ['x'], lastMs: START_MS + 5, spans: 1 });
    expect([part.spansById.size, part.intervals.length]).toEqual([1, 1]);
  });
});

test('a span has an interval once it has ended', () => {
  expect(spanInterval(span(5, 'a', 5))).toEqual({ from: START_MS, to: START_MS + 5 });
  expect(spanInterval(record(0, 'a', 'span', { phase: 'start', duration_us: 5 }))).toBeUndefined();
  expect(spanInterval(record(0, 'a', 'metric', { duration_us: 5 }))).toBeUndefined();
  expect(spanInterval(record(0, 'a', 'span', { start_us: START_MS * 1000, duration_us: -7 }))).toEqual({
    from: START_MS,
    to: START_MS,
  });
  expect(spanInterval(record(0, 'a', 'span', { duration_us: -7e9 }))).toEqual({
    from: START_MS,
    to: START_MS,
  });
});

test.each([
  [event(0, 'a', 'x', 'error'), true],
  [event(0, 'a', 'x', 'warn'), false],
  [record(0, 'a', 'span', { status: 'Failed' }), true],
  [record(0, 'a', 'progress', { status: 'abandoned' }), true],
  [record(0, 'a', 'span', { status: 'ok' }), false],
  [record(0, 'a', 'span', { status: 5 }), false],
])('isFailure %#', (message, expected) => {
  expect(isFailure(message)).toBe(expected);
});
