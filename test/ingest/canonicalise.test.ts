import { describe, expect, test } from '@jest/globals';
import type { Canonical } from '../../src/ingest/canonical.ts';
import { canonicalise } from '../../src/ingest/canonicalise.ts';

const NOW = '2026-01-02T03:04:05.678Z';
const BASE = { source: 's', timestamp: NOW, type: 'event' };
const TRACE = 'a'.repeat(32);

const ofText = (text: string, tags: Record<string, string> = {}) =>
  canonicalise({ value: JSON.parse(text), text, receivedMs: Date.parse(NOW) }, tags);
const of = (fields: object, tags: Record<string, string> = {}) =>
  ofText(JSON.stringify({ ...BASE, ...fields }), tags);
const textOf = (canonical: Canonical | undefined) => (canonical ? `${canonical.head}}` : '');
/** What `fields` became; the rest of the record is as it was. */
const sentOf = (fields: object, tags: Record<string, string> = {}) => {
  const { source, type, ...rest } = JSON.parse(textOf(of(fields, tags)) || '{}');
  return rest.timestamp === NOW
    ? Object.fromEntries(Object.entries(rest).filter(([key]) => key !== 'timestamp'))
    : rest;
};

describe('a record is refused', () => {
  test.each([
    ['without a source', { source: undefined }],
    ['with an empty source', { source: '' }],
    ['with a source that is no text', { source: 5 }],
    ['with a source of 129 characters', { source: 'x'.repeat(129) }],
    ['with a line break in its source', { source: 'a\nb' }],
    ['with a line separator in its source', { source: 'a\u2028b' }],
    ['with a direction mark in its source', { source: 'a\u202eb' }],
    ['without a type', { type: undefined }],
    ['with an empty type', { type: '' }],
    ['with a type of 65 characters', { type: 'x'.repeat(65) }],
    ['with a type that is no text', { type: ['event'] }],
    ['with data that is a list', { data: [] }],
    ['with data that is a text', { data: 'x' }],
  ])('%s', (_, fields) => {
    expect(of(fields)).toBeUndefined();
  });
});

test('a canonical record is the identical text, parsed once', () => {
  const text = JSON.stringify({ ...BASE, data: { level: 'warn' }, seq: 3, x: { big: 1 } });
  const value = JSON.parse(text);
  const canonical = canonicalise({ value, text, receivedMs: 0 }, { env: 'prod' });
  expect(textOf(canonical)).toBe(text);
  expect(canonical?.value).toBe(value);
  expect(canonical).toMatchObject({
    flags: '',
    severity: 4,
    seq: 3,
    hasTags: false,
    timeMs: Date.parse(NOW),
  });
});

test('128 characters of any script are a source', () => {
  expect(of({ source: '東'.repeat(128) })?.source).toBe('東'.repeat(128));
  expect(of({ source: '🎉'.repeat(128), type: 'own type' })?.type).toBe('own type');
});

describe('the time', () => {
  test('becomes canonical, with what is finer than milliseconds in ts_us', () => {
    const timestamp = '2026-01-02T04:04:05.678901+01:00';
    const us = Date.parse(NOW) * 1000 + 901;
    expect(sentOf({ timestamp })).toEqual({ ts_us: us });
    expect(sentOf({ timestamp, ts_us: 5 })).toEqual({ ts_us: 5 });
    expect(of({ timestamp })).toMatchObject({ flags: '', timeMs: Date.parse(NOW) });
  });

  test.each([undefined, null, 'now', -1, {}])("%j is the server's, and flagged", (timestamp) => {
    expect(of({ timestamp })).toMatchObject({
      flags: ',"ts_adjusted":true',
      timeMs: Date.parse(NOW),
    });
    expect(sentOf({ timestamp })).toEqual({});
  });
});

describe('ids', () => {
  test.each([
    [
      'standard ones',
      { trace_id: TRACE, span_id: '0123456789abcdef' },
      { trace_id: TRACE, span_id: '0123456789abcdef' },
      '',
    ],
    ['upper case', { trace_id: TRACE.toUpperCase() }, { trace_id: TRACE }, ''],
    ['of zeros', { trace_id: '0'.repeat(32) }, { trace_id: '0'.repeat(32) }, 'x'],
    ['others', { trace_id: 'My-Trace', span_id: 'S' }, { trace_id: 'My-Trace', span_id: 'S' }, 'x'],
    ['of 64 characters', { trace_id: 'x'.repeat(64) }, { trace_id: 'x'.repeat(64) }, 'x'],
    ['of 65 characters', { trace_id: 'x'.repeat(65) }, {}, 'x'],
    ['that are no text', { span_id: 5 }, {}, 'x'],
    ['empty ones', { trace_id: '', span_id: null }, {}, ''],
  ])('%s', (_, fields, expected, flagged) => {
    expect(sentOf(fields)).toEqual(expected);
    const canonical = of(fields);
    expect(canonical?.flags).toBe(flagged === '' ? '' : ',"ids_nonstandard":true');
    expect({ trace_id: canonical?.traceId, span_id: canonical?.spanId }).toEqual({
      trace_id: '',
      span_id: '',
      ...expected,
    });
  });

  test.each([
    ['its own', { job_id: 'a', data: { job_id: 'b' } }, 'a', false],
    ['a number', { job_id: 5 }, '5', false],
    ['that of its data', { data: { job_id: 'b', context: { job_id: 'c' } } }, 'b', true],
    ['that of its context', { data: { context: { job_id: 'c' }, tags: { job_id: 'd' } } }, 'c', true],
    ['that of its tags', { data: { context: [], tags: { job_id: 'd' } } }, 'd', true],
    ['a number in its data', { data: { job_id: 7 } }, '7', true],
    ['that of its data where its own is empty', { job_id: '', data: { job_id: 'b' } }, 'b', false],
    [
      'that of its data where its own is too long',
      { job_id: 'x'.repeat(257), data: { job_id: 'b' } },
      'b',
      false,
    ],
    ['none', { data: { job_id: {} } }, '', false],
  ])('a job is %s', (_, fields, jobId, jobIdLifted) => {
    const canonical = of(fields);
    expect(canonical).toMatchObject({ jobId, jobIdLifted });
    expect(JSON.parse(textOf(canonical)).job_id).toBe(jobIdLifted || jobId === '' ? undefined : jobId);
  });
});

describe("the sidecar's own members", () => {
  test('are taken out, and the id is kept as sent_id', () => {
    const own = { id: 'mine', received_at: 'x', ts_adjusted: false, ts_skewed: 1, ids_nonstandard: null };
    expect(sentOf({ ...own, x: 1 })).toEqual({ sent_id: 'mine', x: 1 });
  });

  test('an id is kept digit for digit', () => {
    expect(textOf(ofText(`{"source":"s","type":"t","id":12345678901234567890,"timestamp":"${NOW}"}`))).toBe(
      `{"source":"s","type":"t","timestamp":"${NOW}","sent_id":12345678901234567890}`,
    );
  });

  test('an escaped one is found too', () => {
    expect(textOf(ofText(`{"source":"s","type":"t","\\u0069d":"x","timestamp":"${NOW}"}`))).toContain(
      '"sent_id":"x"',
    );
  });
});

describe('tags', () => {
  const TAGS = { env: 'prod', zone: 'z1' };

  test('of its own win key by key, digit for digit', () => {
    const text = `{"source":"s","timestamp":"${NOW}","type":"t","tags":{"env":"dev","n":12345678901234567890}}`;
    const canonical = ofText(text, TAGS);
    expect(textOf(canonical)).toContain('"tags":{"env":"dev","n":12345678901234567890,"zone":"z1"}');
    expect(canonical?.hasTags).toBe(true);
  });

  test('that are no map stay as they are', () => {
    for (const tags of ['x', null, [1]]) expect(sentOf({ tags }, TAGS)).toEqual({ tags });
  });

  test('that say it all, and none to add', () => {
    expect(sentOf({ tags: { ...TAGS, more: 1 } }, TAGS)).toEqual({ tags: { ...TAGS, more: 1 } });
    expect(sentOf({ tags: { a: 1 } })).toEqual({ tags: { a: 1 } });
    expect(of({}, TAGS)?.hasTags).toBe(false);
  });
});

test('of a repeated member the last one is delivered, once', () => {
  const text = `{"source":"a","x":1,"source":"b","timestamp":"${NOW}","type":"t","x":2}`;
  expect(ofText(text)).toMatchObject({
    head: `{"source":"b","x":2,"timestamp":"${NOW}","type":"t"`,
    source: 'b',
  });
});

test('a __proto__ is a member like any other', () => {
  const text = `{"__proto__":{"source":"x"},"source":"s","type":"t","timestamp":5,"data":{"__proto__":{"level":"x"}}}`;
  const canonical = ofText(text, { __proto__: 'x' } as never);
  expect(textOf(canonical)).toContain('"__proto__":{"source":"x"}');
  expect(canonical?.source).toBe('s');
  expect(ofText(`{"__proto__":{"source":"x","type":"t"}}`)).toBeUndefined();
  expect(({} as { level?: string }).level).toBeUndefined();
});
