import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createHeap } from '../../src/deliver/heap.ts';

interface Item {
  readonly rank: number;
  slot: number;
}

const item = (rank: number): Item => ({ rank, slot: -1 });
const byRank = (a: Item, b: Item) => a.rank < b.rank;

describe('heap', () => {
  test('an empty heap has no first item', () => {
    expect(createHeap<Item>(byRank).first()).toBeUndefined();
  });

  test('gives its items back in order', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20), { maxLength: 50 }), (ranks) => {
        const heap = createHeap<Item>(byRank);
        for (const rank of ranks) heap.push(item(rank));
        const drained: number[] = [];
        for (let first = heap.first(); first !== undefined; first = heap.first()) {
          drained.push(first.rank);
          heap.remove(first);
        }
        expect(drained).toEqual(ranks.toSorted((a, b) => a - b));
      }),
    );
  });

  test('removes from anywhere, and every item knows its slot', () => {
    const step = fc.oneof(fc.record({ push: fc.nat(20) }), fc.record({ remove: fc.nat() }));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const heap = createHeap<Item>(byRank);
        const model = new Set<Item>();
        for (const action of steps) {
          if ('push' in action) {
            const added = item(action.push);
            heap.push(added);
            model.add(added);
          } else if (model.size > 0) {
            const victim = [...model][action.remove % model.size]!;
            heap.remove(victim);
            model.delete(victim);
            expect(victim.slot).toBe(-1);
          }
          heap.items().forEach((kept, slot) => {
            expect(kept.slot).toBe(slot);
          });
          expect(new Set(heap.items())).toEqual(model);
          const least = Math.min(...[...model].map(({ rank }) => rank));
          expect(heap.first()?.rank).toBe(model.size === 0 ? undefined : least);
        }
      }),
    );
  });
});
