import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { formatNames, parseNames } from '../../src/testing/names.ts';

describe('parseNames', () => {
  test.each([
    ['ab', ['a', 'b']],
    ['a b', ['a', 'b']],
    ['', []],
    [[], []],
    [
      ['a', 'b'],
      ['a', 'b'],
    ],
    [
      ['ab', 'c*2'],
      ['a', 'b', 'c', 'c'],
    ],
    ['m*3a', ['m', 'm', 'm', 'a']],
    ['m*0', []],
    ['🙂?', ['🙂', '?']],
    ['12', ['1', '2']],
  ])('%j', (written, names) => {
    expect(parseNames(written)).toEqual(names);
  });

  test.each(['*3', 'm*', 'm**3', 'm*x'])('%j is refused', (written) => {
    expect(() => parseNames(written)).toThrow(`${JSON.stringify(written)} is no list of messages`);
  });

  test('a number that no test needs is refused before it costs memory', () => {
    expect(() => parseNames('m*99999999999')).toThrow('more than 1000000 messages');
  });
});

describe('formatNames', () => {
  test.each([
    [[], ''],
    [['a'], 'a'],
    [['a', 'b', 'b', 'b'], 'abbb'],
    [['a', 'b', 'b', 'b', 'b', 'c'], 'ab*4c'],
  ])('%j', (names, text) => {
    expect(formatNames(names)).toBe(text);
  });

  test('is read back as it was', () => {
    const names = fc.array(fc.constantFrom('a', 'b', 'c', '?', '1x'[0]!), { maxLength: 30 });
    fc.assert(fc.property(names, (list) => expect(parseNames(formatNames(list))).toEqual(list)));
  });
});
