import { describe, expect, test } from '@jest/globals';
import type { Step } from '../../src/context.ts';
import { outcome } from '../../src/deliver/outcome.ts';
import { pack, unpackLater } from '../../src/deliver/packing.ts';
import { createSlab } from '../../src/deliver/slab.ts';
import { createWhy } from '../../src/journal/story.ts';
import { createJournal, type JournalLimits } from '../../src/journal.ts';
import { KEPT_PER_SECOND } from '../../src/kept.ts';
import type { Message } from '../../src/message.ts';
import { ownCopyOf } from '../../src/message-text.ts';
import { noteEnding } from '../../src/sidecar/endings.ts';
import { freshMessage, message } from '../deliver/fixtures.ts';
import { collectGarbage } from '../deliver/garbage.ts';

const SECOND = 1_700_000_000_000;

function open(limits: Partial<JournalLimits> = {}) {
  const clock = { ms: SECOND };
  const journal = createJournal(
    { maxMessages: 1000, maxBytes: 1_000_000, ...limits },
    { now: () => clock.ms },
  );
  const why = createWhy(journal);
  /** Notes a step a millisecond later. */
  const note = (step: Step, ...messages: readonly Message[]) => {
    clock.ms++;
    journal.note(step, messages);
  };
  return { clock, journal, why, note };
}

const at = (n: number, over: Partial<Message> = {}) =>
  message(n, { receivedMs: SECOND, timeMs: SECOND, ...over });
const batched = (size: number): Step => ({ kind: 'batched', batch: 'b', reason: 'age', size });
const matched: Step = { kind: 'matched', backend: 'db', rule: 'routing.s[0]' };
const queued: Step = { kind: 'queued', backend: 'db', target: 'events' };
const tried = (attempt: number, error = ''): Step => ({
  kind: 'tried',
  backend: 'db',
  attempt,
  verdict: error === '' ? 'accepted' : 'transient',
  error,
  place: error === '' ? 'events' : '',
  ms: 3,
});
const ended = (ending: string, reason: string, backend = 'db'): Step => ({
  kind: 'ended',
  backend,
  ending,
  reason,
});

describe('a story', () => {
  test('from batch to backend, with each attempt', () => {
    const { why, note } = open();
    const [one, two] = [at(1, { jobId: 'j', seq: 7 }), at(2)];
    note(batched(2), one, two);
    note(ended('filtered', 'not_routed', 'files'), one, two);
    note(matched, one);
    note(ended('filtered', 'filter'), two);
    note(queued, one);
    note(tried(1, 'Error: gone'), one);
    expect(why.find(one.id)).toMatchObject({
      backends: [{}, { state: 'retrying', because: 'it is sent again: Error: gone' }],
    });
    note(tried(2), one);
    note(ended('delivered', 'ok'), one);
    expect(why.find(one.id)).toEqual({
      message: {
        id: one.id,
        source: 's',
        type: 'event',
        timestamp: '2023-11-14T22:13:20.000Z',
        received_at: '2023-11-14T22:13:20.000Z',
        job_id: 'j',
        seq: 7,
      },
      batch: {
        id: 'b',
        size: 2,
        closed: '2023-11-14T22:13:20.001Z',
        because: 'its first message had waited long enough',
      },
      backends: [
        {
          backend: 'files',
          state: 'filtered',
          because: 'no rule sends its source to this backend',
          rules: [],
          attempts: [],
          ended: '2023-11-14T22:13:20.002Z',
        },
        {
          backend: 'db',
          state: 'delivered',
          because: 'the backend has taken it',
          rules: ['routing.s[0]'],
          queued: '2023-11-14T22:13:20.005Z',
          target: 'events',
          attempts: [
            {
              time: '2023-11-14T22:13:20.006Z',
              attempt: 1,
              result: 'transient',
              ms: 3,
              error: 'Error: gone',
            },
            { time: '2023-11-14T22:13:20.007Z', attempt: 2, result: 'accepted', ms: 3 },
          ],
          place: 'events',
          ended: '2023-11-14T22:13:20.008Z',
        },
      ],
    });
    expect(why.find(two.id)).toMatchObject({
      backends: [{}, { backend: 'db', state: 'filtered', because: 'the rule’s filter does not take it' }],
    });
  });

  test.each([
    ['filtered', 'operator:dedupe', 'operator dedupe dropped it'],
    ['shed', 'queue_full', 'the queue was full, and the backend made no progress'],
    ['dead_lettered', 'permanent', 'the backend will never take it; sidecar dlq shows it'],
    [
      'dead_lettered',
      'permanent_unwritten',
      'the backend will never take it; no dead letter could be kept of it',
    ],
    ['shed', 'something_new', 'something_new'],
  ])('%s for %s: %s', (ending, reason, because) => {
    const { why, note } = open();
    note(batched(1), at(1));
    note(ended(ending, reason), at(1));
    expect(why.find(at(1).id)).toMatchObject({ backends: [{ state: ending, because }] });
  });

  test('tells what an operator threw, of each message its own', () => {
    const { why, note, journal } = open();
    note(batched(2), at(1), at(2));
    const end = outcome('dead_lettered', 'db', 'operator_failed', [at(1), at(2)]);
    noteEnding(journal, { ...end, errors: ['my.ts: bad 1', 'my.ts: bad 2'] });
    expect([1, 2].map((n) => why.find(at(n).id))).toMatchObject([
      { backends: [{ because: 'an operator failed on it: my.ts: bad 1; sidecar dlq shows it' }] },
      { backends: [{ because: 'an operator failed on it: my.ts: bad 2; sidecar dlq shows it' }] },
    ]);
  });

  test('that waits says what its backend’s spool has given up since; one that has ended does not', () => {
    const { journal, note, clock } = open();
    const asked: [string, number][] = [];
    const why = createWhy(journal, (backend, sinceMs) => {
      asked.push([backend, sinceMs]);
      return [{ reason: 'spool_full', messages: 2300 }];
    });
    note(batched(1), at(1));
    note(queued, at(1));
    const waits = why.find(at(1).id);
    expect(asked).toEqual([['db', clock.ms]]);
    expect(waits).toMatchObject({
      backends: [
        {
          state: 'waiting',
          because:
            'it waits in the backend’s queue or spool, or is being sent, or it is among 2,300 given up since then: the spool was full',
        },
      ],
    });
    note(ended('delivered', 'ok'), at(1));
    expect(why.find(at(1).id)).toMatchObject({ backends: [{ because: 'the backend has taken it' }] });
  });

  test('is in operators, or waits, until it is known', () => {
    const { why, note } = open();
    note(batched(1), at(1));
    note(matched, at(1));
    expect(why.find(at(1).id)).toMatchObject({ backends: [{ state: 'in_operators' }] });
    note(queued, at(1));
    expect(why.find(at(1).id)).toMatchObject({ backends: [{ state: 'waiting' }] });
  });
});

describe('by something else than the id', () => {
  test('a job, a trace, source:seq; the newest last', () => {
    const { why, note } = open();
    note(
      batched(3),
      at(1, { jobId: 'j' }),
      at(2, { traceId: 't', jobId: 'j' }),
      at(3, { source: 'a:b', seq: 17 }),
    );
    const ids = (id: string) => {
      const found = why.find(id);
      return found !== undefined && 'matches' in found ? found.matches.map((one) => one.id) : found;
    };
    expect(ids('j')).toEqual([at(1).id, at(2).id]);
    expect(ids('t')).toEqual([at(2).id]);
    expect(ids('a:b:17')).toEqual([at(3).id]);
    for (const unknown of ['', 'x', 'a:b:1', ':0', 's:0']) expect(ids(unknown)).toBeUndefined();
  });
});

describe('bounds', () => {
  test('what is new drives out what is old, by number and by bytes', () => {
    for (const limits of [{ maxMessages: 10 }, { maxBytes: 1000 }]) {
      const { why, journal, note } = open(limits);
      for (let n = 0; n < 2000; n++) note(batched(1), at(n, { bytes: 100 }));
      expect(journal.messages()).toHaveLength(10);
      expect(why.find(at(1990).id)).toBeDefined();
      expect(why.find(at(1989).id)).toBeUndefined();
    }
  });

  test('steps without messages are bounded too', () => {
    const { journal, note } = open({ maxMessages: 10 });
    note(batched(1), at(1));
    for (let n = 0; n < 10_000; n++) note(tried(n, 'x'), at(1));
    expect(journal.factsOf(at(1).id).length).toBeLessThanOrEqual(120);
  });

  test('0 remembers nothing, and a smaller bound forgets', () => {
    const { journal, note } = open({ maxMessages: 0 });
    note(batched(1), at(1));
    expect([journal.messages(), journal.sinceMs()]).toEqual([[], undefined]);
    journal.setLimits({ maxMessages: 10, maxBytes: 1e6 });
    note(batched(1), at(2));
    expect(journal.messages()).toHaveLength(1);
    journal.setLimits({ maxMessages: 0, maxBytes: 0 });
    expect(journal.messages()).toEqual([]);
  });

  test('what is forgotten takes no memory, and it answers as before', async () => {
    const { journal, note } = open({ maxMessages: 10 });
    const copies: WeakRef<object>[] = [];
    for (let n = 0; n < 30; n++) {
      const one = freshMessage(n, { receivedMs: SECOND });
      copies.push(new WeakRef(ownCopyOf(one)));
      note(batched(1), one);
    }
    const kept = () => copies.filter((copy) => copy.deref() !== undefined);
    await collectGarbage(() => kept().length <= 10);
    expect(kept()).toEqual(copies.slice(-10));
    expect(journal.messages()).toHaveLength(10);
    expect(journal.sinceMs()).toBe(SECOND + 21);
  });

  test('above the rate a part is remembered, with all of its steps, and every bad end', () => {
    const { why, journal, note } = open({ maxMessages: 100_000, maxBytes: 1e9 });
    const count = 3 * KEPT_PER_SECOND;
    const all = Array.from({ length: count }, (_, n) =>
      at(n, { receivedMs: SECOND + Math.floor((n * 1000) / count) }),
    );
    for (let n = 0; n < count; n += 100) {
      const part = all.slice(n, n + 100);
      note(batched(100), ...part);
      note(queued, ...part);
      note(ended('delivered', 'ok'), ...part);
    }
    const kept = journal.messages().length;
    expect(kept).toBeGreaterThanOrEqual(KEPT_PER_SECOND);
    expect(kept).toBeLessThan(1.2 * KEPT_PER_SECOND);
    for (const { id } of journal.messages()) {
      expect(why.find(id)).toMatchObject({ backends: [{ backend: 'db', state: 'delivered' }] });
    }
    const last = all.at(-1)!;
    expect(why.find(last.id)).toBeUndefined();
    note(ended('dead_lettered', 'permanent'), last);
    expect(why.find(last.id)).toMatchObject({
      message: { id: last.id },
      backends: [{ state: 'dead_lettered' }],
    });
    expect(why.memory()).toContain('above 2000 messages a second it is a part of them');
  });

  test('of messages that end badly in a flood most are not even made', () => {
    const { journal, note } = open({ maxMessages: 100_000, maxBytes: 1e9 });
    for (let n = 0; n < KEPT_PER_SECOND; n++) note(batched(1), at(n));
    const late = Array.from({ length: 10 }, (_, n) => at(n, { receivedMs: SECOND + 900 }));
    const slab = createSlab();
    let looks = 0;
    const shed = () => {
      const later = unpackLater(pack(late, slab));
      const looking = <T>(look: T) => {
        looks++;
        return look;
      };
      journal.note(ended('shed', 'queue_full'), {
        ...later,
        map: (of) => looking(later.map(of)),
        filter: (matches) => looking(later.filter(matches)),
      });
      later.end();
    };
    for (let n = 0; n < 1000; n++) shed();
    expect(looks).toBeGreaterThan(0);
    expect(looks).toBeLessThan(200);
  });
});
