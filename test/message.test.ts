import { describe, expect, test } from '@jest/globals';
import { dataOf, isoTime, jsonOf, recordOf, severityOf, withData, withIds } from '../src/message.ts';
import { messageOf } from './route/support.ts';

const ID = '00000000-0001-7000-8000-000000000000';

describe('a message', () => {
  test('is delivered as it was sent, with the members of the sidecar', () => {
    const message = messageOf(ID, { data: { n: 1 } }, { receivedMs: 1, tail: ',"host":"h"' });
    expect(jsonOf(message)).toBe(
      `{"source":"s","type":"event","data":{"n":1},"id":"${ID}","received_at":"1970-01-01T00:00:00.001Z","host":"h"}`,
    );
    expect(message.bytes).toBe(jsonOf(message).length + 1);
  });

  test('is parsed once, when somebody asks', () => {
    const message = messageOf(ID, { data: { n: 1 } });
    expect(message.parsed).toBeUndefined();
    expect(recordOf(message)).toBe(recordOf(message));
    expect(dataOf(message)).toEqual({ n: 1 });
  });

  test('without data has an empty one', () => {
    for (const head of ['{"source":"s"', '{"data":null'])
      expect(dataOf(messageOf(ID, {}, { head }))).toEqual({});
  });

  test('with other data keeps the rest, and leaves the original alone', () => {
    const message = messageOf(ID, { data: { n: 1 }, x: 'y' }, { tail: ',"host":"h"' });
    const before = jsonOf(message);
    const changed = withData(message, { m: 2 });
    expect(JSON.parse(jsonOf(changed))).toEqual({ ...JSON.parse(before), data: { m: 2 } });
    expect(changed.bytes).toBe(jsonOf(changed).length + 1);
    expect(jsonOf(message)).toBe(before);
    expect(dataOf(changed)).toEqual({ m: 2 });
  });

  test('with other ids too', () => {
    const message = messageOf(ID);
    const linked = withIds(message, 'j', 't', ',"job_id":"j"');
    expect(linked).toMatchObject({ jobId: 'j', traceId: 't', bytes: jsonOf(linked).length + 1 });
    expect(Object.keys(linked)).toEqual(Object.keys(message));
  });
});

test.each([
  ['trace', 1],
  ['DEBUG', 2],
  ['Notice', 3],
  ['warning', 4],
  ['err', 5],
  ['CRIT', 6],
  ['panic', 6],
  ['loud', 0],
  ['', 0],
  ['constructor', 0],
  ['__proto__', 0],
])('severityOf %s is %d', (level, rank) => {
  expect(severityOf(level)).toBe(rank);
});

test('isoTime', () => {
  expect([0, 1, 1, 0].map(isoTime)).toEqual([0, 1, 1, 0].map((ms) => new Date(ms).toISOString()));
});
