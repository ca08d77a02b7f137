import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Packr } from 'msgpackr/pack';
import { createScanner, MAX_DEPTH, MAX_ELEMENTS } from '../../src/ingest/msgpack-scan.ts';
import { transcribe } from '../../src/ingest/msgpack-text.ts';
import { cutAt, decodeAll } from './harness.ts';

const packr = new Packr({ useRecords: false, variableMapSize: true });
const pack = (value: unknown) => Buffer.from(packr.pack(value));

/** Bytes from hex and text, concatenated: `bytes('81', 'a1', 'k')` needs `"k"` written as `'"k'`. */
const bytes = (...parts: string[]) =>
  Buffer.concat(
    parts.map((part) =>
      part.startsWith('"') ? Buffer.from(part.slice(1)) : Buffer.from(part.replaceAll(' ', ''), 'hex'),
    ),
  );

/** `{"v": <value>}` around the hex of a value. */
const holding = (hex: string) => bytes('81 a1', '"v', hex);
const textOf = (hex: string) => {
  const { texts, rejected } = decodeAll([holding(hex)]);
  expect(rejected).toEqual([]);
  expect(texts).toHaveLength(1);
  return texts[0]!.slice('{"v":'.length, -1);
};

describe('values', () => {
  test('concatenated maps are records, their text written as JSON', () => {
    const { texts, parsed, rejected, completed } = decodeAll([
      Buffer.concat([pack({ a: 1 }), pack({ b: [true, null, 'é'] })]),
    ]);
    expect(texts).toEqual(['{"a":1}', '{"b":[true,null,"é"]}']);
    expect(parsed).toEqual([{ a: 1 }, { b: [true, null, 'é'] }]);
    expect([rejected, completed]).toEqual([[], true]);
  });

  test.each([
    ['the largest exact integer', 'cf 001fffffffffffff', '9007199254740991'],
    ['2^53 + 1', 'cf 0020000000000001', '9007199254740993'],
    ['the largest uint64', 'cf ffffffffffffffff', '18446744073709551615'],
    ['the smallest int64', 'd3 8000000000000000', '-9223372036854775808'],
    ['-2^53 - 1', 'd3 ffdfffffffffffff', '-9007199254740993'],
    ['-1 as int64', 'd3 ffffffffffffffff', '-1'],
    ['uint8', 'cc ff', '255'],
    ['uint16', 'cd ffff', '65535'],
    ['uint32', 'ce ffffffff', '4294967295'],
    ['int8', 'd0 80', '-128'],
    ['int16', 'd1 8000', '-32768'],
    ['int32', 'd2 80000000', '-2147483648'],
    ['a negative fixint', 'e0', '-32'],
    ['float 32', 'ca 3fc00000', '1.5'],
    ['float 64', 'cb 3ff199999999999a', '1.1'],
    ['NaN', 'cb 7ff8000000000000', '"NaN"'],
    ['NaN as float 32', 'ca 7fc00000', '"NaN"'],
    ['infinity', 'cb 7ff0000000000000', '"Infinity"'],
    ['-infinity as float 32', 'ca ff800000', '"-Infinity"'],
    ['a large float', 'cb 7fefffffffffffff', '1.7976931348623157e+308'],
    ['bin 8', 'c4 03 010203', '"base64:AQID"'],
    ['bin 16', 'c5 0001 ff', '"base64:/w=="'],
    ['bin 32', 'c6 00000000', '"base64:"'],
    ['nil', 'c0', 'null'],
    ['false', 'c2', 'false'],
    ['str 8', 'd9 01 78', '"x"'],
    ['str 16', 'da 0001 78', '"x"'],
    ['str 32', 'db 00000001 78', '"x"'],
    ['array 16', 'dc 0002 01 02', '[1,2]'],
    ['array 32', 'dd 00000001 c0', '[null]'],
    ['map 16', 'de 0001 a1 78 01', '{"x":1}'],
    ['map 32', 'df 00000001 a1 78 01', '{"x":1}'],
    ['an empty map and array', '92 80 90', '[{},[]]'],
    ['bytes that are not UTF-8', 'a3 61ff62', '"a\ufffdb"'],
    ['a surrogate in UTF-8', 'a3 eda080', '"\ufffd\ufffd\ufffd"'],
  ])('%s', (_, hex, text) => {
    expect(textOf(hex)).toBe(text);
  });

  test.each([
    ['32 bits', 'd6 ff 68f60f55', '2025-10-20T10:30:45Z'],
    ['64 bits, milliseconds', 'd7 ff 1d53530068f60f55', '2025-10-20T10:30:45.123Z'],
    ['64 bits, nanoseconds', 'd7 ff 1d6f345468f60f55', '2025-10-20T10:30:45.123456789Z'],
    ['96 bits', 'c7 0c ff 00000001 0000000068f60f55', '2025-10-20T10:30:45.000000001Z'],
    ['96 bits before 1970', 'c7 0c ff 00000000 ffffffffffffffff', '1969-12-31T23:59:59Z'],
  ])('a timestamp of %s', (_, hex, text) => {
    expect(textOf(hex)).toBe(`"${text}"`);
  });

  test.each([
    ['of another type', 'd5 05 0102', '"ext:5:base64:AQI="'],
    ['of a negative type', 'c7 01 fe 00', '"ext:-2:base64:AA=="'],
    ['that a reader might take for a record definition', 'd4 72 40', '"ext:114:base64:QA=="'],
    ['that a reader might take for a regular expression', 'c7 00 78', '"ext:120:base64:"'],
    ['that a reader might take for a pointer', 'd6 70 00000001', '"ext:112:base64:AAAAAQ=="'],
    ['ext 16', 'c8 0001 05 ff', '"ext:5:base64:/w=="'],
    ['ext 32', 'c9 00000001 05 ff', '"ext:5:base64:/w=="'],
    ['fixext 16', 'd8 05 00000000000000000000000000000000', '"ext:5:base64:AAAAAAAAAAAAAAAAAAAAAA=="'],
    [
      'a timestamp beyond the year 9999',
      'c7 0c ff 00000000 7fffffffffffffff',
      '"ext:-1:base64:AAAAAH//////////"',
    ],
    ['a timestamp with too many nanoseconds', 'd7 ff ffffffff00000000', '"ext:-1:base64://///wAAAAA="'],
    ['a timestamp of no known length', 'd5 ff 0001', '"ext:-1:base64:AAE="'],
  ])('an extension %s', (_, hex, text) => {
    expect(textOf(hex)).toBe(text);
  });

  test('keys that are not strings become strings', () => {
    const keys = [
      '05',
      'c0',
      'c3',
      'cb 3ff8000000000000',
      'cf ffffffffffffffff',
      'c4 01 00',
      'cb 7ff8000000000000',
    ];
    const { values } = decodeAll([bytes('87', ...keys.flatMap((key) => [key, '01']))]);
    expect(Object.keys(values[0] as object)).toEqual([
      '5',
      'null',
      'true',
      '1.5',
      '18446744073709551615',
      'base64:AA==',
      'NaN',
    ]);
  });

  test('a __proto__ key is a key like any other', () => {
    for (const header of ['a9', 'd9 09', 'da 0009']) {
      const { texts, parsed } = decodeAll([bytes('81', header, '"__proto__', '81 a1', '"p', 'c3')]);
      expect(texts).toEqual(['{"__proto__":{"p":true}}']);
      expect(Object.keys(parsed[0] as object)).toEqual(['__proto__']);
    }
    expect(({} as { p?: boolean }).p).toBeUndefined();
  });

  test('a key toJSON is data', () => {
    expect(decodeAll([pack({ toJSON: { a: 1 }, b: 2 })]).texts).toEqual(['{"toJSON":{"a":1},"b":2}']);
  });
});

describe('structure', () => {
  const good = pack({ good: 1 });
  const closedBy = (bad: Buffer, options = {}) => {
    const { texts, rejected, refused } = decodeAll([Buffer.concat([good, bad, good])], options);
    expect(texts).toEqual(['{"good":1}']);
    expect(refused).toBe(true);
    return rejected;
  };

  test.each([
    ['the byte that is never used', holding('c1'), 'msgpack'],
    ['a record that is no map', bytes('93 01 02 03'), 'msgpack'],
    ['JSON after MessagePack', Buffer.from('{"a":1}\n'), 'msgpack'],
    ['an array of 2^32 - 1 items', holding('dd ffffffff'), 'too_many'],
    ['a map of 2^32 - 1 entries', bytes('df ffffffff'), 'too_many'],
    ['arrays that are too many together', holding(`9f ${'dc ffff'.repeat(2)}`), 'too_many'],
    ['a string of 4 GiB', holding('db ffffffff'), 'too_large'],
    ['a bin of 4 GiB', holding('c6 ffffffff'), 'too_large'],
    ['an extension of 4 GiB', holding('c9 ffffffff 05'), 'too_large'],
    ['nesting of 100,000', holding('91'.repeat(100_000)), 'too_deep'],
    ['nesting of one too many', holding('91'.repeat(MAX_DEPTH)), 'too_deep'],
    ['nesting of one too many, empty', holding(`${'91'.repeat(MAX_DEPTH - 1)}90`), 'too_deep'],
  ])('%s closes', (_, bad, reason) => {
    expect(closedBy(bad)).toEqual([reason]);
  });

  test('the limits themselves are allowed', () => {
    const deep = holding(`${'91'.repeat(MAX_DEPTH - 2)}90`);
    const wide = Buffer.concat([holding('dc ffff'), Buffer.alloc(65_535)]);
    expect(decodeAll([deep, wide]).values).toHaveLength(2);
    expect(65_535 + 1).toBe(MAX_ELEMENTS);
  });

  test('a record of exactly max_frame passes, one byte more closes', () => {
    const sized = (n: number) =>
      bytes('81 a1', '"v', 'd9', (n - 5).toString(16).padStart(2, '0'), `"${'x'.repeat(n - 5)}`);
    expect(decodeAll([sized(100)], { maxFrameBytes: 100 }).texts).toHaveLength(1);
    expect(closedBy(sized(101), { maxFrameBytes: 100 })).toEqual(['too_large']);
    const many = bytes('81 a1', '"v', 'dc 0080', '00'.repeat(128));
    expect(closedBy(many, { maxFrameBytes: 100 })).toEqual(['too_large']);
  });

  test('a record with a map or an array as a key is discarded, its neighbours live', () => {
    for (const key of ['80', '91 01', 'dc 0000']) {
      const { texts, rejected, refused } = decodeAll([Buffer.concat([good, bytes('81', key, '01'), good])]);
      expect([texts.length, rejected, refused]).toEqual([2, ['msgpack'], false]);
    }
  });

  test('an incomplete last record is counted', () => {
    const { texts, rejected } = decodeAll([Buffer.concat([good, good.subarray(0, 3)])]);
    expect([texts.length, rejected]).toEqual([1, ['truncated']]);
  });

  test('a record of 1 MiB in pieces of one byte takes linear time', () => {
    const big = pack({ items: Array.from({ length: 50_000 }, (_, i) => `number ${i}`) });
    const { texts } = decodeAll(Array.from(big, (_, i) => big.subarray(i, i + 1)));
    expect(texts).toHaveLength(1);
  }, 30_000);

  test('a record that is not plain does not make the next one so', () => {
    const scanner = createScanner(100);
    const nan = holding('cb 7ff8000000000000');
    expect([scanner.scan(nan, 0, nan.length), scanner.isPlain()]).toEqual([nan.length, false]);
    expect([scanner.scan(good, 0, good.length), scanner.isPlain()]).toEqual([good.length, true]);
  });

  test('declared sizes allocate nothing', () => {
    const before = process.memoryUsage().rss;
    for (let i = 0; i < 1_000; i++) decodeAll([holding('db 000f0000')]);
    expect(process.memoryUsage().rss - before).toBeLessThan(150 * 2 ** 20);
  });
});

describe('properties', () => {
  const value = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ maxDepth: 5 }));
  const positiveZero = (v: unknown) => JSON.parse(JSON.stringify(v));

  test('records in any pieces are the records that were sent', () => {
    fc.assert(
      fc.property(fc.array(value), fc.array(fc.nat()), (values, cuts) => {
        const sent = Buffer.concat([pack({}), ...values.map(pack)]);
        const decoded = decodeAll(cutAt(sent, cuts));
        expect(decoded.values).toEqual(positiveZero([{}, ...values.map(wellFormed)]));
        expect(decoded.parsed.map(positiveZero)).toEqual(decoded.values);
        expect(decoded.rejected).toEqual([]);
      }),
    );
  });

  test('the exact writer and the fast reader agree', () => {
    fc.assert(
      fc.property(value, (v) => {
        expect(JSON.parse(transcribe(pack(v), 0))).toEqual(positiveZero(wellFormed(v)));
      }),
    );
  });

  test('garbage in any pieces never throws, and comes to the same', () => {
    const token = fc.oneof(
      fc.uint8Array({ maxLength: 8 }).map((b) => Buffer.from(b)),
      fc
        .constantFrom(
          '80',
          '81',
          '91',
          'a1 61',
          'cb 7ff8000000000000',
          'd6 ff 00000001',
          'c4 01 00',
          'cf ffffffffffffffff',
        )
        .map((hex) => bytes(hex)),
      value.map(pack),
    );
    fc.assert(
      fc.property(fc.array(token), fc.array(fc.nat()), fc.nat(300), (tokens, cuts, limit) => {
        const options = { maxFrameBytes: 20 + limit };
        const sent = Buffer.concat([pack({}), ...tokens]);
        const whole = decodeAll([sent], options);
        for (const text of whole.texts) expect(wellFormed(text)).toBe(text);
        expect(whole.parsed.map(positiveZero)).toEqual(whole.values);
        expect(decodeAll(cutAt(sent, cuts), options)).toEqual(whole);
      }),
      { numRuns: 1_000 },
    );
  });
});

/** Lone surrogates replaced, as a packer that writes UTF-8 does. */
function wellFormed(value: unknown): unknown {
  if (typeof value === 'string') return Buffer.from(value).toString();
  if (Array.isArray(value)) return value.map(wellFormed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, v]) => [String(wellFormed(key)), wellFormed(v)]),
  );
}
