import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { rewrite } from '../../src/ingest/rewrite.ts';

describe('rewrite', () => {
  const change = (text: string, changes: Record<string, string | undefined>) =>
    rewrite(text, new Map(Object.entries(changes)));

  test.each([
    ['replaces in place', '{"a":1,"b":2}', { a: '3' }, '{"a":3,"b":2}'],
    ['adds at the end', '{"a":1}', { b: '"x"' }, '{"a":1,"b":"x"}'],
    ['adds to nothing', '{}', { b: '[]' }, '{"b":[]}'],
    ['removes', '{"a":1,"b":2,"c":3}', { b: undefined }, '{"a":1,"c":3}'],
    ['removes all', '{"a":1}', { a: undefined, x: undefined }, '{}'],
    ['keeps the last of a repeated key', '{"a":1,"b":2,"a":3}', {}, '{"a":3,"b":2}'],
    ['knows an escaped key', '{"\\u0061":1}', { a: '2' }, '{"a":2}'],
    [
      'leaves numbers alone',
      '{"a":12345678901234567890,"b":1.10,"c":1e400}',
      { x: '1' },
      '{"a":12345678901234567890,"b":1.10,"c":1e400,"x":1}',
    ],
    ['escapes new keys', '{}', { 'a"\n': '1' }, '{"a\\"\\n":1}'],
  ])('%s', (_, text, changes, expected) => {
    expect(change(text, changes)).toBe(expected);
  });

  test('says what the object with the changes says', () => {
    const anyRecord = fc.dictionary(fc.string({ maxLength: 2 }), fc.jsonValue(), { noNullPrototype: true });
    fc.assert(
      fc.property(anyRecord, anyRecord, fc.array(fc.string({ maxLength: 2 })), (sent, added, removed) => {
        const value = JSON.parse(JSON.stringify(sent));
        const changes = new Map<string, string | undefined>(removed.map((key) => [key, undefined]));
        for (const [key, one] of Object.entries(added)) changes.set(key, JSON.stringify(one));
        const expected = new Map(Object.entries(value));
        for (const [key, text] of changes) {
          if (text === undefined) expected.delete(key);
          else expected.set(key, JSON.parse(text));
        }
        expect(new Map(Object.entries(JSON.parse(rewrite(JSON.stringify(value), changes))))).toEqual(
          expected,
        );
      }),
    );
  });
});
