import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { memberBytes } from '../src/arena.ts';
import { type Batch, createBatch, mergeBatches, ndjsonOf } from '../src/batch.ts';
import { createSlab } from '../src/deliver/slab.ts';
import { decodeItem, encodeItem, packItem } from '../src/deliver/spool/item.ts';
import { dataOf, jsonOf, linkMessage, type Message, withData } from '../src/message.ts';
import { detachMessage, gatherLines, ownCopyOf } from '../src/message-text.ts';
import { batchOf, messageOf } from './route/support.ts';

/** What may be done with messages, each to those that the numbers choose. */
const STEPS = [
  'create',
  'link',
  'change',
  'spread',
  'copy',
  'freeze',
  'detach',
  'gather',
  'batch',
  'merge',
  'spool',
] as const;

const step = fc.record({
  kind: fc.constantFrom(...STEPS),
  chosen: fc.array(fc.nat(), { minLength: 1, maxLength: 12 }),
  text: fc.oneof(fc.string({ unit: 'grapheme', maxLength: 40 }), fc.constant('x'.repeat(40_000))),
});

const linesOf = (messages: readonly Message[], texts: ReadonlyMap<Message, string>) =>
  messages.map((message) => `${texts.get(message)}\n`).join('');

test('no message ever has a text but its own, whoever holds, copies, repeats, batches or spools it', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 60 }), (steps) => {
      const first = messageOf('first', { data: { n: -1 } });
      const messages = [first];
      const texts = new Map([[first, jsonOf(first)]]);
      const batches: { readonly batch: Batch; readonly lines: string }[] = [];
      const know = (message: Message, text: string) => {
        messages.push(message);
        texts.set(message, text);
      };
      const keep = (batch: Batch, lines: string) => batches.push({ batch, lines });

      for (const [n, { kind, chosen, text }] of steps.entries()) {
        const picked = chosen.map((at) => messages[at % messages.length] as Message);
        const one = picked[0] as Message;
        const before = texts.get(one) as string;
        if (kind === 'create' || kind === 'link') {
          const message = messageOf(`m${n}`, { data: { n, text } });
          const json = jsonOf(message);
          if (kind === 'link') linkMessage(message, 'j', '', Buffer.from(',"job_id":"jö"'));
          know(message, kind === 'link' ? `${json.slice(0, -1)},"job_id":"jö"}` : json);
        } else if (kind === 'change') {
          const changed = withData(one, { n, text });
          const json = before.replace(JSON.stringify(dataOf(one)), () => JSON.stringify({ n, text }));
          know(changed, json);
        } else if (kind === 'spread') know({ ...one }, before);
        else if (kind === 'copy') know(ownCopyOf(one), before);
        else if (kind === 'freeze') Object.freeze(one);
        else if (kind === 'detach') detachMessage(one);
        else if (kind === 'gather')
          expect(gatherLines(picked).toString() === linesOf(picked, texts)).toBe(true);
        else if (kind === 'batch') keep(batchOf(picked), linesOf(picked, texts));
        else if (kind === 'merge' && batches.length > 0) {
          const several = chosen.map((at) => batches[at % batches.length] as (typeof batches)[number]);
          keep(mergeBatches(several.map(({ batch }) => batch)), several.map(({ lines }) => lines).join(''));
        } else if (kind === 'spool' && batches.length > 0) {
          const { batch, lines } = batches[
            (chosen[0] as number) % batches.length
          ] as (typeof batches)[number];
          const target = { key: 'k' };
          const item = { batch, target, priority: 1, whenFull: 'spill', offeredMs: 0, sends: 0, failures: 0 };
          const restored = decodeItem(
            Buffer.concat(encodeItem(packItem(item as never, createSlab()), false)),
          ).batch;
          keep(restored, lines);
          for (const [at, message] of restored.messages.entries()) {
            know(message, texts.get(batch.messages[at] as Message) as string);
          }
        }
      }
      // One comparison each: an assertion a message would take most of the time.
      expect(messages.filter((message) => jsonOf(message) !== texts.get(message))).toEqual([]);
      expect(batches.filter(({ batch, lines }) => ndjsonOf(batch).toString() !== lines)).toEqual([]);
    }),
    { numRuns: 500 },
  );
});

test('a batch with the same message many times has its line as often', () => {
  const message = messageOf('a', { data: { text: 'x'.repeat(100) } });
  const line = `${jsonOf(message)}\n`;
  const messages = Array.from({ length: 50 }, () => message);
  const batch = createBatch(messages, 50 * message.bytes, 'count');
  expect(ndjsonOf(batch).toString()).toBe(line.repeat(50));
  expect(jsonOf(message)).toBe(line.trimEnd());
});

test('what is kept of many ids lies close together, whatever else is allocated meanwhile', () => {
  const members = Array.from({ length: 1000 }, (_, nth) => {
    Buffer.allocUnsafe(2000);
    return memberBytes('job_id', `jöb-${nth}`);
  });
  expect(members.map(String)).toEqual(members.map((_, nth) => `,"job_id":"jöb-${nth}"`));
  const memory = [...new Set(members.map(({ buffer }) => buffer))].reduce(
    (sum, { byteLength }) => sum + byteLength,
    0,
  );
  expect(memory).toBeLessThan(Buffer.concat(members).length + 2 * 8192);
});
