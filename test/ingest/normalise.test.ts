import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { BehaviorSubject, Subject, VirtualTimeScheduler } from 'rxjs';
import { type NormaliseOptions, normalise } from '../../src/ingest/normalise.ts';
import type { Frame } from '../../src/ingest/record.ts';
import { createScan } from '../../src/ingest/scan.ts';
import { jsonOf, type Message, recordOf } from '../../src/message.ts';

const NOW_MS = Date.parse('2026-01-02T03:04:05.678Z');
const NOW = '2026-01-02T03:04:05.678Z';
const BASE = { source: 's', timestamp: NOW, type: 'event' };
const scan = createScan();

const byText = (text: string): Frame => ({ value: JSON.parse(text), text, receivedMs: NOW_MS });
/** As the decoder does it: the scan's envelope where it has one. */
function byScan(text: string): Frame {
  const bytes = Buffer.from(text);
  return (scan.load(bytes, NOW_MS) && scan.read(0, bytes.length)) || byText(text);
}

function normaliser(options: Partial<NormaliseOptions> = {}) {
  const scheduler = new VirtualTimeScheduler();
  scheduler.now = () => NOW_MS;
  const frame$ = new Subject<Frame>();
  const options$ = new BehaviorSubject<NormaliseOptions>({ host: '', tags: {}, ...options });
  const messages: Message[] = [];
  const counted: string[] = [];
  const logged: string[] = [];
  const log = {
    debug: (fields: object) => logged.push(`debug ${JSON.stringify(fields)}`),
    info() {},
    warn: (fields: object) => logged.push(`warn ${JSON.stringify(fields)}`),
    error() {},
  };
  const counters = {
    received: (source: string, type: string) => counted.push(`${source} ${type}`),
    rejected: (reason: string) => counted.push(reason),
    batched() {},
    added() {},
    operatorFailed() {},
  };
  frame$
    .pipe(normalise(options$, { scheduler, log, counters, random: () => 0.25 }))
    .subscribe((message) => messages.push(message));
  return { frame$, options$, messages, counted, logged };
}

function delivered(frame: Frame, options: Partial<NormaliseOptions> = {}) {
  const { frame$, messages } = normaliser(options);
  frame$.next(frame);
  return messages[0] === undefined ? undefined : jsonOf(messages[0]);
}
const deliveredOf = (record: object, options: Partial<NormaliseOptions> = {}) =>
  JSON.parse(delivered(byScan(JSON.stringify({ ...BASE, ...record })), options) ?? 'null');

describe('normalise', () => {
  test('makes a message of a frame and counts it', () => {
    const { frame$, messages, counted } = normaliser();
    const record = {
      ...BASE,
      trace_id: 'a'.repeat(32),
      span_id: 'b'.repeat(16),
      job_id: 'j',
      seq: 4,
      data: { level: 'fatal' },
    };
    frame$.next(byScan(JSON.stringify(record)));
    expect(messages[0]).toMatchObject({
      source: 's',
      type: 'event',
      timeMs: NOW_MS,
      receivedMs: NOW_MS,
      traceId: record.trace_id,
      spanId: record.span_id,
      jobId: 'j',
      seq: 4,
      severity: 6,
    });
    expect(recordOf(messages[0]!)).toEqual(record);
    expect(messages[0]?.bytes).toBe(Buffer.byteLength(jsonOf(messages[0]!)) + 1);
    expect(counted).toEqual(['s event']);
  });

  test('counts what is against the rules, and goes on', () => {
    const { frame$, messages, counted } = normaliser();
    for (const text of ['{}', '{"source":"s"}', JSON.stringify(BASE)]) frame$.next(byText(text));
    expect(counted).toEqual(['schema', 'schema', 's event']);
    expect(messages).toHaveLength(1);
  });

  test('says what a record lacks: as a warning once in ten seconds', () => {
    const { frame$, logged } = normaliser();
    for (const over of [
      { source: undefined },
      { source: '' },
      { type: undefined },
      { type: 'x'.repeat(65) },
      { data: [] },
    ]) {
      frame$.next(byText(JSON.stringify({ ...BASE, ...over })));
    }
    const causes = [
      'it has no source',
      'its source is not 1 to 128 printable characters',
      'it has no type',
      'its type is not 1 to 64 printable characters',
      'its data is not an object',
    ];
    expect(logged).toEqual(
      causes.map((cause, at) => `${at === 0 ? 'warn' : 'debug'} {"reason":"schema","cause":"${cause}"}`),
    );
  });

  test('flags a time over 24 hours off, in either direction', () => {
    const at = (ms: number) => deliveredOf({ timestamp: new Date(NOW_MS + ms).toISOString() }).ts_skewed;
    expect([-86_400_001, -86_400_000, 0, 86_400_000, 86_400_001].map(at)).toEqual([
      true,
      undefined,
      undefined,
      undefined,
      true,
    ]);
    expect(deliveredOf({ timestamp: 'x' })).toMatchObject({ ts_adjusted: true, timestamp: NOW });
  });

  test('lifts a job id', () => {
    expect(deliveredOf({ data: { context: { job_id: 'a"b' } } }).job_id).toBe('a"b');
  });

  test("adds host and tags; the record's own win", () => {
    const options = { host: 'h"1', tags: { env: 'prod' } };
    expect(deliveredOf({}, options)).toMatchObject(options);
    expect(deliveredOf({ host: 'mine', tags: { env: 'dev', x: 1 } }, options)).toMatchObject({
      host: 'mine',
      tags: { env: 'dev', x: 1 },
    });
    expect(deliveredOf({ host: null, tags: null }, options)).toMatchObject({ host: null, tags: null });
    expect(Object.keys(deliveredOf({}))).toEqual(['source', 'timestamp', 'type', 'id', 'received_at']);
  });

  test('takes new options with the next frame, and goes on with its ids', () => {
    const { frame$, options$, messages } = normaliser();
    frame$.next(byScan(JSON.stringify(BASE)));
    options$.next({ host: 'new', tags: {} });
    frame$.next(byScan(JSON.stringify(BASE)));
    const [first, second] = messages.map((message) => JSON.parse(jsonOf(message)));
    expect([first.host, second.host]).toEqual([undefined, 'new']);
    expect(second.id > first.id).toBe(true);
  });

  test('delivers numbers as they were sent, however large or fine', () => {
    const numbers =
      '"data":{"n":12345678901234567890,"f":0.1000000000000000055511151231257827,"e":1e400,"z":-0,"o":1.0}';
    for (const timestamp of [`"${NOW}"`, '1760956245']) {
      const text = `{"source":"s","timestamp":${timestamp},"type":"metric",${numbers}}`;
      expect(delivered(byScan(text))).toContain(numbers);
    }
  });
});

const text = fc.string({ unit: 'grapheme', maxLength: 20 });
const time = fc.oneof(
  fc.constant(NOW),
  fc.constantFrom('2026-01-02T04:04:05.678901+01:00', 1_767_323_045, 'x', null, '2020-01-01T00:00:00.000Z'),
);
const anyRecord = fc
  .record(
    {
      source: fc.constantFrom('queue', 'dépôt-東京 🎉'),
      type: fc.constantFrom('event', 'metric', 'own'),
      timestamp: time,
      trace_id: fc.constantFrom('a'.repeat(32), 'A'.repeat(32), 'odd', '', null),
      span_id: fc.constantFrom('b'.repeat(16), 'odd', 5),
      job_id: fc.oneof(text, fc.constant(7)),
      seq: fc.integer(),
      host: text,
      tags: fc.oneof(fc.dictionary(text, text), fc.constant('none')),
      id: fc.jsonValue(),
      ts_skewed: fc.boolean(),
      data: fc.dictionary(
        fc.oneof(text, fc.constantFrom('level', 'job_id', 'context', 'tags')),
        fc.jsonValue(),
      ),
      extra: fc.jsonValue(),
      ['__proto__' as string]: fc.jsonValue(),
    },
    { requiredKeys: ['source', 'type'] },
  )
  .map((record) => JSON.stringify(record));
const anyOptions = fc.record({
  host: fc.constantFrom('', 'h"1'),
  tags: fc.constantFrom<Record<string, string>>({}, { env: 'prod', zone: 'z' }),
});
/** What only the sidecar says, and what it may put in order. */
const TOUCHED = [
  'id',
  'received_at',
  'ts_adjusted',
  'ts_skewed',
  'ids_nonstandard',
  'sent_id',
  'timestamp',
  'ts_us',
  'trace_id',
  'span_id',
  'job_id',
  'host',
  'tags',
];
const untouched = (value: object) =>
  Object.fromEntries(Object.entries(value).filter(([key]) => !TOUCHED.includes(key)));

describe('on random records', () => {
  test('what is delivered is what was sent and what the sidecar adds', () => {
    fc.assert(
      fc.property(anyRecord, anyOptions, (sentText, options) => {
        const sent = JSON.parse(sentText);
        const json = delivered(byScan(sentText), options) ?? '';
        const value = JSON.parse(json);
        expect(untouched(value)).toEqual(untouched(sent));
        expect(value.timestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
        expect(value.id).toMatch(/^[0-9a-f-]{36}$/);
        expect(value.received_at).toBe(NOW);
        expect(value.sent_id).toEqual(sent.id);
        expect(value.host ?? '').toBe(sent.host ?? options.host);
        const ownTags = typeof sent.tags === 'string' ? sent.tags : { ...options.tags, ...sent.tags };
        expect(value.tags ?? {}).toEqual(ownTags);
        // No member twice.
        const keys = [...json.matchAll(/"(id|received_at|timestamp|job_id|host|tags|ts_\w+|ids_\w+)":/g)];
        expect(keys.length).toBeGreaterThanOrEqual(3);
      }),
      { numRuns: 2000 },
    );
  });

  test('the fast and the slow way deliver the same, to the byte', () => {
    fc.assert(
      fc.property(anyRecord, anyOptions, (sentText, options) => {
        expect(delivered(byScan(sentText), options)).toBe(delivered(byText(sentText), options));
      }),
      { numRuns: 2000 },
    );
  });

  test('a message says the same as its text', () => {
    fc.assert(
      fc.property(anyRecord, (sentText) => {
        const { frame$, messages } = normaliser();
        frame$.next(byScan(sentText));
        const [message] = messages;
        const value = JSON.parse(jsonOf(message!));
        expect([message?.source, message?.type, message?.id]).toEqual([value.source, value.type, value.id]);
        expect(message?.timeMs).toBe(Date.parse(value.timestamp));
        expect([message?.traceId, message?.spanId, message?.jobId]).toEqual([
          value.trace_id ?? '',
          value.span_id ?? '',
          value.job_id ?? '',
        ]);
        expect(message?.bytes).toBe(Buffer.byteLength(jsonOf(message!)) + 1);
      }),
      { numRuns: 1000 },
    );
  });
});
