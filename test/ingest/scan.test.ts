import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Canonical } from '../../src/ingest/canonical.ts';
import { canonicalise } from '../../src/ingest/canonicalise.ts';
import { createScan } from '../../src/ingest/scan.ts';
import { canonicalMs } from '../../src/ingest/timestamp.ts';
import { textOf } from './harness.ts';

const scan = createScan();
const NOW_MS = Date.parse('2026-01-02T03:04:05.678Z');

/** A record with its text as text, unparsed. */
const plain = (record: Canonical) => ({
  ...record,
  head: textOf(record).slice(0, -1),
  from: 0,
  to: 0,
  value: undefined,
  ticket: undefined,
});

/** What the slow path makes of a line; `undefined` where it refuses or has to change something. */
function bySlowPath(text: string) {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return undefined;
  const canonical = canonicalise({ value: value as never, text, receivedMs: NOW_MS }, {});
  return canonical?.head === text.slice(0, -1) && canonical.flags === '' ? plain(canonical) : undefined;
}

function scanText(text: string, before = '', after = '\n') {
  const bytes = Buffer.from(`${before}${text}${after}`);
  if (!scan.load(bytes, NOW_MS)) return undefined;
  const from = Buffer.byteLength(before);
  const record = scan.read(from, from + Buffer.byteLength(text));
  return record && plain(record);
}

const record = (fields: object = {}) => ({
  source: 'queue-service',
  timestamp: '2026-01-02T03:04:05.678Z',
  type: 'event',
  ...fields,
});

describe('scan reads the envelope of a canonical record', () => {
  test.each([
    ['the least', record()],
    ['ids', record({ trace_id: 'a'.repeat(32), span_id: '0123456789abcdef', job_id: 'job-1', seq: 7 })],
    ['a level', record({ data: { level: 'ERROR', message: 'x' } })],
    ['a level that no event has', { ...record({ data: { level: 'error' } }), type: 'metric' }],
    ['a job id in data', record({ data: { job_id: 'a' } })],
    ['a job id in the context', record({ data: { context: { job_id: 'b', x: [1, { y: null }] } } })],
    ['a job id in the tags', record({ data: { tags: { job_id: 'c' }, context: 'none' } })],
    [
      'all three, nearest first',
      record({ data: { tags: { job_id: 'c' }, context: { job_id: 'b' }, job_id: 'a' } }),
    ],
    ['a host', record({ host: { any: 'thing' } })],
    ['unknown fields', record({ x: [true, false, null, -1.5e-7, 0, ''], y: { deep: [[[]]] }, ts_us: 1 })],
    [
      'text beyond ASCII',
      record({ source: 'dépôt-東京', data: { message: 'größer 🎉 \u0007 "quoted" \\ /' } }),
    ],
    ['a data that is empty', record({ data: {} })],
  ])('%s', (_, value) => {
    const text = JSON.stringify(value);
    const expected = bySlowPath(text);
    expect(expected).toBeDefined();
    expect(scanText(text)).toEqual(expected);
    expect(scanText(text, '{"x":1}\n', '')).toEqual(expected);
  });

  test('white space between tokens', () => {
    const text =
      '{ "source" : "a" ,\t"timestamp":"2026-01-02T03:04:05.678Z", "type" :"event", "data" : { } }';
    expect(scanText(text)).toEqual(bySlowPath(text));
    expect(scanText(text)?.source).toBe('a');
  });
});

describe('scan leaves to the slow path', () => {
  test.each([
    ['a missing source', '{"timestamp":"2026-01-02T03:04:05.678Z","type":"event"}'],
    ['a source of 129 characters', JSON.stringify(record({ source: 'x'.repeat(129) }))],
    ['a source with a control character', JSON.stringify(record({ source: 'a\u0000b' }))],
    ['a timestamp with an offset', JSON.stringify(record({ timestamp: '2026-01-02T03:04:05.678+01:00' }))],
    ['a day that is not in the calendar', JSON.stringify(record({ timestamp: '2026-02-30T03:04:05.678Z' }))],
    ['a numeric timestamp', JSON.stringify(record({ timestamp: 1 }))],
    ['an upper-case trace id', JSON.stringify(record({ trace_id: 'A'.repeat(32) }))],
    ['a trace id of zeros', JSON.stringify(record({ trace_id: '0'.repeat(32) }))],
    ['a numeric job id', JSON.stringify(record({ data: { job_id: 5 } }))],
    ['a negative seq', JSON.stringify(record({ seq: -1 }))],
    ['data that is a list', JSON.stringify(record({ data: [1] }))],
    ['an id of its own', JSON.stringify(record({ id: 'mine' }))],
    ['top-level tags', JSON.stringify(record({ tags: {} }))],
    [
      'a repeated member',
      '{"source":"a","source":"b","timestamp":"2026-01-02T03:04:05.678Z","type":"event"}',
    ],
    ['an escaped key', '{"s\\u006furce":"a","timestamp":"2026-01-02T03:04:05.678Z","type":"event"}'],
    ['depth over 32', JSON.stringify(record({ x: JSON.parse('['.repeat(40) + ']'.repeat(40)) }))],
    ['a trailing comma', '{"source":"a","timestamp":"2026-01-02T03:04:05.678Z","type":"event",}'],
    [
      'a bare number with a leading zero',
      '{"source":"a","timestamp":"2026-01-02T03:04:05.678Z","type":"event","x":01}',
    ],
    [
      'a raw control character',
      `{"source":"a","timestamp":"2026-01-02T03:04:05.678Z","type":"event","x":"\u0001"}`,
    ],
    ['something after the object', '{"source":"a","timestamp":"2026-01-02T03:04:05.678Z","type":"event"} x'],
    ['nothing', ''],
  ])('%s', (_, text) => {
    expect(scanText(text)).toBeUndefined();
  });
});

/** Values that matter to the envelope, next to ones that do not. */
const scalar = fc.oneof(
  fc.constantFrom(
    'event',
    'metric',
    'error',
    'WARNING',
    '',
    'a'.repeat(32),
    'ABCDEF0123456789',
    '0123456789abcdef',
  ),
  fc.constantFrom('2026-01-02T03:04:05.678Z', '2026-13-02T03:04:05.678Z', '2026-01-02T03:04:60.678Z'),
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
  fc.boolean(),
  fc.constant(null),
);
const key = fc.constantFrom(
  'source',
  'type',
  'timestamp',
  'trace_id',
  'span_id',
  'job_id',
  'seq',
  'data',
  'level',
  'context',
  'tags',
  'host',
  'id',
  'received_at',
  'x',
  '__proto__',
  'constructor',
);
const { tree } = fc.letrec((tie) => ({
  tree: fc.oneof({ maxDepth: 4 }, scalar, fc.array(tie('tree'), { maxLength: 3 }), tie('object')),
  object: fc.dictionary(key, tie('tree'), { maxKeys: 6 }),
}));
const loose = fc.dictionary(key, tree, { maxKeys: 8 });
const likely = fc.record(
  {
    source: fc.string({ minLength: 1, maxLength: 12 }),
    timestamp: fc.constant('2026-01-02T03:04:05.678Z'),
    type: fc.constantFrom('event', 'span'),
  },
  { requiredKeys: ['source', 'timestamp', 'type'] },
);
const records = fc
  .tuple(loose, likely, fc.boolean())
  .map(([a, b, isLikely]) => (isLikely ? { ...a, ...b } : a));

describe('scan never contradicts JSON.parse and the slow path', () => {
  test('on records', () => {
    fc.assert(
      fc.property(records, fc.constantFrom(undefined, 1), (value, indent) => {
        const text = JSON.stringify(value, null, indent).replaceAll('\n', ' ');
        const scanned = scanText(text);
        if (scanned !== undefined) expect(scanned).toEqual(bySlowPath(text));
      }),
      { numRuns: 20_000 },
    );
  });

  test('on records with a byte changed, cut out or doubled', () => {
    const mutation = fc.record({
      at: fc.nat(400),
      byte: fc.constantFrom(...'{}[]",:\\0-+.eE \t\rntfu\u0000\u0080'),
      kind: fc.nat(2),
    });
    fc.assert(
      fc.property(records, fc.array(mutation, { minLength: 1, maxLength: 3 }), (value, mutations) => {
        let text = JSON.stringify(value);
        for (const { at, byte, kind } of mutations) {
          const i = at % text.length;
          if (kind === 0) text = text.slice(0, i) + byte + text.slice(i + 1);
          else
            text = text.slice(0, i) + (kind === 1 ? '' : text[i]) + text.slice(i + 1 - (kind === 1 ? 0 : 1));
        }
        // Half a surrogate pair is no text that bytes could spell.
        fc.pre(Buffer.from(text).toString() === text);
        const scanned = scanText(text);
        if (scanned !== undefined) expect(scanned).toEqual(bySlowPath(text));
      }),
      { numRuns: 20_000 },
    );
  });

  test('on values of members that it does not know', () => {
    const text = fc.oneof(
      fc.json(),
      fc.string({ unit: fc.constantFrom(...'{}[]",:\\u0123aF-+.eE truefalsn \t'), maxLength: 30 }),
    );
    fc.assert(
      fc.property(text, (json) => {
        const scanned = scanText(`{${JSON.stringify(record()).slice(1, -1)},"x":${json}}`);
        if (scanned !== undefined) expect(() => JSON.parse(json)).not.toThrow();
      }),
      { numRuns: 20_000 },
    );
  });

  test('whatever was read before: tens of thousands of ids share its tables', () => {
    const hex = (n: number, length: number) => n.toString(16).padStart(length, '0');
    for (let n = 1; n < 30_000; n++) {
      const text = JSON.stringify({
        source: `service-${n % 5000}`,
        timestamp: '2026-01-02T03:04:05.678Z',
        type: `type-${n % 3000}`,
        trace_id: hex(n * 7919, 32),
        span_id: hex(n, 16),
        data: { level: n % 2 ? 'info' : `level-${n % 900}`, job_id: `job-${n % 20_000}` },
      });
      const scanned = scanText(text);
      // No `expect` a turn: it would take a minute.
      if (JSON.stringify(scanned) !== JSON.stringify(bySlowPath(text)))
        expect(scanned).toEqual(bySlowPath(text));
      if (scanned === undefined) throw new Error(`not scanned: ${text}`);
    }
  });

  test('a record that it leaves alone leaves nothing wrong behind', () => {
    const long = JSON.stringify(record({ source: 'new-source', job_id: 'x'.repeat(200) }));
    expect(scanText(long)).toBeUndefined();
    const text = JSON.stringify(record({ source: 'new-source', trace_id: 'A'.repeat(32) }));
    expect(scanText(text)).toBeUndefined();
    expect(scanText(JSON.stringify(record({ source: 'new-source' })))?.source).toBe('new-source');
  });

  test('timestamps of other minutes, good and bad, in whatever order', () => {
    const anyTime = fc
      .tuple(
        fc.constantFrom(
          '2025-10-20T10:30:',
          '2025-10-20T10:31:',
          '2025-02-30T10:30:',
          '0000-01-01T00:00:',
          'x',
        ),
        fc.constantFrom('00', '59', '45', '60', '4x', '9', ' 1'),
        fc.constantFrom('.000Z', '.123Z', '.12xZ', ',123Z', '.123z', 'Z', '.1234Z'),
      )
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(fc.array(anyTime, { maxLength: 10 }), (times) => {
        for (const timestamp of times) {
          const expected = canonicalMs(timestamp);
          const timeMs = scanText(JSON.stringify(record({ timestamp })))?.timeMs ?? Number.NaN;
          expect(timeMs).toBe(expected);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
