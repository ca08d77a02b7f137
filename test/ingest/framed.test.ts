import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Packr } from 'msgpackr/pack';
import { cutAt, decodeAll, record } from './harness.ts';

const packr = new Packr({ useRecords: false, variableMapSize: true });

/** A payload behind its length. */
function frame(payload: Buffer | string, length?: number): Buffer {
  const bytes = Buffer.from(payload as string);
  const header = Buffer.alloc(4);
  header.writeUInt32BE(length ?? bytes.length);
  return Buffer.concat([header, bytes]);
}
const KEEP_ALIVE = frame('');
const good = frame('{"good":1}');
const GOOD = '{"good":1}';

test('a payload is a JSON object or a MessagePack map, told apart by its first byte', () => {
  const { texts, rejected, completed } = decodeAll([
    Buffer.concat([frame('{"a":1}'), frame(packr.pack({ b: 2 })), frame('{"c":"é"}')]),
  ]);
  expect(texts).toEqual(['{"a":1}', '{"b":2}', '{"c":"é"}']);
  expect([rejected, completed]).toEqual([[], true]);
});

test('a canonical JSON record is left unparsed', () => {
  expect(decodeAll([frame(JSON.stringify(record(1)))]).parsed).toEqual([undefined]);
});

test('a length of zero keeps alive, also as the very first bytes', () => {
  const { texts, rejected } = decodeAll([Buffer.concat([KEEP_ALIVE, KEEP_ALIVE, good, KEEP_ALIVE])]);
  expect([texts, rejected]).toEqual([[GOOD], []]);
});

test('JSON over several lines becomes one line, its strings untouched', () => {
  const pretty = JSON.stringify({ a: 1, b: ['x\ny'] }, null, 2);
  const { texts, values } = decodeAll([frame(`${pretty}\r\n `), frame(pretty.replaceAll('\n', '\r\n'))]);
  for (const text of texts) expect(text).not.toMatch(/[\r\n]/);
  expect(values).toEqual([JSON.parse(pretty), JSON.parse(pretty)]);
});

describe('a bad payload is discarded, its neighbours live', () => {
  test.each<[string, Buffer | string, string]>([
    ['no JSON', '{oops}', 'json'],
    ['half an object', '{"a":', 'json'],
    ['an object and more', '{"a":1}x', 'json'],
    ['nesting of 100,000', `{"a":${'['.repeat(99_999)}${']'.repeat(99_999)}}`, 'too_deep'],
    ['bytes that are not UTF-8', Buffer.from('7b2261223a22ff227d', 'hex'), 'utf8'],
    ['an array', '[1]', 'not_object'],
    ['a blank before JSON', ' {"a":1}', 'not_object'],
    ['a byte order mark', '\ufeff{"a":1}', 'not_object'],
    ['a NUL', '\0', 'not_object'],
    ['a MessagePack array', Buffer.from('9101', 'hex'), 'not_object'],
    ['MessagePack that is too short', Buffer.from('82a16101', 'hex'), 'msgpack'],
    ['MessagePack and more', Buffer.from('81a1610100', 'hex'), 'msgpack'],
    ['MessagePack with the byte that is never used', Buffer.from('81a161c1', 'hex'), 'msgpack'],
    ['MessagePack of 2^32 - 1 entries', Buffer.from('dfffffffff', 'hex'), 'too_many'],
    ['MessagePack with a string of 4 GiB', Buffer.from('81a161dbffffffff', 'hex'), 'too_large'],
    ['MessagePack nested too deeply', Buffer.from(`81a161${'91'.repeat(50)}90`, 'hex'), 'too_deep'],
  ])('%s', (_, payload, reason) => {
    const packed = frame(packr.pack({ good: 1 }));
    const { texts, rejected, refused } = decodeAll([Buffer.concat([good, frame(payload), packed, good])]);
    expect(texts).toEqual([GOOD, GOOD, GOOD]);
    expect([rejected, refused]).toEqual([[reason], false]);
  });

  test('however many there are', () => {
    const { texts, rejected, refused } = decodeAll([
      Buffer.concat([...Array(1_000).fill(frame('[]')), good]),
    ]);
    expect([texts, rejected.length, refused]).toEqual([[GOOD], 1_000, false]);
  });
});

describe('max_frame', () => {
  const sized = (bytes: number) => `{"a":"${'x'.repeat(bytes - 8)}"}`;

  test('a payload of exactly the limit passes', () => {
    expect(decodeAll([frame(sized(100))], { maxFrameBytes: 100 }).texts).toEqual([sized(100)]);
  });
  test.each([[101], [0xffffff], [0x01000000], [0xffffffff]])('a length of %d closes', (length) => {
    const { texts, rejected, refused } = decodeAll([good, frame('{', length), good], { maxFrameBytes: 100 });
    expect([texts, rejected, refused]).toEqual([[GOOD], ['bad_length'], true]);
  });
  test('a bad length closes in two pieces as well, and is no truncation', () => {
    const { rejected } = decodeAll([good, ...cutAt(frame('{', 0xffffff), [2])]);
    expect(rejected).toEqual(['bad_length']);
  });
  test('a declared length allocates nothing', () => {
    const before = process.memoryUsage().rss;
    for (let i = 0; i < 1_000; i++) decodeAll([frame('{', 1_048_576)]);
    expect(process.memoryUsage().rss - before).toBeLessThan(150 * 2 ** 20);
  });
});

test.each([[1], [3], [4], [9]])('a frame cut off after %d bytes is counted', (bytes) => {
  const { texts, rejected } = decodeAll([Buffer.concat([good, good.subarray(0, bytes)])]);
  expect([texts, rejected]).toEqual([[GOOD], ['truncated']]);
});

test('a frame of 1 MiB in pieces of one byte takes linear time', () => {
  const big = frame(`{"a":"${'x'.repeat(1_048_576 - 8)}"}`);
  const { texts } = decodeAll(Array.from(big, (_, i) => big.subarray(i, i + 1)));
  expect(texts[0]).toHaveLength(1_048_576);
}, 30_000);

describe('properties', () => {
  const value = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 4 }));

  test('records in any pieces are the records that were sent', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(value, fc.boolean())), fc.array(fc.nat()), (sent, cuts) => {
        const frames = sent.map(([v, packed]) => frame(packed ? packr.pack(v) : JSON.stringify(v)));
        const decoded = decodeAll(cutAt(Buffer.concat([KEEP_ALIVE, ...frames]), cuts));
        expect(decoded.values).toEqual(sent.map(([v]) => JSON.parse(JSON.stringify(v))));
        expect(decoded.rejected).toEqual([]);
      }),
    );
  });

  test('garbage in any pieces never throws, and comes to the same', () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 30 }).map((bytes) => frame(Buffer.from(bytes))),
      fc.uint8Array({ maxLength: 6 }).map((bytes) => Buffer.from(bytes)),
      value.map((v) => frame(JSON.stringify(v))),
    );
    fc.assert(
      fc.property(fc.array(piece), fc.array(fc.nat()), (pieces, cuts) => {
        const sent = Buffer.concat([KEEP_ALIVE, ...pieces]);
        expect(decodeAll(cutAt(sent, cuts))).toEqual(decodeAll([sent]));
      }),
      { numRuns: 1_000 },
    );
  });
});
