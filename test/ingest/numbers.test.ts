import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createScan } from '../../src/ingest/scan.ts';
import type { JsonObject } from '../../src/message.ts';
import { scanned } from '../../src/scanned.ts';

const scan = createScan(() => true);
const unmeasured = createScan();
const NOW_MS = Date.parse('2026-01-02T03:04:05.678Z');

const lineOf = (data: string, type = 'metric', source = 's') =>
  `{"source":"${source}","timestamp":"2026-01-02T03:04:05.678Z","type":"${type}","data":${data}}`;

/** What was read of a line: its numbers and its hash; `undefined` if nothing was. */
function readLine(line: string, by = scan) {
  const bytes = Buffer.from(`${line}\n`);
  by.load(bytes, NOW_MS);
  const record = by.read(0, bytes.length);
  expect(record).toBeDefined();
  if (record?.ticket !== scanned.ticket || !scanned.isMeasured) return undefined;
  return { values: [...scanned.values.subarray(0, scanned.count)], hash: [scanned.hash, scanned.check] };
}
const read = (data: string) => readLine(lineOf(data))?.values;
const hashOf = (data: string) => readLine(lineOf(data))?.hash;

test.each([
  ['{"name":"n","value":12.5,"unit":"s"}', [12.5]],
  ['{"value":-0.001,"tags":{"a":"b","c":7},"n":7}', [-0.001, 7]],
  ['{ "value" : 1 , "x" : [2] , "y" : { "z" : { "value" : 3 } } , "n" : 0 }', [1, 0]],
  ['{"value":123456789012345,"n":1.23456789012345}', [123456789012345, 1.23456789012345]],
  ['{"name":"a\\"b","value":true,"other":null}', []],
  ['{}', []],
])('reads the numbers of %s', (data, values) => {
  expect(read(data)).toEqual(values);
});

test.each([
  '{"value":1e3}',
  '{"value":1E3}',
  '{"value":1234567890123456}',
  '{"value":0.1234567890123456}',
  `{${Array.from({ length: 17 }, (_, n) => `"k${n}":${n}`).join()}}`,
])('leaves %s to JSON.parse', (data) => {
  expect(read(data)).toBeUndefined();
});

test('what it could not read once does not matter to the next record', () => {
  read('{"value":1e3,"n":1}');
  expect(read('{"value":2}')).toEqual([2]);
});

test('metrics, resource use and progress, and while that is wanted', () => {
  for (const type of ['metric', 'resource', 'progress'])
    expect(readLine(lineOf('{"n":1}', type))?.values).toEqual([1]);
  for (const type of ['event', 'span', 'metrid', 'progresz', 'metrics'])
    expect(readLine(lineOf('{"n":1}', type))).toBeUndefined();
  expect(readLine(lineOf('{"n":1}'), unmeasured)).toBeUndefined();
  expect(readLine('{"source":"s","timestamp":"2026-01-02T03:04:05.678Z","type":"metric"}')).toBeUndefined();
});

test('the order of source, type and data does not matter', () => {
  const late =
    '{"data":{"name":"n","value":1},"timestamp":"2026-01-02T03:04:05.678Z","type":"metric","source":"s"}';
  expect(readLine(late)).toEqual(readLine(lineOf('{"name":"n","value":1}')));
});

describe('the hash', () => {
  const first = '{"name":"n","value":1,"unit":"s","tags":{"a":"b","job_id":"1"},"message":"x"}';

  test('is the same whatever the values, and the texts that say nothing of the series', () => {
    const others = [
      first.replace('"value":1', '"value":-22.5'),
      first.replace('"job_id":"1"', '"job_id":"22"'),
      first.replace('"x"', '"a longer message"'),
      first.replaceAll(',', ' , ').replaceAll(':', ' : '),
      first.replace('"a":"b"', '"a":"b","c":{"d":1}').replace('"d":1', '"d":2'),
    ];
    for (const other of others.slice(0, 4)) expect(hashOf(other)).toEqual(hashOf(first));
    expect(hashOf(others[4] as string)).toEqual(hashOf((others[4] as string).replace('2', '3')));
  });

  test.each([
    ['another name', first.replace('"n"', '"m"')],
    ['another unit', first.replace('"s"', '"t"')],
    ['a kind', first.replace('"unit"', '"kind"')],
    ['another key of the number', first.replace('value', 'valve')],
    ['another tag', first.replace('"b"', '"c"')],
    ['another key of a tag', first.replace('"a":', '"c":')],
    ['a tag that is a number', first.replace('"b"', '1')],
    ['one tag more', first.replace('"b"', '"b","c":"d"')],
    [
      'tags that are members',
      first.replace('"tags":{"a":"b","job_id":"1"}', '"a":"b","job_id":"1","tags":{}'),
    ],
    ['a text in place of the number', first.replace('"value":1', '"value":"1"')],
    [
      'members in another order',
      '{"value":1,"name":"n","unit":"s","tags":{"a":"b","job_id":"1"},"message":"x"}',
    ],
    [
      'texts that are divided otherwise',
      first.replace('"n","value":1,"unit":"s"', '"","value":1,"unit":"ns"'),
    ],
  ])('tells %s', (_, data) => {
    expect(read(data)).toBeDefined();
    expect(hashOf(data)).not.toEqual(hashOf(first));
  });

  test('tells sources and types', () => {
    const of = (type: string, source: string) => readLine(lineOf('{"percent":1}', type, source))?.hash;
    expect(of('metric', 's')).not.toEqual(of('progress', 's'));
    expect(of('metric', 's')).not.toEqual(of('metric', 't'));
    expect(of('metric', 'a-source-of-16-b')).not.toEqual(of('metric', 'a-source-of-16-c'));
  });
});

test('what it reads is what JSON.parse reads', () => {
  const value = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.integer(),
    fc.string(),
    fc.boolean(),
  );
  fc.assert(
    fc.property(
      fc.dictionary(
        fc.string().map((key) => `k${key.replaceAll('\\', '')}`),
        value,
      ),
      (data) => {
        const text = JSON.stringify(data);
        const sent = Object.values(JSON.parse(text) as JsonObject).filter((one) => typeof one === 'number');
        // A key with an escape is for the slow path.
        if (Object.keys(data).some((key) => JSON.stringify(key) !== `"${key}"`)) return;
        const got = read(text);
        if (got !== undefined) expect(got.map((one) => one + 0)).toEqual(sent);
      },
    ),
  );
});
