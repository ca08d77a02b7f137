import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createSlab, type Piece } from '../../src/deliver/slab.ts';

const MIB = 2 ** 20;

test('a piece keeps its bytes until it is free, whatever comes and goes meanwhile', () => {
  const steps = fc.array(
    fc.record({ size: fc.oneof(fc.nat({ max: 2000 }), fc.nat({ max: 3 * MIB })), free: fc.nat() }),
    { maxLength: 60 },
  );
  fc.assert(
    fc.property(steps, (list) => {
      const slab = createSlab();
      const held: { piece: Piece; mark: number }[] = [];
      for (const [n, { size, free }] of list.entries()) {
        const piece = slab.allocate(size);
        expect(piece.bytes).toHaveLength(size);
        expect(piece.bytes.byteOffset % 8).toBe(0);
        piece.bytes.fill(n);
        held.push({ piece, mark: n });
        if (free % 3 > 0) for (const { piece } of held.splice(free % held.length, free % 3)) piece.free();
        for (const { piece, mark } of held) {
          expect(piece.bytes.every((byte) => byte === mark)).toBe(true);
        }
      }
      for (const { piece } of held) piece.free();
    }),
    { numRuns: 60 },
  );
});

test('freeing a piece twice frees nothing else', () => {
  const slab = createSlab();
  const [twice, kept] = [slab.allocate(300_000), slab.allocate(300_000)];
  kept.bytes.fill(7);
  twice.free();
  twice.free();
  for (let n = 0; n < 6; n++) slab.allocate(300_000).bytes.fill(1);
  expect(kept.bytes.every((byte) => byte === 7)).toBe(true);
});

test('memory that is free is used again', () => {
  const slab = createSlab();
  const chunks = new Set<ArrayBufferLike>();
  const waiting: { piece: Piece; mark: number }[] = [];
  for (let n = 0; n < 2000; n++) {
    const piece = slab.allocate(100_000);
    chunks.add(piece.bytes.buffer);
    piece.bytes.fill(n);
    waiting.push({ piece, mark: n % 256 });
    const oldest = n < 30 ? undefined : waiting.shift();
    if (oldest === undefined) continue;
    expect(oldest.piece.bytes.every((byte) => byte === oldest.mark)).toBe(true);
    oldest.piece.free();
  }
  // Three megabytes wait; 200 have passed.
  expect(chunks.size).toBeLessThan(8);
});
