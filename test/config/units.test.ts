import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { duration, parseDuration, parseSize, size } from '../../src/config/units.ts';

describe('parseDuration', () => {
  test.each([
    ['500ms', 500],
    ['5s', 5000],
    ['1.5s', 1500],
    ['1m', 60_000],
    ['2h', 7_200_000],
    ['1d', 86_400_000],
    ['0s', 0],
    ['0.4ms', 0],
  ])('%s is %d ms', (text, ms) => expect(parseDuration(text)).toBe(ms));

  test.each(['', '5', 's', '5 s', '-5s', '5S', '1m30s', '5sec', '1e3s', '.5s', '5s ', '٥s'])(
    '%j is none',
    (text) => expect(parseDuration(text)).toBeUndefined(),
  );
});

describe('parseSize', () => {
  test.each([
    ['512B', 512],
    ['64KiB', 65_536],
    ['1MiB', 1_048_576],
    ['10MB', 10_000_000],
    ['1.5 GiB', 1_610_612_736],
    ['1mib', 1_048_576],
    ['2TB', 2e12],
  ])('%s is %d bytes', (text, bytes) => expect(parseSize(text)).toBe(bytes));

  test.each(['', '5', 'MiB', '-1MiB', '1 M', '1MiBs', '1iB', '0x10B', '1  MiB'])('%j is none', (text) =>
    expect(parseSize(text)).toBeUndefined(),
  );
});

test('no text makes them throw or yield anything but a number that is whole and not negative', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 12 }), (text) => {
      for (const value of [parseDuration(text), parseSize(text)]) {
        if (value !== undefined) expect(Number.isInteger(value) && value >= 0).toBe(true);
      }
    }),
  );
});

describe('the schemas', () => {
  const messageOf = (schema: ReturnType<typeof duration>, input: unknown) =>
    schema.safeParse(input).error?.issues.map(({ message }) => message);

  test('come out in milliseconds and bytes', () => {
    expect(duration().parse('5s')).toBe(5000);
    expect(size().parse('1MiB')).toBe(1_048_576);
  });

  test('say what they want', () => {
    expect(messageOf(duration(), '5')).toEqual(['expected a duration such as 500ms, 5s, 1m, 2h or 1d']);
    expect(messageOf(size(), 'big')).toEqual(['expected a size such as 512B, 64KiB, 1MiB or 10MB']);
  });

  test('say that a bare number has no unit', () => {
    expect(messageOf(duration(), 5)).toEqual([
      'expected a duration such as 500ms, 5s, 1m, 2h or 1d; a number needs its unit, as in 5s',
    ]);
    expect(messageOf(size(), 0)?.[0]).toMatch(/a number needs its unit, as in 5MiB$/);
  });

  test('keep to their bounds, in the words of the configuration', () => {
    expect(messageOf(duration({ min: '1s', max: '1h' }), '999ms')).toEqual(['must be between 1s and 1h']);
    expect(messageOf(duration({ min: '1s', max: '1h' }), '61m')).toEqual(['must be between 1s and 1h']);
    expect(duration({ min: '1s', max: '1h' }).parse('1s')).toBe(1000);
    expect(duration({ min: '1s', max: '1h' }).parse('60m')).toBe(3_600_000);
    expect(messageOf(size({ max: '8MiB' }), '9MiB')).toEqual(['must be between 1B and 8MiB']);
  });

  test('refuse what a timer cannot wait for, and zero', () => {
    expect(messageOf(duration(), '25d')).toEqual(['must be between 1ms and 24d']);
    expect(messageOf(duration(), '0s')).toEqual(['must be between 1ms and 24d']);
    expect(messageOf(size(), '9e9TiB')).toHaveLength(1);
    expect(messageOf(size(), `${'9'.repeat(400)}TiB`)).toEqual(['must be between 1B and 1024TiB']);
  });
});
