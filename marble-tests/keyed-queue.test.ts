import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createKeyedQueue } from '../src/flow/keyed-queue.ts';

test('is a Map whose keys go to the end when they are set', () => {
  const step = fc.record({
    kind: fc.constantFrom('set', 'delete', 'shift'),
    key: fc.nat(8),
    value: fc.nat(),
  });
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const queue = createKeyedQueue<number, number>();
      const model = new Map<number, number>();
      for (const { kind, key, value } of steps) {
        if (kind === 'delete') expect(queue.delete(key)).toBe(model.delete(key));
        else if (kind === 'set') {
          queue.set(key, value);
          model.delete(key);
          model.set(key, value);
        } else {
          for (const [oldest] of queue) {
            if (oldest > key) break;
            queue.delete(oldest);
          }
          for (const oldest of model.keys()) {
            if (oldest > key) break;
            model.delete(oldest);
          }
        }
        expect([...queue]).toEqual([...model]);
        expect(queue.size).toBe(model.size);
        expect([queue.get(key), queue.has(key)]).toEqual([model.get(key), model.has(key)]);
      }
    }),
  );
});
