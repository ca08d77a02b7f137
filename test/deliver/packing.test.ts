import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { pack, unpack, unpackLater } from '../../src/deliver/packing.ts';
import { createSlab } from '../../src/deliver/slab.ts';
import { jsonOf, type Message } from '../../src/message.ts';
import { messages } from './arbitrary.ts';

const list = fc.array(messages, { minLength: 1, maxLength: 6 });
/** All that is known of a message but where its text is. */
const plain = (message: Message | undefined) =>
  message && { ...message, json: jsonOf(message), text: undefined, start: 0, parsed: undefined };

test('of packed messages any may be looked at, one alone or all', () => {
  fc.assert(
    fc.property(list, fc.boolean(), (all, isListed) => {
      const later = unpackLater(pack(all, createSlab()));
      expect(later).toHaveLength(all.length);
      if (isListed) expect([...later].map(plain)).toEqual(all.map(plain));
      for (let at = -all.length - 1; at <= all.length; at++)
        expect(plain(later.at(at))).toEqual(plain(all.at(at)));
      expect(later.map(({ id }) => id)).toEqual(all.map(({ id }) => id));
      expect(later.filter(({ seq }) => seq > 5).length).toBe(all.filter(({ seq }) => seq > 5).length);
      expect(later.some(({ seq }) => seq > 5)).toBe(all.some(({ seq }) => seq > 5));
    }),
  );
});

test('wherever packed bytes lie, they are read, in part too', () => {
  fc.assert(
    fc.property(list, fc.nat({ max: 9 }), fc.nat(5), fc.nat(5), (all, shift, one, other) => {
      const [from, to] = [one, other].map((at) => Math.min(at, all.length)).sort((a, b) => a - b);
      const packed = pack(all, createSlab());
      const moved = Buffer.concat([Buffer.alloc(shift), packed.bytes]).subarray(shift);
      const part = unpack({ ...packed, bytes: moved }, from, to);
      expect(part.messages.map(plain)).toEqual(all.slice(from, to).map(plain));
      expect(part.lines.toString()).toBe(part.messages.map((message) => `${jsonOf(message)}\n`).join(''));
    }),
  );
});

test("what was looked at stays once the memory is another's, and nothing else can be looked at", () => {
  const all = fc.sample(list, { numRuns: 1, seed: 7 })[0] as Message[];
  const slab = createSlab();
  const seen = unpackLater(pack(all, slab));
  const first = plain(seen.at(0));
  const kept = [...seen];
  seen.end();
  seen.end();
  pack(fc.sample(list, { numRuns: 1, seed: 8 })[0] as Message[], slab);
  expect(kept.map(plain)).toEqual(all.map(plain));
  expect(plain(seen.at(0))).toEqual(first);
  const unseen = unpackLater(pack(all, slab));
  unseen.end();
  expect(unseen).toHaveLength(all.length);
  expect(() => unseen.at(0)).toThrow('given up');
  expect(() => [...unseen]).toThrow('given up');
});
