import { describe, expect, test } from '@jest/globals';
import { EMPTY, throwError } from 'rxjs';
import type { TestScheduler } from 'rxjs/testing';
import { jobOf } from '../src/deliver/job.ts';
import { Partly, Permanent } from '../src/deliver/sink.ts';
import { type DeliveryFields, delivery, message, OPTIONS } from '../test/deliver/fixtures.ts';
import { type MemorySpool, memorySpool } from '../test/deliver/memory-spool.ts';
import { play, type Scene, type Stage } from '../test/deliver/stage.ts';

/** Ten messages of 100 bytes fill the lane; it counts as stuck after 20 ms. */
const options = { queueMaxBytes: 1000, stallAfterMs: 20, sendTimeoutMs: 10_000 };

interface SpoolScene extends Scene {
  readonly writeMs?: number;
  /** Numbers of messages that an earlier process left. */
  readonly left?: readonly number[];
  /** Their targets; default `t`. */
  readonly targetOf?: (n: number) => string;
}

/** Runs a lane with a spool. */
function playWith(
  { writeMs = 1, left = [], targetOf = () => 't', ...scene }: SpoolScene,
  script: (stage: Stage, spool: MemorySpool) => void,
) {
  let spool: MemorySpool | undefined;
  const open = (scheduler: TestScheduler) => {
    const jobs = left.map((n) => jobOf(delivery([n], { whenFull: 'spill', target: targetOf(n) }), 0, 0));
    spool = memorySpool(scheduler, writeMs, jobs, scene.options?.durability === 'disk');
    return spool.open;
  };
  const record = play({ ...scene, spool: open }, (stage) => script(stage, spool!));
  return { ...record, spool: spool! };
}

const spill = (of: number, fields: DeliveryFields = {}) => delivery([of], { whenFull: 'spill', ...fields });

const offerEach = ({ lane }: Stage, first: number, last: number, fields: DeliveryFields = {}) => {
  for (let n = first; n <= last; n++) lane.offer(spill(n, fields));
};

const numbersOf = (lines: readonly string[]) =>
  lines.flatMap((line) => line.split(' ').at(-1)?.split(',').map(Number) ?? []);
const count = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, i) => first + i);
/** Numbers in the order in which they were sent for the first time. */
const firstSends = (sends: readonly string[]) => [...new Set(numbersOf(sends))];

describe('memory first', () => {
  test('a lane that keeps up touches no disk', () => {
    const { spool, outcomes } = playWith({ answers: ['-|'], options }, (stage) => offerEach(stage, 1, 9));
    expect(spool.seen).toEqual([]);
    expect(numbersOf(outcomes)).toEqual(count(1, 9));
  });

  test('a stuck one spills what waits and what comes; healed, it delivers all in order, and memory is enough again', () => {
    // The first send hangs for 100 ms; then the backend takes everything.
    const { spool, outcomes, sends, full } = playWith(
      { answers: [`${'-'.repeat(100)}|`, '|'], options },
      (stage) => {
        offerEach(stage, 1, 9);
        stage.at(25, () => offerEach(stage, 10, 15));
        stage.at(50, () => offerEach(stage, 16, 60));
        stage.at(200, () => offerEach(stage, 61, 65));
      },
    );
    expect(firstSends(sends)).toEqual(count(1, 65));
    expect(outcomes.every((line) => line.includes('delivered ok'))).toBe(true);
    expect(numbersOf(outcomes)).toEqual(count(1, 65));
    expect(spool.seen).toEqual(count(2, 60));
    expect(spool.kept()).toEqual([]);
    // The input waited for the disk alone, for a millisecond a time.
    expect(full.at(-1)).toMatch('false');
    expect(full.filter((line) => line.endsWith('true')).length).toBeLessThan(4);
  });

  test('a stuck one spills before it is full, and what comes back is at most half of the bound', () => {
    // Six of ten wait behind the first, which hangs: more than half the bound.
    const { spool, outcomes, full } = playWith(
      { answers: [`${'-'.repeat(100)}|`, '|'], options },
      (stage) => {
        offerEach(stage, 1, 6);
        stage.at(25, () => offerEach(stage, 7, 7));
        stage.at(30, () => {
          expect(stage.lane.stats().queueBytes).toBeLessThan(700);
          offerEach(stage, 8, 30);
        });
        stage.at(90, () => expect(stage.lane.stats().queueBytes).toBeLessThanOrEqual(600));
      },
    );
    expect(spool.seen).toEqual(count(2, 30));
    expect(numbersOf(outcomes)).toEqual(count(1, 30));
    expect(full[0]).toBe('0 false');
  });

  test('one that is stuck with little goes on without the disk', () => {
    const { spool, outcomes } = playWith({ answers: [`${'-'.repeat(100)}|`, '|'], options }, (stage) => {
      offerEach(stage, 1, 3);
      stage.at(50, () => offerEach(stage, 4, 5));
    });
    expect(spool.seen).toEqual([]);
    expect(numbersOf(outcomes)).toEqual(count(1, 5));
  });

  test('a slow one makes the input wait, for a while; then it spills', () => {
    const { spool, outcomes, full } = playWith({ answers: ['----------|'], options }, (stage) => {
      offerEach(stage, 1, 20);
      stage.at(30, () => offerEach(stage, 21, 25));
    });
    expect(full.slice(0, 3)).toEqual(['0 false', '0 true', '21 false']);
    expect(spool.seen.length).toBeGreaterThan(15);
    expect(numbersOf(outcomes)).toEqual(count(1, 25));
  });

  test('a slow one that spills sheds nothing beside that: the input waits', () => {
    const { outcomes, full } = playWith({ answers: ['-'.repeat(15).concat('|')], options }, (stage) => {
      offerEach(stage, 1, 12);
      stage.at(50, () => {
        for (let n = 20; n < 40; n++) stage.lane.offer(delivery([n]));
      });
    });
    expect(outcomes.filter((line) => !line.includes('delivered'))).toEqual([]);
    expect(outcomes).toHaveLength(32);
    expect(full).toContain('50 true');
  });

  test('a slow one with nothing that may be spilled makes the input wait', () => {
    const { spool, outcomes, full } = playWith({ answers: ['----------|'], options }, (stage) =>
      offerEach(stage, 1, 14, { whenFull: 'block' }),
    );
    expect(spool.seen).toEqual([]);
    expect(full).toEqual(['0 false', '0 true', '50 false']);
    expect(outcomes).toHaveLength(14);
  });

  test('what is being sent when it begins to spill is retried before what it spilled', () => {
    const { sends } = playWith({ answers: ['-----------------------------#', '|'], options }, (stage) => {
      offerEach(stage, 1, 3);
      stage.at(22, () => offerEach(stage, 4, 14));
    });
    expect(firstSends(sends)).toEqual(count(1, 14));
  });

  test('a backend that fails time and again gets everything in order', () => {
    const { sends } = playWith(
      {
        answers: (_batch, _target, nth, cold) => (nth < 8 ? cold('-------------------------#') : cold('|')),
        options: { ...options, concurrency: 2, breaker: { failures: 100, resetAfterMs: 10 } },
      },
      (stage) => {
        offerEach(stage, 1, 2);
        stage.at(22, () => offerEach(stage, 3, 14));
        stage.at(60, () => offerEach(stage, 15, 26));
        stage.at(90, () => offerEach(stage, 27, 40));
      },
    );
    expect(firstSends(sends)).toEqual(count(1, 40));
  });

  test('what came from the disk is still there: it is not written again', () => {
    const { sends, spool } = playWith(
      { answers: ['#', '|', '#', '|'], options: { ...options, breaker: { failures: 1, resetAfterMs: 10 } } },
      (stage) => {
        offerEach(stage, 1, 6);
        stage.at(12, () => offerEach(stage, 7, 8));
      },
    );
    expect(spool.seen).toEqual(count(1, 8));
    expect(firstSends(sends)).toEqual(count(1, 8));
    expect(spool.kept()).toEqual([]);
  });

  test('rules that say shed and block do so beside it', () => {
    const { spool, outcomes, full } = playWith({ answers: [`${'-'.repeat(60)}|`, '|'], options }, (stage) => {
      offerEach(stage, 1, 2);
      stage.at(25, () => {
        offerEach(stage, 10, 14);
        offerEach(stage, 20, 40, { whenFull: 'shed', target: 'other' });
      });
      stage.at(30, () => offerEach(stage, 50, 65, { whenFull: 'block', target: 'third' }));
    });
    expect(
      numbersOf(outcomes.filter((line) => line.includes('shed queue_full'))).every((n) => n >= 20 && n <= 40),
    ).toBe(true);
    expect(spool.seen.every((n) => n < 20)).toBe(true);
    expect(full).toContain('30 true');
    expect(numbersOf(outcomes).length).toBe(2 + 5 + 21 + 16);
  });
});

describe('an earlier process', () => {
  test('left a backlog: it is delivered first, and what comes stays behind it', () => {
    const { sends, outcomes, spool } = playWith({ answers: ['-|'], options, left: [1, 2, 3] }, (stage) =>
      offerEach(stage, 4, 6),
    );
    expect(firstSends(sends)).toEqual(count(1, 6));
    expect(numbersOf(outcomes)).toEqual(count(1, 6));
    expect(spool.kept()).toEqual([]);
  });

  test.each(['memory', 'disk'] as const)(
    'left a backlog: the log says once, and not before it is delivered, that the spool is empty; durability %s',
    (durability) => {
      const empty = ({ context }: Stage) =>
        context.log.lines.filter(({ text }) => text === 'The spool is empty again').length;
      const before: number[] = [];
      const { stage } = playWith(
        { answers: ['-----|'], options: { ...options, durability }, left: [1, 2] },
        (given) => {
          for (const ms of [1, 4, 6, 9]) given.at(ms, () => before.push(empty(given)));
          given.at(11, () => expect(empty(given)).toBe(1));
          given.at(20, () => offerEach(given, 3, 3));
        },
      );
      expect(before).toEqual([0, 0, 0, 0]);
      expect(empty(stage)).toBe(1);
    },
  );

  test('a backlog larger than the memory is read piece by piece', () => {
    let most = 0;
    const { outcomes } = playWith({ answers: ['-|'], options, left: count(1, 100) }, (stage) => {
      offerEach(stage, 101, 101);
      for (let ms = 1; ms < 100; ms++)
        stage.at(ms, () => (most = Math.max(most, stage.lane.stats().queueBytes)));
    });
    expect(numbersOf(outcomes)).toEqual(count(1, 101));
    expect(most).toBeLessThanOrEqual(600);
  });
});

describe('durability: disk', () => {
  const durable = { ...options, durability: 'disk' as const };

  test('nothing is sent before it is on disk', () => {
    const { sends, spool } = playWith({ answers: ['-|'], options: durable, writeMs: 7 }, (stage) =>
      offerEach(stage, 1, 2),
    );
    expect(sends).toEqual(['7 t 1', '8 t 2']);
    expect(spool.kept()).toEqual([]);
  });

  test('a poison message is buried and the rest delivered before the disk forgets them', () => {
    const poison = (of: readonly { id: string }[]) => of.some(({ id }) => id.endsWith('2'));
    const { outcomes, spool } = playWith(
      {
        answers: (batch, _target, _nth, cold) =>
          poison(batch.messages) ? cold('-#', undefined, new Permanent('no')) : cold('-|'),
        options: durable,
        merge: { maxMessages: 10, maxBytes: 10_000 },
      },
      ({ lane }, memory) => {
        lane.offer(delivery([message(1), message(2), message(3), message(4)], { whenFull: 'spill' }));
        lane.outcome$.subscribe(() => expect(memory.kept().length).toBe(4));
      },
    );
    expect(numbersOf(outcomes).sort()).toEqual([1, 2, 3, 4]);
    expect(spool.kept()).toEqual([]);
  });

  test('a disk that refuses holds the lane up, to its bound', () => {
    const { sends, full, outcomes } = playWith({ answers: ['|'], options: durable }, (stage, spool) => {
      spool.fail(true);
      offerEach(stage, 1, 15);
      stage.at(50, () => spool.fail(false));
    });
    expect(full).toContain('0 true');
    expect(numbersOf(outcomes).length).toBe(15);
    expect(sends.every((line) => Number(line.split(' ')[0]) >= 50)).toBe(true);
  });
});

describe('a disk that refuses', () => {
  test('costs the oldest of what waits for it, counted, once the memory is full', () => {
    const { outcomes, spool } = playWith(
      { answers: ['#'], options: { ...options, breaker: { failures: 1, resetAfterMs: 1000 } } },
      (stage, memory) => {
        memory.fail(true);
        offerEach(stage, 1, 30);
        stage.at(500, () => memory.fail(false));
        stage.at(600, () => stage.lane.close(0));
      },
    );
    const dropped = numbersOf(outcomes.filter((line) => line.includes('shed spool_failed')));
    expect(dropped.length).toBeGreaterThan(15);
    expect([...dropped, ...spool.kept()].sort((a, b) => a - b)).toEqual(count(1, 30));
  });

  test('does not hold up a backend that has healed', () => {
    const { outcomes } = playWith({ answers: [`${'-'.repeat(40)}|`, '|'], options }, (stage, memory) => {
      memory.fail(true);
      offerEach(stage, 1, 5);
      stage.at(25, () => offerEach(stage, 6, 10));
    });
    expect(numbersOf(outcomes)).toEqual(count(1, 10));
  });
});

describe('closing', () => {
  const dead = { ...options, breaker: { failures: 1, resetAfterMs: 10_000 } };

  test('with a dead backend keeps everything, in order, and sheds nothing', () => {
    const { outcomes, spool, ended } = playWith({ answers: ['#'], options: dead }, (stage) => {
      offerEach(stage, 1, 30);
      stage.at(5, () => stage.lane.close(1000));
    });
    expect(outcomes).toEqual([]);
    expect(spool.kept()).toEqual(count(1, 30));
    expect(ended).toEqual([5]);
  });

  test('keeps what was on its way when hope was given up before what waited behind it', () => {
    const { outcomes, spool, stage } = playWith(
      {
        answers: (_batch, { key }, _nth, cold) => cold(key === 'slow' ? '----------#' : '#'),
        options: { ...dead, concurrency: 2 },
      },
      ({ lane, at }) => {
        for (const n of [1, 2]) lane.offer(spill(n, { target: 'slow' }));
        lane.offer(spill(3));
        at(5, () => lane.close(1000));
      },
    );
    expect(outcomes).toEqual([]);
    expect(spool.kept()).toEqual([1, 2, 3]);
    expect(stage.context.log.lines.at(-1)).toMatchObject({
      level: 'info',
      fields: { messages: 3 },
      text: 'Closed; what is not delivered is left to its spool',
    });
  });

  test('with a backend that hangs keeps everything at the deadline', () => {
    const { outcomes, spool, ended } = playWith({ answers: ['-'.repeat(500)], options }, (stage) => {
      offerEach(stage, 1, 4);
      stage.at(5, () => stage.lane.close(100));
    });
    expect(outcomes).toEqual([]);
    expect(spool.kept()).toEqual(count(1, 4));
    expect(ended).toEqual([105]);
  });

  test('with a good backend delivers what it took a moment ago, on disk or not', () => {
    const { outcomes, spool } = playWith(
      { answers: ['-|'], options: { ...options, durability: 'disk' } },
      (stage) => {
        offerEach(stage, 1, 9);
        stage.lane.close(1000);
      },
    );
    expect(numbersOf(outcomes)).toEqual(count(1, 9));
    expect(spool.kept()).toEqual([]);
  });

  test('what is offered afterwards is kept too', () => {
    const { outcomes, spool } = playWith({ answers: ['-|'], options }, (stage) => {
      stage.lane.close(100);
      stage.at(50, () => offerEach(stage, 1, 1));
    });
    expect(outcomes).toEqual([]);
    expect(spool.kept()).toEqual([1]);
  });
});

test('a lane without a spool sheds what it may not spill', () => {
  const { outcomes } = play(
    { answers: ['-'.repeat(500)], options: { ...options, sendTimeoutMs: 100 } },
    (stage) => {
      offerEach(stage, 1, 20);
      stage.at(120, () => stage.lane.close(0));
    },
  );
  expect(outcomes.some((line) => line.includes('shed queue_full'))).toBe(true);
});

describe('a target that takes nothing', () => {
  const MANY = 40;
  const BREAKER = { failures: 3, resetAfterMs: 30 };
  const isStuck = (n: number) => n % 4 !== 0;
  const targetOf = (n: number) => (isStuck(n) ? 'stuck' : 'fine');
  const of = (sends: readonly string[], target: string) =>
    firstSends(sends.filter((line) => line.includes(` ${target} `)));
  /** Fails for one target for so many of its sends. */
  const failing =
    (sends: number): SpoolScene['answers'] =>
    (_batch, target, _nth, cold) =>
      target.key === 'stuck' && sends-- > 0 ? cold('-#') : cold('-|');

  test('holds up none of the others that are on disk with it; healed, it gets all of its own in order', () => {
    const { sends, outcomes, spool, stage } = playWith(
      { answers: failing(12), left: count(1, MANY), targetOf, options: { ...options, breaker: BREAKER } },
      ({ lane, at }) => {
        at(200, () => {
          lane.offer(spill(MANY + 1, { target: 'stuck' }));
          lane.offer(spill(MANY + 4, { target: 'fine' }));
        });
      },
    );
    const fine = of(sends, 'fine');
    expect(fine).toEqual([...count(1, MANY).filter((n) => !isStuck(n)), MANY + 4]);
    expect(of(sends, 'stuck')).toEqual([...count(1, MANY).filter(isStuck), MANY + 1]);
    expect(outcomes.every((line) => line.includes('delivered ok'))).toBe(true);
    // The neighbours are through before the first of it is.
    const first = outcomes.findIndex((line) => numbersOf([line]).some(isStuck));
    expect(numbersOf(outcomes.slice(0, first))).toEqual(expect.arrayContaining(fine.slice(0, -1)));
    expect([spool.kept(), stage.lane.stats().inFlightMessages]).toEqual([[], 0]);
  });

  test('that fails again and again, and takes one between, gets all in order', () => {
    let nth = 0;
    const { sends, outcomes } = playWith(
      {
        answers: (_batch, target, _nth, cold) =>
          target.key === 'stuck' && ++nth < 120 && nth % 5 !== 0 ? cold('-#') : cold('-|'),
        left: count(1, MANY),
        targetOf,
        merge: { maxMessages: 1, maxBytes: 1000 },
        options: { ...options, breaker: BREAKER },
      },
      () => {},
    );
    expect(of(sends, 'stuck')).toEqual(count(1, MANY).filter(isStuck));
    expect(of(sends, 'fine')).toEqual(count(1, MANY).filter((n) => !isStuck(n)));
    expect(outcomes).toHaveLength(MANY);
  });

  test('that is given up lets the next of its own be tried', () => {
    const { sends, outcomes } = playWith(
      {
        answers: failing(6),
        left: count(1, 7),
        targetOf,
        merge: { maxMessages: 1, maxBytes: 1000 },
        options: { ...options, breaker: BREAKER, retry: { ...OPTIONS.retry, maxAttempts: 4 } },
      },
      () => {},
    );
    expect(of(sends, 'stuck')).toEqual(count(1, 7).filter(isStuck));
    expect(
      outcomes.filter((line) => line.includes('dead_lettered')).map((line) => numbersOf([line])),
    ).toEqual([[1]]);
  });

  test('that takes a part and then nothing gets the rest, once', () => {
    const { outcomes, spool } = playWith(
      {
        answers: ({ messages }, _target, nth) =>
          nth > 1
            ? EMPTY
            : throwError(
                () => new Partly('', { unsent: new Set(messages.slice(1)), cause: new Error('cut') }),
              ),
        options: { ...options, durability: 'disk', breaker: { failures: 1, resetAfterMs: 10 } },
        merge: { maxMessages: 10, maxBytes: 10_000 },
      },
      (stage) => offerEach(stage, 1, 3),
    );
    expect(outcomes.map((line) => line.replace(/^\d+ /, ''))).toEqual(['delivered ok 1', 'delivered ok 2,3']);
    expect(spool.kept()).toEqual([]);
  });

  test('is passed by with `durability: disk`, too', () => {
    const { outcomes } = playWith(
      {
        answers: failing(Number.POSITIVE_INFINITY),
        options: { ...options, durability: 'disk', breaker: BREAKER },
      },
      ({ lane, at }) => {
        at(0, () => {
          for (const n of count(1, MANY)) lane.offer(spill(n, { target: 'stuck' }));
        });
        at(300, () => lane.offer(spill(MANY + 1, { target: 'fine' })));
        at(900, () => lane.close(0));
      },
    );
    expect(numbersOf(outcomes)).toEqual([MANY + 1]);
  });

  test('is passed by after few probes where many do so', () => {
    const { sends } = playWith(
      {
        answers: (_batch, { key }, _nth, cold) => (key === 'fine' ? cold('-|') : cold('-#')),
        left: count(1, 161),
        targetOf: (n) => (n === 161 ? 'fine' : `stuck ${Math.ceil(n / 20)}`),
        options: { ...options, queueMaxBytes: 2400, breaker: { failures: 5, resetAfterMs: 30 } },
      },
      ({ lane, at }) => {
        at(1000, () => lane.close(0));
      },
    );
    const before = sends.findIndex((line) => line.includes(' fine '));
    expect(before).toBeGreaterThan(0);
    expect(before).toBeLessThan(8 * 3);
  });

  test('keeps only the first of what failed in memory, where many do so', () => {
    const { outcomes } = playWith(
      {
        answers: (_batch, { key }, _nth, cold) => (key === 'fine' ? cold('-|') : cold('-#')),
        left: count(1, 81),
        targetOf: (n) => (n === 81 ? 'fine' : `stuck ${Math.ceil(n / 20)}`),
        merge: { maxMessages: 5, maxBytes: 1000 },
        options: { ...options, breaker: BREAKER },
      },
      ({ lane, at }) => {
        at(1000, () => lane.close(0));
      },
    );
    expect(numbersOf(outcomes)).toEqual([81]);
  });

  test('is passed by as far as need be', () => {
    const { outcomes } = playWith(
      {
        answers: failing(Number.POSITIVE_INFINITY),
        left: [...count(1, 200).filter(isStuck), 204],
        targetOf,
        options: { ...options, breaker: BREAKER },
      },
      ({ lane, at }) => {
        at(3000, () => lane.close(0));
      },
    );
    expect(numbersOf(outcomes)).toEqual([204]);
  });

  test('where nothing is taken at all, each probe looks only so far', () => {
    const left = count(1, 2000).filter(isStuck);
    const { spool, stage } = playWith(
      {
        answers: failing(Number.POSITIVE_INFINITY),
        left,
        targetOf,
        options: { ...options, breaker: BREAKER },
      },
      ({ lane, at }) => {
        at(400, () => lane.close(0));
      },
    );
    // Eight times half the bound, and what is read at once; of 150,000 bytes.
    const probes = Math.ceil(400 / BREAKER.resetAfterMs);
    expect(spool.passedBytes()).toBeLessThanOrEqual(probes * (8 * 500 + 1000));
    expect(stage.lane.stats().sent).toBe(0);
    expect(spool.kept()).toEqual(left);
  });
});
