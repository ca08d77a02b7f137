import { describe, expect, test } from '@jest/globals';
import { dataOf, isoTime, jsonOf, linkMessage, recordOf, withData, withRecord } from '../src/message.ts';
import { gatherLines, ownCopyOf } from '../src/message-text.ts';
import { severityOf } from '../src/severity.ts';
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

  test('with another record keeps what the sidecar added', () => {
    const message = messageOf(ID, { data: { n: 1 } }, { tail: ',"host":"h"' });
    const changed = withRecord(message, { größe: '🎉'.repeat(30_000) });
    const { id, received_at, host } = JSON.parse(jsonOf(message));
    expect(JSON.parse(jsonOf(changed))).toEqual({ größe: '🎉'.repeat(30_000), id, received_at, host });
    expect(changed.bytes).toBe(Buffer.byteLength(jsonOf(changed)) + 1);
    expect(recordOf(changed)).toEqual({ größe: '🎉'.repeat(30_000) });
  });

  test.each([{}, [1], 'text', 7, null, undefined, { toJSON: () => [1] }])(
    'takes no %p for another record',
    (record) => {
      expect(() => withRecord(messageOf(ID), record as never)).toThrow(TypeError);
    },
  );

  test.each([1, 10, 70_000])(
    'is linked, be its text the last that was written or not, %d characters long',
    (length) => {
      const [first, second] = ['a', 'b'].map((name) =>
        messageOf(name, { data: { text: 'x'.repeat(length) } }),
      );
      const before = [first!, second!].map(jsonOf);
      for (const message of [first!, second!]) linkMessage(message, 'j', 't', Buffer.from(',"job_id":"jö"'));
      for (const [at, message] of [first!, second!].entries()) {
        const json = `${before[at]?.slice(0, -1)},"job_id":"jö"}`;
        expect(jsonOf(message)).toBe(json);
        expect(message).toMatchObject({ jobId: 'j', traceId: 't', bytes: Buffer.byteLength(json) + 1 });
      }
    },
  );

  test('keeps its text when others are written, gathered or copied', () => {
    const messages = Array.from({ length: 2000 }, (_, n) =>
      messageOf(`m${n}`, { data: { n, text: 'ä'.repeat(n % 90) } }),
    );
    const texts = messages.map(jsonOf);
    const copies = messages.map(ownCopyOf);
    const odd = messages.filter((_, n) => n % 2 === 1);
    expect(gatherLines(odd).toString()).toBe(odd.map((message) => `${jsonOf(message)}\n`).join(''));
    expect(gatherLines([...messages].reverse()).length).toBe(
      messages.reduce((sum, { bytes }) => sum + bytes, 0),
    );
    expect(gatherLines(messages).toString()).toBe(texts.map((text) => `${text}\n`).join(''));
    expect(messages.map(jsonOf)).toEqual(texts);
    expect(copies.map(jsonOf)).toEqual(texts);
    expect(gatherLines([])).toHaveLength(0);
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
