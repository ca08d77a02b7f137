import { describe, expect, test } from '@jest/globals';
import { NEVER, of, Subject } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { createTurns, TURN_BYTES, type Turns } from '../../src/ingest/turns.ts';
import { createRecording } from './harness.ts';

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));
const scheduler = createRecording().context.scheduler;

/** Reads `bytes` in all, `step` at a time; each read is written down. */
function reader(name: string, turns: Turns, journal: string[], bytes: number, step = TURN_BYTES) {
  let left = bytes;
  const self = {
    read() {
      const size = Math.min(left, step);
      journal.push(`${name}${size}`);
      left -= size;
      if (left > 0) turns.add(self);
      return size;
    },
  };
  turns.add(self);
}

describe('turns', () => {
  test('nothing is read at once, everything in the next turn', async () => {
    const journal: string[] = [];
    const turns = createTurns(NEVER, scheduler);
    reader('a', turns, journal, 10);
    reader('b', turns, journal, 20);
    expect(journal).toEqual([]);
    await nextTurn();
    expect(journal).toEqual(['a10', 'b20']);
    turns.close();
  });

  test('one that saturates and a small one alternate', async () => {
    const journal: string[] = [];
    const turns = createTurns(NEVER, scheduler);
    reader('A', turns, journal, 4 * TURN_BYTES);
    reader('b', turns, journal, 2, 1);
    const perTurn: number[] = [];
    while (journal.length < 6) {
      const before = journal.length;
      await nextTurn();
      perTurn.push(journal.length - before);
    }
    expect(journal).toEqual([
      `A${TURN_BYTES}`,
      'b1',
      `A${TURN_BYTES}`,
      'b1',
      `A${TURN_BYTES}`,
      `A${TURN_BYTES}`,
    ]);
    // never more than one full read before the event loop polls again
    expect(Math.max(...perTurn)).toBeLessThanOrEqual(2);
    turns.close();
  });

  test('one that fills the turn has it to itself', async () => {
    const journal: string[] = [];
    const turns = createTurns(NEVER, scheduler);
    for (const name of ['A', 'B', 'C']) reader(name, turns, journal, TURN_BYTES);
    await nextTurn();
    expect(journal).toEqual([`A${TURN_BYTES}`]);
    await nextTurn();
    await nextTurn();
    expect(journal).toEqual(['A', 'B', 'C'].map((name) => `${name}${TURN_BYTES}`));
    turns.close();
  });

  test('a reader that queues up again waits for the next turn, however little it reads', async () => {
    const journal: string[] = [];
    const turns = createTurns(NEVER, scheduler);
    reader('a', turns, journal, 3, 1);
    await nextTurn();
    expect(journal).toEqual(['a1']);
    turns.close();
  });

  test('a pause holds everything back, and its end lets it go', async () => {
    const journal: string[] = [];
    const pause$ = new Subject<boolean>();
    const turns = createTurns(pause$, scheduler);
    reader('a', turns, journal, 10);
    pause$.next(true);
    await nextTurn();
    await nextTurn();
    expect(journal).toEqual([]);
    pause$.next(false);
    await nextTurn();
    expect(journal).toEqual(['a10']);
    turns.close();
  });

  test('a pause in the middle of a turn stops it there', async () => {
    const journal: string[] = [];
    const pause$ = new Subject<boolean>();
    const turns = createTurns(pause$, scheduler);
    turns.add({
      read() {
        pause$.next(true);
        return 1;
      },
    });
    reader('b', turns, journal, 10);
    await nextTurn();
    await nextTurn();
    expect(journal).toEqual([]);
    pause$.next(false);
    await nextTurn();
    expect(journal).toEqual(['b10']);
    turns.close();
  });

  test('a pause from the start is heeded', async () => {
    const journal: string[] = [];
    const turns = createTurns(of(true), scheduler);
    reader('a', turns, journal, 10);
    await nextTurn();
    expect(journal).toEqual([]);
    turns.close();
  });

  test('after close nothing is read, and the pauses are let go of', async () => {
    const journal: string[] = [];
    const pause$ = new Subject<boolean>();
    const turns = createTurns(pause$, scheduler);
    reader('a', turns, journal, 10);
    turns.close();
    await nextTurn();
    expect(journal).toEqual([]);
    expect(pause$.observed).toBe(false);
  });
});

test('the clock stands while paused', () => {
  const virtual = new TestScheduler(() => {});
  virtual.run(({ cold, flush }) => {
    const readings: number[] = [];
    const turns = createTurns(cold('10ms t 9ms t 79ms f 99ms f', { t: true, f: false }), virtual);
    for (const ms of [0, 5, 15, 50, 99, 110, 300]) virtual.schedule(() => readings.push(turns.openMs()), ms);
    flush();
    expect(readings).toEqual([0, 5, 10, 10, 10, 20, 210]);
    turns.close();
  });
});
