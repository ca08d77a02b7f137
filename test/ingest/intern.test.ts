import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createInterner, isSame } from '../../src/ingest/intern.ts';

describe('an interner', () => {
  const intern = (size: number, maxLength: number) => {
    const made: string[] = [];
    const of = createInterner(size, maxLength, (text) => {
      made.push(text);
      return { text };
    });
    const read = (text: string, before = '') => {
      const bytes = Buffer.from(`${before}${text}tail`);
      return of(bytes, Buffer.byteLength(before), Buffer.byteLength(before + text));
    };
    return { made, read };
  };

  test('makes a value once, wherever its bytes are', () => {
    const { made, read } = intern(16, 16);
    const first = read('queue');
    expect(first).toEqual({ text: 'queue' });
    expect(read('queue', 'éé')).toBe(first);
    expect(read('')).toBe(read('', 'x'));
    expect(made).toEqual(['queue', '']);
  });

  test('makes a longer one anew each time', () => {
    const { made, read } = intern(16, 4);
    for (let n = 0; n < 2; n++) expect(read('12345')).toEqual({ text: '12345' });
    expect(made).toHaveLength(2);
  });

  test('is never wrong, however many collide', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme', maxLength: 8 }), { maxLength: 50 }), (texts) => {
        const { read } = intern(2, 12);
        for (const text of [...texts, ...texts]) expect(read(text).text).toBe(Buffer.from(text).toString());
      }),
    );
  });

  test('knows a prefix from the whole', () => {
    const { read } = intern(1, 8);
    for (const text of ['ab', 'abc', 'ab', 'a', '', 'abcd']) expect(read(text).text).toBe(text);
  });
});

test('isSame', () => {
  const bytes = Buffer.from('xabcx');
  const known = new Uint8Array(Buffer.from('abc'));
  expect(isSame(known, bytes, 1, 4)).toBe(true);
  expect(isSame(known, bytes, 0, 3)).toBe(false);
  expect(isSame(known, bytes, 1, 5)).toBe(false);
  expect(isSame(known, bytes, 1, 3)).toBe(false);
});
