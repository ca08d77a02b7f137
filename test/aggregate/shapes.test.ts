import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createShapes, NONE } from '../../src/aggregate/shapes.ts';

test('knows what it was taught, whatever hashes are alike, and nothing else, within its bound', () => {
  // Few halves, so that some have the same slot, the same half, or are negative.
  const half = fc.constantFrom(0, 1, 64, 65, 128, -1, -64, 2 ** 31 - 1, -(2 ** 31));
  const number = fc.integer({ min: NONE, max: 5 });
  const shape = fc.record({ hash: half, check: half, series: fc.array(number, { maxLength: 16 }) });
  fc.assert(
    fc.property(fc.array(shape, { maxLength: 120 }), fc.constantFrom(3, 40, 1000), (all, max) => {
      const shapes = createShapes(max);
      const known = new Map<string, readonly number[]>();
      const keyOf = ({ hash, check }: { hash: number; check: number }) => `${hash} ${check}`;
      for (const one of all) {
        const at = shapes.find(one.hash, one.check);
        const series = known.get(keyOf(one));
        expect(at === NONE).toBe(series === undefined);
        if (series !== undefined) {
          const length = shapes.length(at);
          expect(Array.from({ length }, (_, nth) => shapes.series(at, nth))).toEqual(series);
          expect(shapes.values(at)).toBe(series.filter((each) => each !== NONE).length);
          continue;
        }
        if (known.size === max) known.clear();
        shapes.learn(one.hash, one.check, one.series);
        known.set(keyOf(one), one.series);
      }
      shapes.forgetAll();
      for (const one of all) expect(shapes.find(one.hash, one.check)).toBe(NONE);
    }),
  );
});

test('grows beyond thousands', () => {
  const shapes = createShapes(5000);
  for (let n = 0; n < 5000; n++) shapes.learn(n % 7, n, [n]);
  for (let n = 0; n < 5000; n++) expect(shapes.series(shapes.find(n % 7, n), 0)).toBe(n);
});
