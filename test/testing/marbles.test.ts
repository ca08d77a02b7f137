import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { formatMarbles, formatTime, LETTER, parseMarbles, timeHint } from '../../src/testing/marbles.ts';

const at = (...marbles: [number, string][]) => marbles.map(([ms, letter]) => ({ ms, letter }));
const NOWHERE = { endMs: undefined, errorMs: undefined };

describe('parseMarbles reads what TestScheduler.run reads', () => {
  test.each([
    ['', []],
    ['---', []],
    ['a', at([0, 'a'])],
    ['-a-b', at([1, 'a'], [3, 'b'])],
    ['  a  b', at([0, 'a'], [1, 'b'])],
    ['a 5s b', at([0, 'a'], [5001, 'b'])],
    ['5s b', at([5000, 'b'])],
    ['2.034s b', at([2034, 'b'])],
    ['1.5s b 2m c', at([1500, 'b'], [121_501, 'c'])],
    ['10ms -(ab)-c', at([11, 'a'], [11, 'b'], [16, 'c'])],
    ['1-2', at([0, '1'], [2, '2'])],
    ['5s', at([0, '5'], [1, 's'])],
    ['é🙂', at([0, 'é'], [1, '🙂'])],
  ])('%j', (text, marbles) => {
    expect(parseMarbles(text)).toEqual({ marbles, ...NOWHERE });
  });

  test.each([
    ['|', 0, undefined],
    ['a-|', 2, undefined],
    ['5s |', 5000, undefined],
    ['--#', undefined, 2],
    ['(a|)', 0, undefined],
  ])('the end of %j', (text, endMs, errorMs) => {
    expect(parseMarbles(text)).toMatchObject({ endMs, errorMs });
  });

  test.each([
    ['a^b', '! and ^ have no meaning here'],
    ['a!', '! and ^ have no meaning here'],
    ['(ab', '( and ) do not match'],
    ['ab)', '( and ) do not match'],
    ['((a))', '( and ) do not match'],
    ['|a', 'nothing can follow | or #'],
    ['#|', 'nothing can follow | or #'],
    ['a?', '? has no meaning here'],
    ['a*', '* has no meaning here'],
  ])('%j is refused', (text, message) => {
    expect(() => parseMarbles(text)).toThrow(message);
  });

  test('nothing is left of a refusal: the next diagram is read with frames of 1 ms, too', () => {
    expect(() => parseMarbles('a!')).toThrow();
    expect(parseMarbles('-a').marbles).toEqual(at([1, 'a']));
  });
});

describe('timeHint', () => {
  test.each(['5', '.', 's', 'm'])('%s may come from a time without its space', (letter) => {
    expect(timeHint(letter)).toBe('; a time is written with a space after it, as in "5s x"');
  });
  test('other letters are only letters', () => {
    expect(timeHint('x')).toBe('');
  });
});

describe('formatMarbles', () => {
  test.each([
    [at(), ''],
    [at([0, 'x']), 'x'],
    [at([9, 'x']), '---------x'],
    [at([10, 'x']), '10ms x'],
    [at([2, 'x'], [5002, 'y']), '--x 4.999s y'],
    [at([0, 'x'], [1001, 'y']), 'x 1s y'],
    [at([60_000, 'x']), '1m x'],
    [at([0, 'x'], [0, 'y'], [4, 'z']), '(xy)z'],
  ])('%j', (marbles, text) => {
    expect(formatMarbles(marbles)).toBe(text);
  });

  test('there is no diagram for a marble within the width of a group', () => {
    expect(formatMarbles(at([0, 'x'], [0, 'y'], [3, 'z']))).toBeUndefined();
  });

  test('is read back as it was, whatever it writes', () => {
    const gaps = fc.array(fc.tuple(fc.oneof(fc.nat(12), fc.nat(200_000)), fc.constantFrom('a', 'b', 'Z')));
    fc.assert(
      fc.property(gaps, (steps) => {
        let ms = 0;
        const marbles = steps.map(([gapMs, letter]) => {
          ms += gapMs;
          return { ms, letter };
        });
        const text = formatMarbles(marbles);
        if (text === undefined) return;
        expect(parseMarbles(text)).toEqual({ marbles, ...NOWHERE });
      }),
    );
  });
});

test('formatTime writes times as diagrams do', () => {
  expect([0, 1, 999, 1000, 1500, 5001, 60_000, 61_000, 3_600_000].map(formatTime)).toEqual([
    '0',
    '1ms',
    '999ms',
    '1s',
    '1.5s',
    '5.001s',
    '1m',
    '61s',
    '60m',
  ]);
});

test('a letter is one character that means nothing else', () => {
  expect(['a', 'Z', '7', 'é', '🙂'].every((text) => LETTER.test(text))).toBe(true);
  expect(['', 'ab', ' ', '-', '(', ')', '|', '#', '^', '!', '?', '*'].some((text) => LETTER.test(text))).toBe(
    false,
  );
});
