import { expect, test } from '@jest/globals';
import { asyncScheduler } from 'rxjs';
import type { Step } from '../../src/context.ts';
import { createJournal } from '../../src/journal.ts';
import { createTaps } from '../../src/live/taps.ts';
import type { Message } from '../../src/message.ts';
import { createLive } from '../../src/sidecar/live.ts';
import { message } from '../deliver/fixtures.ts';
import { sourcesOf } from '../http/serving.ts';

const SECOND = 1_700_000_000_000;

/** The n-th message, received so many milliseconds after the start. */
const at = (n: number, atMs: number, source: string) => message(n, { source, receivedMs: SECOND + atMs });
const [SLOW_1, SLOW_2, FAST_1, FAST_2] = [
  at(1, 0, 'slow'),
  at(4, 5, 'slow'),
  at(2, 1, 'fast'),
  at(3, 5, 'fast'),
];

/** A journal of open batches, and what `/api/v1/messages` shows of it. */
function open(...batches: readonly (readonly Message[])[]) {
  const journal = createJournal({ maxMessages: 1000, maxBytes: 1e6 }, { now: () => SECOND + 10 });
  let waiting = batches;
  journal.batching(() => waiting.flat());
  const close = (closed: readonly Message[]) => {
    waiting = waiting.filter((one) => one !== closed);
    const step: Step = { kind: 'batched', batch: 'b', reason: 'age', size: closed.length };
    journal.note(step, closed);
  };
  const { overview, health, config, traces } = sourcesOf();
  const parts = { overview, health, config, traces, journal, unreadSince: () => [], taps: createTaps() };
  const live = createLive({ ...parts, redact: () => (value) => value }, asyncScheduler);
  const page = (limit: number, cursor?: string) => {
    const { messages, next } = live.messages({}, limit, cursor);
    return { shown: messages.map(({ record }) => record?.n), next };
  };
  return { close, page };
}

test('the newest received comes first, though its batch closes before that of an older one', () => {
  const [slow, fast] = [
    [SLOW_1, SLOW_2],
    [FAST_1, FAST_2],
  ];
  const { close, page } = open(slow, fast);
  expect(page(9).shown).toEqual([4, 3, 2, 1]);
  close(fast);
  expect(page(9).shown).toEqual([4, 3, 2, 1]);
  close(slow);
  expect(page(9).shown).toEqual([4, 3, 2, 1]);
});

test('batches that close between two pages change nothing of what follows', () => {
  const [slow, fast] = [
    [SLOW_1, SLOW_2],
    [FAST_1, FAST_2],
  ];
  const { close, page } = open(slow, fast);
  const first = page(1);
  close(slow);
  const second = page(1, first.next);
  close(fast);
  const third = page(9, second.next);
  expect([...first.shown, ...second.shown, ...third.shown]).toEqual([4, 3, 2, 1]);
});
