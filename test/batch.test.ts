import { describe, expect, test } from '@jest/globals';
import { of, VirtualTimeScheduler } from 'rxjs';
import { batch, createBatch, mergeBatches, ndjsonOf } from '../src/batch.ts';
import { NO_COUNTERS } from '../src/context.ts';
import { jsonOf, type Message } from '../src/message.ts';
import { batchOf, letters, messageOf } from './route/support.ts';

test('batch closes batches by source, counts them, and sends a critical one at once', () => {
  const counted: string[] = [];
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const context = {
    scheduler: new VirtualTimeScheduler(),
    log,
    random: () => 0,
    counters: {
      ...NO_COUNTERS,
      batched: (reason: string, count: number) => counted.push(`${reason} ${count}`),
    },
  };
  const limits = {
    maxCount: 2,
    maxAgeMs: 1000,
    maxBytes: 1e6,
    maxOpenBytes: 1e6,
    isUrgent: ({ severity }: Message) => severity >= 5,
  };
  const seen: string[] = [];
  const from = (id: string, source: string, over = {}) => messageOf(id, { source }, over);
  of(from('a', 's'), from('b', 't'), from('c', 's'), from('d', 'u', { severity: 6 }))
    .pipe(batch(of(limits), context))
    .subscribe(({ id, source, reason }) => seen.push(`${id} ${source} ${reason}`));
  expect(seen).toEqual(['a-2 s count', 'd-1 u critical', 'b-1 t flush']);
  expect(counted).toEqual(['count 2', 'critical 1', 'flush 1']);
});

describe('a batch', () => {
  test('has an id of its first message and its count', () => {
    expect(letters('xyz')).toMatchObject({ id: 'x-3', source: 's', parts: undefined });
    expect(() => createBatch([], 0, 'count')).toThrow(RangeError);
  });

  test('is encoded once, a line a message, whatever the script', () => {
    const made = batchOf([messageOf('a', { data: { text: 'größer\n🎉' } }), messageOf('b')]);
    expect(ndjsonOf(made)).toBe(ndjsonOf(made));
    expect(ndjsonOf(made).toString()).toBe(made.messages.map((message) => `${jsonOf(message)}\n`).join(''));
  });
});

describe('merged batches', () => {
  test('are in order, with their sums, and share what is encoded', () => {
    const [first, second] = [letters('ab'), letters('cd')];
    ndjsonOf(first);
    const merged = mergeBatches([first, second]);
    expect(merged).toMatchObject({
      id: 'a-4',
      source: 's',
      bytes: first.bytes + second.bytes,
      parts: [first, second],
    });
    expect(ndjsonOf(merged)).toEqual(Buffer.concat([first, second].map(ndjsonOf)));
    expect(
      ndjsonOf(mergeBatches([merged, letters('e')]))
        .toString()
        .split('\n'),
    ).toHaveLength(6);
  });

  test('of several sources have none', () => {
    expect(mergeBatches([letters('a'), letters('b', 't')]).source).toBe('');
  });

  test('of one is that one, of none is an error', () => {
    const one = letters('a');
    expect(mergeBatches([one])).toBe(one);
    expect(() => mergeBatches([])).toThrow(RangeError);
  });

  test('of more batches than a call may have arguments', () => {
    const many = Array.from({ length: 300_000 }, (_, n) => letters(n === 299_999 ? 'z' : 'a'));
    const { messages } = mergeBatches(many);
    expect(messages).toHaveLength(300_000);
    expect(messages.at(-1)!.id).toBe(letters('z').messages[0]!.id);
  });
});
