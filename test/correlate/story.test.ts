import { describe, expect, test } from '@jest/globals';
import {
  copySums,
  createStory,
  fold,
  foldEnvelope,
  isFailure,
  spanInterval,
} from '../../src/correlate/story.ts';
import { event, record, START_MS, span } from './records.ts';

const sumsOf = (...messages: Parameters<typeof fold>[1][]) => {
  const sums = createStory('j', START_MS);
  for (const message of messages) fold(sums, message);
  return sums;
};
const partOf = (...messages: Parameters<typeof fold>[1][]) =>
  sumsOf(...messages).parts.find(({ source }) => source === 'a')!;

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
    const part = partOf(
      one,
      one,
      ...Array.from({ length: 16_400 }, (_, n) => span(n, 'a', 1, { id: `${n}` })),
    );
    expect([part.spansById.size, part.spans]).toEqual([16_383, 16_400]);
  });

  test('of the envelope alone does not look into the data', () => {
    const message = event(0, 'a', 'x', 'fatal');
    const sums = sumsOf();
    foldEnvelope(sums, message);
    expect(message.parsed).toBeUndefined();
    expect(sums.parts[0]).toMatchObject({ messages: 1, errors: 1, texts: [] });
  });

  test('into a copy leaves the original alone', () => {
    const sums = sumsOf(span(5, 'a', 5, { id: 's' }), event(5, 'a', 'x'));
    const copy = copySums(sums);
    for (const message of [span(50, 'a', 5, { id: 't' }), event(50, 'a', 'y'), event(50, 'b', 'z')])
      fold(copy, message);
    expect(copy.parts.map(({ source, messages }) => [source, messages])).toEqual([
      ['a', 4],
      ['b', 1],
    ]);
    const [part, ...others] = sums.parts;
    expect(others).toEqual([]);
    expect(part).toMatchObject({ messages: 2, texts: ['x'], lastMs: START_MS + 5, spans: 1 });
    expect([part?.spansById.size, part?.intervals.length]).toEqual([1, 1]);
  });

  test('sums up 256 services, each once, and those of a copy', () => {
    const names = Array.from({ length: 300 }, (_, n) => `s${n}`);
    const messages = [...names, ...names].map((source) => event(1, source, 'x'));
    const sums = sumsOf(...messages);
    fold(copySums(sums), event(2, 's7', 'y'));
    const copy = copySums(sums);
    fold(copy, event(2, 's7', 'y'));
    expect(sums.parts.map(({ source, messages }) => [source, messages])).toEqual(
      names.slice(0, 256).map((name) => [name, 2]),
    );
    expect(copy.parts.find(({ source }) => source === 's7')?.messages).toBe(3);
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
