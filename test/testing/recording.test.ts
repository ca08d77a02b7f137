import { describe, expect, test } from '@jest/globals';
import { randomOf, recordingLog } from '../../src/testing/recording.ts';

describe('randomOf', () => {
  const draw = (seed: number) => Array.from({ length: 1000 }, randomOf(0, seed));

  test('the same number without a seed', () => {
    const random = randomOf(0.25, undefined);
    expect([random(), random()]).toEqual([0.25, 0.25]);
  });

  test.each([0, 1, -1, 7, 2 ** 31, -(2 ** 31)])(
    'seed %i: from 0 to below 1, evenly enough, the same every time',
    (seed) => {
      const numbers = draw(seed);
      expect(numbers.every((number) => number >= 0 && number < 1)).toBe(true);
      expect(new Set(numbers).size).toBeGreaterThan(990);
      const mean = numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
      expect(Math.abs(mean - 0.5)).toBeLessThan(0.05);
      expect(draw(seed)).toEqual(numbers);
    },
  );
});

test('the log keeps warnings and errors, with their fields', () => {
  const lines: string[] = [];
  const log = recordingLog(lines);
  log.debug({}, 'no');
  log.info({}, 'no');
  log.warn({ backend: 'one', messages: 2, none: undefined }, 'careful');
  log.error({ err: new Error('broken'), list: ['a'] }, 'wrong');
  expect(lines).toEqual([
    'warn: careful backend="one" messages=2 none=',
    'error: wrong err=broken list=["a"]',
  ]);
});
