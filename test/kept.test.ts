import { expect, test } from '@jest/globals';
import { createTraceStore } from '../src/correlate/store.ts';
import { createJournal } from '../src/journal.ts';
import { KEPT_IN_FLOOD } from '../src/kept.ts';
import { freshMessage } from './deliver/fixtures.ts';

const SECOND = 1_700_000_000_000;
const BATCH = 100;

test('after a flood, correlation and the journal remember the same messages, in one copy', () => {
  const most = 1_000_000;
  const store = createTraceStore({
    maxTraces: most,
    maxMessages: most,
    maxMessagesPerTrace: most,
    maxBytes: 1e9,
  });
  const journal = createJournal({ maxMessages: most, maxBytes: 1e9 }, { now: () => SECOND });
  const receive = (fromMs: number, perMs: number, count: number) => {
    for (let n = 0; n < count; n += BATCH) {
      const batch = Array.from({ length: BATCH }, (_, at) =>
        freshMessage(n + at, { receivedMs: fromMs + Math.floor((n + at) / perMs), jobId: 'j' }),
      );
      for (const message of batch) store.add(message);
      journal.note({ kind: 'batched', batch: 'b', reason: 'count', size: BATCH }, batch);
    }
  };
  // Seconds that the clock tells, whenever the first message came.
  receive(SECOND + 300, 20, 11_000);
  receive(SECOND + 1000, 20, 5000);
  const kept = store.job('j')?.messages.filter(({ receivedMs }) => receivedMs >= SECOND + 1000) ?? [];
  expect(kept).toHaveLength(KEPT_IN_FLOOD);
  const remembered = new Set(journal.messages());
  expect(kept.every((message) => remembered.has(message))).toBe(true);
});
