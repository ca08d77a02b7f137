import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { didYouMean, editDistance, nearest } from '../../src/config/suggest.ts';

describe('editDistance', () => {
  test.each([
    ['', '', 0],
    ['abc', 'abc', 0],
    ['abc', '', 3],
    ['timescale', 'timescaledb', 2],
    ['hots', 'host', 1],
    ['metrics', 'metric', 1],
    ['kitten', 'sitting', 3],
    ['ca', 'abc', 3],
  ])('%j to %j is %d', (a, b, distance) => expect(editDistance(a, b)).toBe(distance));

  test('is a distance: symmetric, zero only for equals, never more than the longer text', () => {
    const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 8 });
    fc.assert(
      fc.property(word, word, (a, b) => {
        const distance = editDistance(a, b);
        expect(distance).toBe(editDistance(b, a));
        expect(distance === 0).toBe(a === b);
        expect(distance).toBeLessThanOrEqual(Math.max(a.length, b.length));
        expect(distance).toBeGreaterThanOrEqual(Math.abs(a.length - b.length));
      }),
    );
  });
});

describe('nearest', () => {
  const backends = ['timescaledb', 'nfs-file', 's3', 'cloudwatch'];

  test.each([
    ['timescale', 'timescaledb'],
    ['TimescaleDB', 'timescaledb'],
    ['nfs_file', 'nfs-file'],
    ['cloudwtach', 'cloudwatch'],
  ])('%s is meant as %s', (word, meant) => expect(nearest(word, backends)).toBe(meant));

  test.each(['kafka', 'x', '', 'timescaledb-replica-of-the-other-site'])('%j is near to nothing', (word) =>
    expect(nearest(word, backends)).toBeUndefined(),
  );

  test('does not turn a short name into an altogether different one', () => {
    expect(nearest('b', ['a'])).toBeUndefined();
    expect(nearest('s4', ['s3'])).toBe('s3');
  });

  test('takes the nearer of two, and the first of equals', () => {
    expect(nearest('portt', ['ports', 'port'])).toBe('ports');
    expect(nearest('type', ['tape', 'types'])).toBe('tape');
  });
});

test('didYouMean is the end of a sentence, or nothing', () => {
  expect(didYouMean('hots', ['host', 'port'])).toBe('; did you mean "host"?');
  expect(didYouMean('colour', ['host', 'port'])).toBe('');
  expect(didYouMean('x'.repeat(1e6), ['host'])).toBe('');
});
