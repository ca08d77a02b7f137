import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Subject } from 'rxjs';
import { codec } from '../../src/ingest/codecs/ndjson.ts';
import { decode } from '../../src/ingest/detect.ts';
import { MAX_JSON_DEPTH } from '../../src/ingest/json.ts';
import { createScan } from '../../src/ingest/scan.ts';
import { createRecording, cutAt, decodeAll, line, MUTE, OPTIONS, record, textOf } from './harness.ts';

const one = (text: string, options = {}) => decodeAll([Buffer.from(text)], options);
const decodeBytes = (...parts: (string | number[])[]) =>
  decodeAll([
    Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part)))),
  ]);

test('a connection that is read while another emits leaves what is left of that alone', () => {
  const { context } = createRecording();
  const [lines, others] = [
    [1, 2, 3, 4],
    [5, 6, 7, 8],
  ].map((ns) => ns.map((n) => line(record(n)))) as [Buffer[], Buffer[]];
  const textsOf = (bytes: readonly Buffer[]) => bytes.map((each) => each.toString().trimEnd());
  const chunks = [1, 2].map(() => new Subject<Buffer>());
  const texts: string[][] = [[], []];
  const decodeOne = decode(() => OPTIONS, context);
  for (const [at, chunk$] of chunks.entries()) {
    const connection = { id: at, remote: '', chunk$, clockMs: () => 0, ...MUTE, refuse() {} };
    decodeOne(connection).subscribe((frame) => {
      texts[at]?.push(textOf(frame));
      if (at === 0) chunks[1]?.next(Buffer.concat(others));
    });
  }
  chunks[0]?.next(Buffer.concat(lines));
  expect(texts[0]).toEqual(textsOf(lines));
  expect(texts[1]).toEqual(Array(4).fill(textsOf(others)).flat());
});

describe('lines', () => {
  test('each line is a record, its text as it was sent', () => {
    const { texts, rejected, completed } = one('{"a":1}\n{"b": [2, 3e1]}\n');
    expect(texts).toEqual(['{"a":1}', '{"b": [2, 3e1]}']);
    expect(rejected).toEqual([]);
    expect(completed).toBe(true);
  });

  test('a canonical record is left unparsed, another one comes with its value', () => {
    const { parsed } = decodeAll([line(record(1)), line({ a: 1 })]);
    expect(parsed).toEqual([undefined, { a: 1 }]);
  });

  test('blanks, blank lines and CR around a record are stripped', () => {
    const { texts, rejected } = one(' \t\r\n\n{"a":1}\r\n\r\n \t{"b":2} \t\r\n   \n{"c":3}');
    expect(texts).toEqual(['{"a":1}', '{"b":2}', '{"c":3}']);
    expect(rejected).toEqual([]);
  });

  test('CR between tokens becomes a space, so that a record stays one line everywhere', () => {
    const canonical = `{"source":"s",\r"timestamp":"2025-10-20T10:30:45.123Z","type":"event"}`;
    expect(one(`{"a":\r1}\n${canonical}\n`).texts).toEqual(['{"a": 1}', canonical.replace('\r', ' ')]);
  });

  test('numbers beyond 2^53, duplicate and __proto__ keys keep their text', () => {
    const texts = ['{"n":9007199254740993}', '{"a":1,"a":2}', '{"__proto__":{"polluted":true}}'];
    const { texts: got, parsed, rejected } = one(`${texts.join('\n')}\n`);
    expect(got).toEqual(texts);
    expect(rejected).toEqual([]);
    expect(Object.keys(parsed[2] as object)).toEqual(['__proto__']);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  test('other scripts survive, whatever is around them', () => {
    const values = ['a', 'é', '€', '漢字', '🙂', 'z'].map((text) => ({ text, pad: text.repeat(300) }));
    expect(decodeAll([Buffer.concat(values.map(line))]).values).toEqual(values);
  });

  test('an escaped lone surrogate stays the text it was', () => {
    expect(one('{"s":"\\ud800"}\n').texts).toEqual(['{"s":"\\ud800"}']);
  });
});

describe('the last line without LF', () => {
  test('counts if it parses', () => {
    expect(one('{"a":1}\n{"b":2}').texts).toEqual(['{"a":1}', '{"b":2}']);
  });
  test('is counted as truncated if not', () => {
    const { texts, rejected } = one('{"a":1}\n{"b":2');
    expect(texts).toEqual(['{"a":1}']);
    expect(rejected).toEqual(['truncated']);
  });
  test('is counted as truncated if it ends inside a character', () => {
    expect(decodeBytes('{"a":"', [0xe2, 0x82]).rejected).toEqual(['truncated']);
  });
  test('may be blank', () => {
    expect(one('{"a":1}\n \t').rejected).toEqual([]);
  });
});

describe('a bad line costs itself only', () => {
  const good = '{"good":1}';
  const between = (bad: string | number[]) => {
    const { texts, rejected, refused } = decodeBytes(`${good}\n`, bad, `\n${good}\n`);
    expect(texts).toEqual([good, good]);
    expect(refused).toBe(false);
    return rejected;
  };

  test.each([
    ['no JSON', 'oops', 'json'],
    ['half an object', '{"a":', 'json'],
    ['two objects', '{"a":1}{"b":2}', 'json'],
    ['braces around nothing', '{oops}', 'json'],
    ['a NUL', '{"a":"\0"}', 'json'],
    ['a NUL alone', '\0', 'json'],
    ['a control character', '{"a":"\u0001"}', 'json'],
    ['a byte order mark', '\ufeff{"a":1}', 'json'],
    ['a no-break space', '\u00a0{"a":1}', 'json'],
    ['an array', '[1,2]', 'not_object'],
    ['a string', '"text"', 'not_object'],
    ['a number', '-1', 'not_object'],
    ['null', 'null', 'not_object'],
    ['bytes that are not UTF-8', [0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d], 'utf8'],
    ['an overlong encoding', [0x7b, 0x22, 0xc0, 0xaf, 0x22, 0x3a, 0x31, 0x7d], 'utf8'],
    ['a surrogate in UTF-8', [0x7b, 0x22, 0xed, 0xa0, 0x80, 0x22, 0x3a, 0x31, 0x7d], 'utf8'],
  ])('%s', (_, bad, reason) => {
    expect(between(bad)).toEqual([reason]);
  });

  test('nesting beyond the limit, and none below it', () => {
    const nested = (levels: number) => `{"a":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`;
    expect(between(nested(100_000))).toEqual(['too_deep']);
    expect(between(nested(MAX_JSON_DEPTH + 1))).toEqual(['too_deep']);
    const { texts, rejected } = one(`${nested(MAX_JSON_DEPTH)}\n`);
    expect([texts.length, rejected]).toEqual([1, []]);
  });

  test('100,000 opening brackets that never close', () => {
    expect(between(`{"a":${'['.repeat(100_000)}`)).toEqual(['json']);
    expect(between('{"a":'.repeat(100_000))).toEqual(['json']);
  });

  test('a bad line amid lines in other scripts', () => {
    const { texts, rejected } = decodeBytes('{"a":"é"}\n{"b":"', [0xff], '"}\n{"c":"漢"}\n');
    expect(texts).toEqual(['{"a":"é"}', '{"c":"漢"}']);
    expect(rejected).toEqual(['utf8']);
  });
});

test('too many bad lines close in the middle of a chunk, whatever is wrong with them', () => {
  for (const bad of ['bad\n', '\xff\n', '{"a":"\xff"}\n', '[]\n']) {
    const bytes = Buffer.from(`{}\n${bad.repeat(300)}{}\n`, 'latin1');
    const { texts, rejected, refused } = decodeAll([bytes]);
    expect([texts.length, rejected.length, rejected.at(-1), refused]).toEqual([1, 102, 'bad_lines', true]);
  }
});

describe('max_frame', () => {
  const sized = (bytes: number) => `{"a":"${'x'.repeat(bytes - 8)}"}`;
  const limits = { maxFrameBytes: 100 };

  test('a line of exactly the limit passes, LF apart; one byte more is discarded', () => {
    const { texts, rejected } = one(`${sized(100)}\n${sized(101)}\n${sized(20)}\n`, limits);
    expect(texts).toEqual([sized(100), sized(20)]);
    expect(rejected).toEqual(['too_large']);
  });

  test('bytes are counted, not characters', () => {
    expect(one(`{"a":"${'€'.repeat(31)}"}\n{"a":"${'€'.repeat(30)}"}\n`, limits).rejected).toEqual([
      'too_large',
    ]);
  });

  test.each([1, 7, 99, 100, 101, 150])('the same in pieces of %d bytes', (size) => {
    const bytes = Buffer.from(`${sized(20)}\n${sized(250)}\n${sized(100)}\n${sized(101)}\n${sized(30)}`);
    const cuts = Array.from({ length: Math.floor(bytes.length / size) }, (_, i) => (i + 1) * size);
    const { texts, rejected } = decodeAll(cutAt(bytes, cuts), limits);
    expect(texts).toEqual([sized(20), sized(100), sized(30)]);
    expect(rejected).toEqual(['too_large', 'too_large']);
  });

  test('a line over the limit that never ends is counted once and not held', () => {
    const { rejected, texts } = decodeAll([
      Buffer.from('{"a":"'),
      ...Array(64).fill(Buffer.alloc(65_536, 'x')),
    ]);
    expect(rejected).toEqual(['too_large']);
    expect(texts).toEqual([]);
  });

  test('what is skipped is counted, and nothing of it is held', () => {
    const line = codec.open({
      maxFrameBytes: 100,
      scan: createScan(),
      receivedMs: 0,
      emit: () => {},
      reject: () => {},
      isHopeless: () => false,
    });
    const pending = [60, 60, 60].map((bytes) => {
      line.push(Buffer.alloc(bytes, 'x'));
      return line.pending();
    });
    line.push(Buffer.from('\n{"a"'));
    expect([...pending, line.pending()]).toEqual([60, 120, 180, 4]);
  });

  test('1 GiB without a newline leaves memory flat', () => {
    const chunk = Buffer.alloc(65_536, '{');
    const before = process.memoryUsage();
    function* gibibyte() {
      for (let i = 0; i < 16_384; i++) yield chunk;
    }
    const { rejected } = decodeAll(gibibyte() as unknown as Buffer[]);
    const after = process.memoryUsage();
    expect(rejected).toEqual(['too_large']);
    expect(after.rss - before.rss).toBeLessThan(150 * 2 ** 20);
  });

  test('a line of 1 MiB in pieces of one byte takes linear time', () => {
    const bytes = Buffer.from(`${sized(1_048_576)}\n`);
    const pieces = Array.from(bytes, (_, i) => bytes.subarray(i, i + 1));
    const { texts } = decodeAll(pieces);
    expect(texts).toHaveLength(1);
    expect(texts[0]).toHaveLength(1_048_576);
  }, 30_000);
});

function isObject(text: string): boolean {
  try {
    return text.endsWith('}') && typeof JSON.parse(text) === 'object';
  } catch {
    return false;
  }
}

describe('properties', () => {
  const value = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ maxDepth: 4 }));
  const canonical = fc.record({
    source: fc.constantFrom('a', 'queue-service', 'é'),
    timestamp: fc.constantFrom('2025-10-20T10:30:45.123Z', '2025-10-20T10:30:45Z'),
    type: fc.constantFrom('event', 'metric'),
    data: fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue({ maxDepth: 2 })),
  });

  test('records in any pieces are the records that were sent', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(value, canonical)),
        fc.array(fc.nat()),
        fc.boolean(),
        (values, cuts, crlf) => {
          const texts = values.map((v) => JSON.stringify(v));
          const bytes = Buffer.from(`{}\n${texts.map((text) => text + (crlf ? '\r\n' : '\n')).join('')}`);
          const decoded = decodeAll(cutAt(bytes, cuts));
          expect(decoded.texts).toEqual(['{}', ...texts]);
          expect(decoded.rejected).toEqual([]);
        },
      ),
    );
  });

  test('pieces change nothing, not even for garbage between good lines', () => {
    const garbage = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes));
    const good = value.map((v) => Buffer.from(JSON.stringify(v)));
    const blank = fc.nat(60).chain((n) => good.map((text) => Buffer.concat([Buffer.alloc(n, ' '), text])));
    fc.assert(
      fc.property(
        fc.array(fc.oneof(garbage, good, blank)),
        fc.array(fc.nat()),
        fc.nat(200),
        (lines, cuts, limit) => {
          const options = { maxFrameBytes: 20 + limit };
          const bytes = Buffer.concat([Buffer.from('{}'), ...lines.flatMap((l) => [Buffer.from('\n'), l])]);
          const whole = decodeAll([bytes], options);
          expect(decodeAll(cutAt(bytes, cuts), options)).toEqual(whole);
          const short = lines.filter(
            (l) => l[0] === 0x7b && l.length <= options.maxFrameBytes && !l.includes(0x0a),
          );
          expect(whole.texts).toEqual(expect.arrayContaining(short.map(String).filter(isObject)));
        },
      ),
      { numRuns: 1_000 },
    );
  });
});
