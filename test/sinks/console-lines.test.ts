import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Json, JsonObject, MessageFields } from '../../src/message.ts';
import { lineOf } from '../../src/sinks/console/line.ts';
import { colours, plain } from '../../src/sinks/console/paint.ts';
import { clipped, visible, visibleJson } from '../../src/visible.ts';
import { message } from './support.ts';

const line = (fields: Partial<MessageFields>, data: JsonObject) => lineOf(message(fields, data), plain);
/** All that a terminal acts on or hides. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;

describe('a line for people', () => {
  const ids = { jobId: 'job-12345', traceId: 'abcd1234ffffffffffffffffffffffff' };

  test.each<[string, Partial<MessageFields>, JsonObject, string]>([
    [
      'event',
      { source: 'queue-service', severity: 5, ...ids },
      { level: 'error', message: 'cannot dequeue', context: { queue: 'in', tries: 3, last: null } },
      '10:30:45.123 ERROR    queue-service  cannot dequeue  queue=in tries=3 last=null job=job-12345 trace=abcd1234',
    ],
    ['event without level', {}, { message: 'hello' }, '10:30:45.123 EVENT    web  hello'],
    [
      'exception',
      { severity: 6 },
      {
        message: 'died',
        exception: { type: 'IOError', message: 'disk gone', stacktrace: 'x\ny' },
        logger: 'main',
      },
      '10:30:45.123 FATAL    web  died  logger=main exception="IOError disk gone"',
    ],
    [
      'metric',
      { type: 'metric' },
      { name: 'rows_loaded', value: 10_000, unit: 'count', tags: { table: 'jobs' } },
      '10:30:45.123 METRIC   web  rows_loaded 10000 count  table=jobs',
    ],
    [
      'progress',
      { type: 'progress', ...ids },
      { job_id: 'job-12345', percent: 45, status: 'loading', current: 12, total: 200 },
      '10:30:45.123 PROGRESS web  45% loading 12/200  job=job-12345 trace=abcd1234',
    ],
    [
      'resource',
      { type: 'resource' },
      { cpu: 12.5, memory: 512, disk: { read: 1 }, network: 3, pid: 42 },
      '10:30:45.123 RESOURCE web  cpu=12.5% memory=512MB disk={"read":1} network=3MB pid=42',
    ],
    [
      'start of a span',
      { type: 'span' },
      { phase: 'start', name: 'load_data', parent_span_id: 'aa' },
      '10:30:45.123 SPAN     web  load_data started  parent_span_id=aa',
    ],
    [
      'end of a span',
      { type: 'span' },
      {
        phase: 'end',
        name: 'load_data',
        start_us: 1,
        duration_us: 45_200_000,
        status: 'ok',
        attributes: { rows: 7 },
      },
      '10:30:45.123 SPAN     web  load_data ok 45.2s  rows=7',
    ],
    [
      'failed span',
      { type: 'span' },
      { phase: 'end', name: 'x', duration_us: 850, status: 'error', status_message: 'no table' },
      '10:30:45.123 SPAN     web  x error 850µs no table',
    ],
    ['unknown type', { type: 'audit' }, { who: 'me', ok: true }, '10:30:45.123 AUDIT    web  who=me ok=true'],
    ['nothing', { type: 'metric' }, {}, '10:30:45.123 METRIC   web'],
  ])('%s', (_, fields, data, expected) => expect(line(fields, data)).toBe(expected));

  test.each([
    [0, '0µs'],
    [999, '999µs'],
    [1_000, '1.0ms'],
    [12_345, '12.3ms'],
    [999_949, '999.9ms'],
    [999_950, '1.0s'],
    [59_949_999, '59.9s'],
    [59_950_000, '1m00s'],
    [725_000_000, '12m05s'],
  ])('%d microseconds are %s', (us, text) => {
    expect(line({ type: 'span' }, { phase: 'end', name: 'x', duration_us: us })).toMatch(
      new RegExp(`  x ${text}$`),
    );
  });

  test.each<[Json, string]>([
    ['plain', 'k=plain'],
    ['two words', 'k="two words"'],
    ['', 'k=""'],
    ['a=b', 'k="a=b"'],
    ['say "hi"', 'k="say \\"hi\\""'],
    ['a\nb', 'k="a\\nb"'],
    ['a\u00a0b', 'k="a\u00a0b"'],
    [true, 'k=true'],
    [1.5, 'k=1.5'],
    [[1, { a: 'b' }], 'k=[1,{"a":"b"}]'],
  ])('the value %j', (value, text) =>
    expect(line({}, { context: { k: value } })).toBe(`10:30:45.123 EVENT    web  ${text}`),
  );

  test('data of any shape', () => {
    for (const type of [
      'event',
      'metric',
      'progress',
      'resource',
      'span',
      '__proto__',
      'constructor',
      'toString',
    ]) {
      for (const value of [null, 1, 'x', true, [], [1], {}, { a: {} }] as const) {
        const data = Object.fromEntries(
          'level message context exception name value unit tags percent status current total phase duration_us attributes cpu'
            .split(' ')
            .map((key) => [key, value]),
        );
        expect(line({ type }, data)).toMatch(/^10:30:45\.123 \S+ +web/);
      }
    }
  });

  test('long texts, many pairs and long names are clipped', () => {
    const context = Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`k${n}`, 'v'.repeat(1_000)]));
    const text = line({ type: 'x'.repeat(1_000) }, {});
    expect(text.length).toBeLessThan(60);
    const event = line({}, { message: 'm'.repeat(1e6), context });
    expect(event).toMatch(/m… {2}k0=v+… .* k31=v+… … 18 more$/);
    expect(event.length).toBeLessThan(10_000);
  });

  test('colours mark level, source and keys', () => {
    const text = lineOf(message({ severity: 5 }, { message: 'no', context: { a: 1 } }), colours);
    expect(text).toMatch('\x1b[31mERROR   \x1b[39m');
    expect(text).toMatch('\x1b[1mweb\x1b[22m');
    expect(text).toMatch('\x1b[90ma=\x1b[39m1');
  });
});

describe('nothing a sender wrote reaches the terminal as it is', () => {
  test.each([
    ['\x1b[2J\x1b]0;owned\x07', '\\x1b[2J\\x1b]0;owned\\x07'],
    ['a\r\nb\tc', 'a\\r\\nb\\tc'],
    ['\x9b31m\x7f\0', '\\x9b31m\\x7f\\x00'],
    ['\u202egpj.exe\u2066', '\\u202egpj.exe\\u2066'],
    ['zero\u200bwidth\ufeff\u2028', 'zero\\u200bwidth\\ufeff\\u2028'],
    ['\u{e0041}\u{f0000}', '\\u{e0041}\\u{f0000}'],
    ['\ud800!', '\\ud800!'],
    ['für 日本 😀', 'für 日本 😀'],
  ])('%j is shown as %s', (text, shown) => expect(visible(text)).toBe(shown));

  const nasty = fc.string({
    unit: fc.constantFrom(
      '\x1b',
      '[',
      '\x9b',
      '\n',
      '\r',
      '\0',
      '\u202e',
      '\u2028',
      '\ud800',
      '\u{e0041}',
      'a',
      '"',
      '=',
    ),
    maxLength: 20,
  });
  const anyData = fc.dictionary(
    fc.oneof(
      nasty,
      fc.constantFrom('message', 'context', 'name', 'tags', 'status', 'exception', 'attributes', 'level'),
    ),
    fc.oneof(nasty, fc.dictionary(nasty, nasty), fc.array(nasty)),
  );

  test('whatever field it is in', () => {
    const types = fc.oneof(fc.constantFrom('event', 'metric', 'progress', 'resource', 'span'), nasty);
    fc.assert(
      fc.property(types, nasty, nasty, nasty, anyData, (type, source, jobId, traceId, data) => {
        expect(lineOf(message({ type, source, jobId, traceId }, data as JsonObject), plain)).not.toMatch(
          UNSAFE,
        );
      }),
      { numRuns: 1_000 },
    );
  });

  test('JSON on a terminal is the same JSON', () => {
    fc.assert(
      fc.property(anyData, fc.constantFrom('', ' ', '\t'), (data, indent) => {
        const json = JSON.stringify(data, null, indent).replaceAll('\n', '\r');
        expect(visibleJson(json)).not.toMatch(UNSAFE);
        expect(JSON.parse(visibleJson(json))).toEqual(JSON.parse(json));
      }),
      { numRuns: 1_000 },
    );
  });

  test('JSON escapes are those of JSON', () => {
    expect(visibleJson('{"a":"\u202e\x9b\u{e0041}ü"}')).toBe('{"a":"\\u202e\\u009b\\udb40\\udc41ü"}');
  });
});

test('clipping keeps what fits', () => {
  expect(clipped('abcd', 4)).toBe('abcd');
  expect(clipped('abcde', 4)).toBe('abc…');
});
