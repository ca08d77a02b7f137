import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { members } from '../src/members.ts';

describe('members', () => {
  test('in order, each with its own text and the text of its value', () => {
    const text = '{ "a" : 1.0 ,"b":{"x":[1,{"y":"},]"}]}, "\\u0061\\"" :"\\\\" ,"__proto__":null}';
    expect(members(text).map(({ key, value }) => [key, value.trim()])).toEqual([
      ['a', '1.0'],
      ['b', '{"x":[1,{"y":"},]"}]}'],
      ['a"', '"\\\\"'],
      ['__proto__', 'null'],
    ]);
    expect(members(text)[0]?.text).toBe('"a" : 1.0 ');
  });

  test.each(['{}', '{ }', ' {\t\r\n} '])('none of %j', (text) => {
    expect(members(text)).toEqual([]);
  });

  test('are those that JSON.parse finds', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue()),
        fc.constantFrom(undefined, 1),
        (value, indent) => {
          const parsed = JSON.parse(JSON.stringify(value));
          const found = members(JSON.stringify(parsed, null, indent));
          expect(found.map(({ key }) => key)).toEqual(Object.keys(parsed));
          for (const { key, value: text } of found) expect(JSON.parse(text)).toEqual(parsed[key]);
        },
      ),
    );
  });
});
