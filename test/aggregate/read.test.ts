import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { found, readNumbers } from '../../src/aggregate/read.ts';
import { createMessage, type JsonObject } from '../../src/message.ts';

const messageOf = (data: string) =>
  createMessage({
    id: 'id',
    source: 's',
    type: 'metric',
    timeMs: 0,
    receivedMs: 0,
    traceId: '',
    spanId: '',
    jobId: '',
    seq: 0,
    severity: 0,
    head: `{"source":"s","type":"metric","data":${data}`,
  });

const read = (data: string) =>
  readNumbers(messageOf(data)) ? [...found.numbers.subarray(0, found.count)] : undefined;
const hashOf = (data: string) => {
  read(data);
  return [found.hash, found.check];
};

test.each([
  ['{"name":"n","value":12.5,"unit":"s"}', [12.5]],
  ['{"value":-0.001,"tags":{"a":"b"},"n":7}', [-0.001, 7]],
  ['{}', []],
])('reads the numbers of %s', (data, numbers) => {
  expect(read(data)).toEqual(numbers);
});

test.each([
  '{"value": 1}',
  '{"value":1e3}',
  '{"value":1234567890123456}',
  '{"value":1,"tags":{"a":1}}',
  '{"value":1,"name":"a\\"b"}',
  '{"value":[1]}',
  '{"value":null}',
  '{"a":{"b":{}}}',
])('leaves %s to JSON.parse', (data) => {
  expect(read(data)).toBeUndefined();
});

test('the hashes tell names, units and tags apart, but neither values nor texts that say nothing of the series', () => {
  const first = hashOf('{"name":"n","value":1,"unit":"s","tags":{"a":"b","job_id":"1"},"message":"x"}');
  expect(hashOf('{"name":"n","value":2.5,"unit":"s","tags":{"a":"b","job_id":"2"},"message":"yy"}')).toEqual(
    first,
  );
  expect(hashOf('{"name":"n","value":1,"unit":"s","tags":{"a":"c","job_id":"1"},"message":"x"}')).not.toEqual(
    first,
  );
  expect(hashOf('{"name":"m","value":1,"unit":"s","tags":{"a":"b","job_id":"1"},"message":"x"}')).not.toEqual(
    first,
  );
});

test('what it reads is what JSON.parse reads', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.oneof(fc.double(), fc.integer(), fc.string())), (data) => {
      const text = JSON.stringify(data);
      const numbers = Object.values(JSON.parse(text) as JsonObject).filter(
        (value) => typeof value === 'number',
      );
      const got = read(text);
      // -0 is sent as 0.
      if (got !== undefined) expect(got.map((value) => value + 0)).toEqual(numbers);
    }),
  );
});
