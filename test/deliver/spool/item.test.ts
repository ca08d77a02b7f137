import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createBatch, ndjsonOf } from '../../../src/batch.ts';
import { createSlab } from '../../../src/deliver/slab.ts';
import { frameOf, nextFrame } from '../../../src/deliver/spool/frame.ts';
import { decodeItem, encodeItem, packItem } from '../../../src/deliver/spool/item.ts';
import { messages, text } from '../arbitrary.ts';

test('an item comes back as it was, whatever its messages hold', () => {
  fc.assert(
    fc.property(
      fc.array(messages, { minLength: 1, maxLength: 5 }),
      fc.record({ key: text }),
      fc.nat(),
      (list, target, n) => {
        const batch = createBatch(
          list,
          list.reduce((sum, { bytes }) => sum + bytes, 0),
          'age',
        );
        const item = {
          batch,
          target,
          overrides: { path: target.key },
          priority: n,
          whenFull: 'block',
          offeredMs: n,
          sends: 1,
          failures: 2,
        } as const;
        const bytes = Buffer.concat(encodeItem(packItem(item, createSlab()), true));
        const back = decodeItem(bytes);
        expect(back).toEqual({ ...item, stored: true, batch: { ...batch, ndjson: expect.anything() } });
        expect(ndjsonOf(back.batch).equals(ndjsonOf(batch))).toBe(true);
        bytes.fill(0);
        expect(ndjsonOf(back.batch).equals(ndjsonOf(batch))).toBe(true);
      },
    ),
  );
});

const facts = { messages: 3, offeredMs: 1234.5, blocking: true };
const frame = (payload: string) => Buffer.concat(frameOf([Buffer.from(payload)], facts));

test('frames are found one after the other', () => {
  const bytes = Buffer.concat([frame('one'), frame(''), frame('two')]);
  const first = nextFrame(bytes, 0);
  expect(first).toMatchObject({ at: 0, ...facts });
  expect(first?.payload.toString()).toBe('one');
  const second = nextFrame(bytes, first?.end ?? 0);
  expect(second?.payload.length).toBe(0);
  expect(nextFrame(bytes, second?.end ?? 0)).toMatchObject({ end: bytes.length });
  expect(nextFrame(bytes, bytes.length)).toBeUndefined();
});

test('whichever bit is flipped, the frame is passed over and the next one is found', () => {
  const good = Buffer.concat([frame('{"a":1}'), frame('{"b":2}')]);
  const { end } = nextFrame(good, 0)!;
  for (let bit = 0; bit < end * 8; bit++) {
    const bytes = Buffer.from(good);
    bytes[bit >> 3] = bytes[bit >> 3]! ^ (1 << (bit & 7));
    expect(nextFrame(bytes, 0)?.payload.toString()).toBe('{"b":2}');
  }
});

test('wherever it is cut, what is left of a frame is none', () => {
  const bytes = frame('{"a":1}');
  for (let length = 0; length < bytes.length; length++) {
    expect(nextFrame(bytes.subarray(0, length), 0)).toBeUndefined();
  }
});

test('no text can contain the start of a frame', () => {
  const marker = frame('').subarray(0, 4);
  fc.assert(fc.property(text, (value) => !Buffer.from(value).includes(marker)));
  // Not even a character of it: each byte alone is no part of UTF-8.
  for (const byte of marker)
    expect(Buffer.from(Buffer.from([byte]).toString('utf8')).includes(byte)).toBe(false);
});
