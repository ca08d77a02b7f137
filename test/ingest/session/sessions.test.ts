import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { AckLevel } from '../../../src/ingest/session/hello.ts';
import type { Mark } from '../../../src/ingest/session/marks.ts';
import { idOf, prefixOf, type Session } from '../../../src/ingest/session/session.ts';
import { openSessions } from '../../../src/ingest/session/sessions.ts';
import { createMessage, type Message } from '../../../src/message.ts';
import { turns } from '../../deliver/spool/fixtures.ts';
import { manualTime } from '../../deliver/spool/manual-time.ts';

const A = 'a'.repeat(32);
const B = 'b'.repeat(32);

/** The message of a session's record, as far as receipts look at it. */
const messageOf = (session: string, seq: number): Message =>
  createMessage({
    id: idOf(prefixOf(session), seq),
    source: 's',
    type: 'event',
    timeMs: 0,
    receivedMs: 0,
    traceId: '',
    spanId: '',
    jobId: '',
    seq,
    severity: 0,
    head: '{"n":1',
  });
const plain = { ...messageOf(A, 1), id: '0199f3a0-0000-7000-8000-000000000001' };

/** Sessions with marks that are in memory, saved as soon as the microtasks have run. */
async function open(loaded: readonly Mark[] = [], time = manualTime()) {
  const saved: string[] = [];
  const marks = {
    loaded,
    save: async (some: readonly Mark[]) => {
      saved.push(...some.map(({ session, seq }) => `${session[0]}${seq}`));
    },
    close: async () => {},
  };
  let known: () => readonly Mark[] = () => [];
  const sessions = await openSessions(
    async (all) => {
      known = all;
      return marks;
    },
    { scheduler: time },
  );
  const acks: string[] = [];
  const enter = (id: string, level: AckLevel = 'disk') => {
    const peer = {
      ack: (seq: number) => acks.push(`${id[0]}${seq}`),
      replaced: () => acks.push(`${id[0]} replaced`),
    };
    return { peer, session: sessions.enter(id, level, peer) };
  };
  const take = (session: Session, from: number, to: number): Message[] => {
    const messages: Message[] = [];
    for (let seq = from; seq <= to; seq++) {
      expect(sessions.admit(session, seq)).toBe('new');
      messages.push(messageOf(session.id, seq));
    }
    return messages;
  };
  return { sessions, time, acks, saved, enter, take, known: () => known(), ...sessions.receipts };
}

describe('acknowledgements', () => {
  test('come after 200 ms, together', async () => {
    const { enter, take, routed, safe, time, acks, saved } = await open();
    const { session } = enter(A);
    const messages = take(session, 1, 10);
    routed(messages, 1);
    safe(messages.slice(0, 4));
    time.advance(100);
    safe(messages.slice(4, 7));
    time.advance(99);
    await turns();
    expect(acks).toEqual([]);
    time.advance(1);
    await turns();
    expect([acks, saved]).toEqual([['a7'], ['a7']]);
  });

  test('come at once after 256 records, and when they are hurried', async () => {
    const { sessions, enter, take, routed, safe, acks } = await open();
    const { session } = enter(A);
    const messages = take(session, 1, 300);
    const hurried: string[] = [];
    sessions.hurry$.subscribe((source) => hurried.push(source));
    routed(messages, 1);
    safe(messages.slice(0, 256));
    await turns();
    expect(acks).toEqual(['a256']);
    safe(messages.slice(256, 260));
    await turns();
    expect(acks).toEqual(['a256']);
    sessions.hurry(session, 'src');
    await turns();
    safe(messages.slice(260, 290));
    await turns();
    expect([acks, hurried]).toEqual([['a256', 'a260', 'a290'], ['src']]);
  });

  test('come before the end of a stop', async () => {
    const { sessions, enter, take, routed, safe, acks, saved } = await open();
    const messages = take(enter(A).session, 1, 2);
    routed(messages, 1);
    safe(messages);
    await sessions.close();
    expect([acks, saved]).toEqual([['a2'], ['a2']]);
  });

  test('are cumulative: nothing behind a record that is not taken', async () => {
    const { enter, take, routed, safe, time, acks } = await open();
    const messages = take(enter(A).session, 1, 5);
    routed(messages, 1);
    safe(messages.slice(1));
    time.advance(1000);
    await turns();
    expect(acks).toEqual([]);
    safe(messages.slice(0, 1));
    time.advance(200);
    await turns();
    expect(acks).toEqual(['a5']);
  });

  test('wait for every way; what is admitted counts for memory, what is safe for disk', async () => {
    const { enter, take, routed, admitted, safe, time, acks } = await open();
    const ofDisk = take(enter(A, 'disk').session, 1, 2);
    const ofMemory = take(enter(B, 'memory').session, 1, 2);
    const all = [plain, ...ofDisk, ...ofMemory];
    routed(all, 3);
    for (const _ of [1, 2]) admitted(all);
    for (const _ of [1, 2]) safe(all);
    time.advance(200);
    await turns();
    expect(acks).toEqual([]);
    admitted(all);
    time.advance(200);
    await turns();
    expect(acks).toEqual(['b2']);
    safe(all);
    safe(all);
    time.advance(200);
    await turns();
    expect(acks).toEqual(['b2', 'a2']);
  });

  test('of records that go nowhere are due at once', async () => {
    const { enter, take, routed, time, acks } = await open();
    routed(take(enter(A).session, 1, 2), 0);
    time.advance(200);
    await turns();
    expect(acks).toEqual(['a2']);
  });

  test('go to the connection that came last, and keep the level of what is on its way', async () => {
    const { enter, take, routed, safe, time, acks } = await open();
    const messages = take(enter(A, 'disk').session, 1, 2);
    routed(messages, 1);
    expect(enter(A, 'memory').session.level).toBe('disk');
    safe(messages);
    time.advance(200);
    await turns();
    expect(acks).toEqual(['a replaced', 'a2']);
    expect(enter(A, 'memory').session.level).toBe('memory');
  });

  test('go to nobody once that has left, whenever the one before it leaves', async () => {
    const { sessions, enter, take, routed, safe, time, acks } = await open();
    const first = enter(A);
    const second = enter(A);
    const messages = take(second.session, 1, 2);
    routed(messages, 1);
    for (const { session, peer } of [first, second]) {
      sessions.leave(session, peer);
      safe(messages.splice(0, 1));
      time.advance(200);
      await turns();
    }
    expect(acks).toEqual(['a replaced', 'a1']);
  });

  test('are awaited of records that count once they are on disk, until then', async () => {
    const { enter, take, routed, safe, isAwaited } = await open();
    const ofMemory = take(enter(B, 'memory').session, 1, 1);
    const ofDisk = take(enter(A, 'disk').session, 1, 2);
    routed(ofDisk, 1);
    expect([[plain], ofMemory, ofDisk, [plain, ...ofDisk]].map(isAwaited)).toEqual([
      false,
      false,
      true,
      true,
    ]);
    safe(ofDisk.slice(0, 1));
    expect(ofDisk.map((message) => isAwaited([message]))).toEqual([false, true]);
  });
});

describe('a session', () => {
  test('knows its duplicates, those on their way too, and says again what is taken', async () => {
    const { sessions, enter, take, routed, safe, time, acks } = await open();
    const { session } = enter(A);
    const messages = take(session, 1, 4);
    routed(messages, 1);
    safe(messages.slice(0, 2));
    time.advance(200);
    await turns();
    expect(sessions.admit(session, 4)).toBe('duplicate');
    time.advance(200);
    await turns();
    expect(sessions.admit(session, 2)).toBe('duplicate');
    await turns();
    expect(acks).toEqual(['a2']);
    time.advance(200);
    await turns();
    expect(acks).toEqual(['a2', 'a2']);
  });

  test('has a window', async () => {
    const { sessions, enter, take } = await open();
    const { session } = enter(A);
    take(session, 1, 1000);
    expect(sessions.admit(session, 1001)).toBe('window');
  });

  test('goes on where an earlier process left it', async () => {
    const { enter } = await open([{ session: A, seq: 41, usedMs: 999_000 }]);
    expect(enter(A).session).toMatchObject({ mark: 41, received: 41 });
  });

  test('is forgotten after a day, and where 10,000 others came later', async () => {
    const time = manualTime(1e9);
    const old = { session: A, seq: 1, usedMs: 1e9 - 86_400_001 };
    const { enter, known, sessions } = await open(
      [old, { session: B, seq: 2, usedMs: 1e9 - 86_400_000 }],
      time,
    );
    expect(known().map(({ seq }) => seq)).toEqual([2]);
    for (let n = 0; n < 10_000; n++) {
      const { session, peer } = enter(n.toString(16).padStart(32, '0'));
      sessions.leave(session, peer);
    }
    expect(known()).toHaveLength(10_000);
    expect(enter(B).session.mark).toBe(0);
  });
});

test('whatever becomes of records in whatever order, the mark is the last of those taken in a row', async () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('take' as const), count: fc.integer({ min: 1, max: 5 }), ways: fc.nat(3) }),
    fc.record({ kind: fc.constant('safe' as const), at: fc.nat(), count: fc.integer({ min: 1, max: 4 }) }),
    fc.record({ kind: fc.constant('skip' as const), count: fc.integer({ min: 1, max: 3 }) }),
    fc.record({ kind: fc.constant('late' as const), at: fc.nat() }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const { sessions, enter, take, routed, safe } = await open();
      const { session } = enter(A);
      /** Ways that are open, by number; `undefined`: not routed yet. */
      const open_ = new Map<number, number>();
      let last = 0;
      for (const one of steps) {
        if (one.kind === 'take') {
          routed(take(session, last + 1, last + one.count), one.ways);
          for (let seq = last + 1; seq <= last + one.count; seq++) open_.set(seq, one.ways);
          last += one.count;
        } else if (one.kind === 'skip') {
          sessions.skipTo(session, last + one.count);
          last += one.count;
        } else if (one.kind === 'safe') {
          const from = last === 0 ? 1 : 1 + (one.at % last);
          for (let seq = from; seq < from + one.count; seq++) {
            safe([messageOf(A, seq)]);
            if (open_.has(seq)) open_.set(seq, open_.get(seq)! - 1);
          }
        } else if (last > 0) {
          expect(sessions.admit(session, 1 + (one.at % last))).toBe('duplicate');
        }
        const isOpen = (seq: number) => (open_.get(seq) ?? 0) > 0;
        let mark = 0;
        while (mark < last && !isOpen(mark + 1)) mark++;
        expect([session.mark, session.received]).toEqual([mark, last]);
      }
    }),
  );
});
