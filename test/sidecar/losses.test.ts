import { expect, test } from '@jest/globals';
import { type Ending, outcome } from '../../src/deliver/outcome.ts';
import { createLosses, warningOf } from '../../src/sidecar/losses.ts';
import { message } from '../deliver/fixtures.ts';

function open() {
  const clock = { ms: 1_000_000 };
  const losses = createLosses({ now: () => clock.ms });
  const note = (ending: Ending, reason: string, unread = 0) =>
    losses.note({ ...outcome(ending, 'a', reason, unread > 0 ? [] : [message(1)]), unread });
  return { clock, losses, note };
}

test('what was lost in the last minute is counted by backend and reason, what was not read too', () => {
  const { clock, losses, note } = open();
  note('shed', 'spool_full', 232_600);
  clock.ms += 30_000;
  note('shed', 'spool_full', 100);
  note('dead_lettered', 'permanent_unwritten');
  expect(losses.recent()).toEqual([
    { backend: 'a', reason: 'spool_full', messages: 232_700 },
    { backend: 'a', reason: 'permanent_unwritten', messages: 1 },
  ]);
  clock.ms += 30_000;
  expect(losses.recent()).toMatchObject([{ messages: 100 }, { messages: 1 }]);
  clock.ms += 30_000;
  expect(losses.recent()).toEqual([]);
});

test('what a spool has given up unread is known since any time', () => {
  const { clock, losses, note } = open();
  note('shed', 'queue_full');
  for (let n = 0; n < 4000; n++, clock.ms += 1000) note('shed', 'spool_full', 1);
  const since = (ms: number) => losses.unreadSince('a', ms);
  expect(since(0)).toEqual([{ backend: 'a', reason: 'spool_full', messages: 4000 }]);
  expect(since(clock.ms - 3_600_000)).toEqual([{ backend: 'a', reason: 'spool_full', messages: 4000 }]);
  expect(since(clock.ms - 3000)).toMatchObject([{ messages: 3 }]);
  expect([...since(clock.ms), ...losses.unreadSince('b', 0)]).toEqual([]);
});

test('what came somewhere is no loss', () => {
  const { losses, note } = open();
  note('delivered', 'ok');
  note('filtered', 'filter');
  note('dead_lettered', 'permanent');
  expect(losses.recent()).toEqual([]);
});

test('of a clock that is set back nothing is left over', () => {
  const { clock, losses, note } = open();
  note('shed', 'queue_full');
  clock.ms -= 10_000;
  expect(losses.recent()).toEqual([]);
});

test.each([
  ['spool_full', 232_700, '232,700 messages were given up in the last minute, as its spool is full'],
  ['no_backend_unwritten', 1, '1 message was given up in the last minute, and no dead letter is kept'],
  ['something_new', 2, '2 messages were given up in the last minute, reason something_new'],
])('%s of %d is told', (reason, messages, text) => {
  expect(warningOf({ backend: 'a', reason, messages })).toBe(`backend a: ${text}`);
});
