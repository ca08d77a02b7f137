import { describe, expect, test } from '@jest/globals';
import { EMPTY, NEVER, throwError } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { openLane } from '../src/deliver/lane.ts';
import { Permanent, Throttled } from '../src/deliver/sink.ts';
import {
  delivery,
  fakeSink,
  message,
  numbersOf,
  OPTIONS,
  testContext,
  withoutDisk,
} from '../test/deliver/fixtures.ts';
import { play } from '../test/deliver/stage.ts';

const MERGING = { maxMessages: 100, maxBytes: 1_000_000 };

describe('sending', () => {
  test('a delivery is sent at once and its outcome follows the acceptance', () => {
    const { sends, outcomes } = play({ answers: ['--|'] }, ({ lane }) => lane.offer(delivery([1, 2])));
    expect(sends).toEqual(['0 t 1,2']);
    expect(outcomes).toEqual(['2 delivered ok 1,2']);
  });

  test('nothing offered, nothing done; the lane goes on', () => {
    const { sends, outcomes, full, ended } = play({ answers: [] }, () => {});
    expect([sends, outcomes, full, ended]).toEqual([[], [], ['0 false'], []]);
  });

  test('as marbles: deliveries in, outcomes out, sends subscribed one after the other', () => {
    const scheduler = new TestScheduler((actual, expected) => expect(actual).toEqual(expected));
    scheduler.run(({ cold, hot, expectObservable, expectSubscriptions }) => {
      const answer$ = cold('----|');
      const lane = openLane(
        'b',
        fakeSink(scheduler, () => answer$),
        OPTIONS,
        testContext(scheduler),
      );
      const offers = { a: delivery([1]), b: delivery([2]), c: delivery([3]) };
      hot('          ab--------c', offers).subscribe(lane.offer);
      const done = '  ----a---b-----c';
      const subscribed = ['^---!', '----^---!', '----------^---!'];
      const outcome = (n: number) => expect.objectContaining({ ending: 'delivered', messages: [message(n)] });
      expectObservable(lane.outcome$).toBe(done, { a: outcome(1), b: outcome(2), c: outcome(3) });
      expectSubscriptions(answer$.subscriptions).toBe(subscribed);
    });
  });

  test('a sink that answers at once is sent one after the other all the same', () => {
    const { outcomes } = play({ answers: ['|'] }, ({ lane }) => {
      for (const n of [1, 2, 3]) lane.offer(delivery([n]));
    });
    expect(outcomes).toEqual(['0 delivered ok 1', '0 delivered ok 2', '0 delivered ok 3']);
  });

  test('what waits is merged up to the limits of the sink', () => {
    const { sends, outcomes } = play(
      { answers: ['---|'], merge: { maxMessages: 3, maxBytes: 10_000 } },
      ({ lane }) => {
        for (const n of [1, 2, 3, 4, 5]) lane.offer(delivery([n]));
      },
    );
    expect(sends).toEqual(['0 t 1', '3 t 2,3,4', '6 t 5']);
    expect(outcomes).toEqual(['3 delivered ok 1', '6 delivered ok 2,3,4', '9 delivered ok 5']);
  });

  test('the options narrow the limits of the sink, and never widen them', () => {
    const merged = (merge: object) =>
      play(
        { answers: ['---|'], merge: { maxMessages: 3, maxBytes: 10_000 }, options: { merge } },
        ({ lane }) => {
          for (const n of [1, 2, 3, 4, 5]) lane.offer(delivery([n]));
        },
      ).sends;
    expect(merged({ maxMessages: 2 })).toEqual(['0 t 1', '3 t 2,3', '6 t 4,5']);
    expect(merged({ maxBytes: 250 })).toEqual(['0 t 1', '3 t 2,3', '6 t 4,5']);
    expect(merged({ maxMessages: 50 })).toEqual(['0 t 1', '3 t 2,3,4', '6 t 5']);
  });

  test('with an age batches wait for company, but not critical ones', () => {
    const { sends } = play(
      { answers: ['|'], merge: MERGING, options: { merge: { maxAgeMs: 20 } } },
      ({ lane, at }) => {
        at(0, () => lane.offer(delivery([1])));
        at(5, () => lane.offer(delivery([2])));
        at(30, () => lane.offer(delivery([3])));
        at(31, () => lane.offer(delivery([4], { reason: 'critical' })));
      },
    );
    expect(sends).toEqual(['20 t 1,2', '31 t 3,4']);
  });

  test('at its bound nothing waits for company: that is no reason to call the backend stuck', () => {
    const { sends, outcomes, full } = play(
      {
        answers: ['--|'],
        merge: MERGING,
        options: { queueMaxBytes: 250, stallAfterMs: 10, merge: { maxAgeMs: 60_000 } },
      },
      ({ lane, at }) => {
        at(0, () => lane.offer(delivery([1])));
        at(5000, () => lane.offer(delivery([2, 3])));
      },
    );
    expect(sends).toEqual(['5000 t 1,2,3']);
    expect(outcomes).toEqual(['5002 delivered ok 1,2,3']);
    expect(full).toEqual(['0 false', '5000 true', '5002 false']);
  });

  test('the age may be the wish of the sink', () => {
    const { sends } = play({ answers: ['|'], merge: { ...MERGING, maxAgeMs: 20 } }, ({ lane, at }) => {
      at(0, () => lane.offer(delivery([1])));
      at(5, () => lane.offer(delivery([2])));
    });
    expect(sends).toEqual(['20 t 1,2']);
  });

  test('a long queue does not make the stack grow with it', () => {
    const { outcomes } = play(
      { answers: (_batch, _target, nth, cold) => (nth === 1 ? cold('-|') : EMPTY) },
      ({ lane }) => {
        for (let n = 0; n < 20_000; n++) lane.offer(delivery([n]));
      },
    );
    expect(outcomes).toHaveLength(20_000);
    expect(outcomes.at(-1)).toBe('1 delivered ok 19999');
  });

  test('rules of higher priority go first', () => {
    const { sends } = play({ answers: ['--|'] }, ({ lane }) => {
      lane.offer(delivery([1], { priority: 2 }));
      lane.offer(delivery([2], { priority: 2 }));
      lane.offer(delivery([3], { priority: 1 }));
    });
    expect(sends).toEqual(['0 t 1', '2 t 3', '4 t 2']);
  });
});

describe('concurrency', () => {
  test('so many sends at once, but one target never twice', () => {
    const { sends } = play({ answers: ['---|'], options: { concurrency: 3 } }, ({ lane }) => {
      for (const [n, target] of ['t', 't', 'u', 'v', 'w', 't'].entries())
        lane.offer(delivery([n], { target }));
    });
    expect(sends).toEqual(['0 t 0', '0 u 2', '0 v 3', '3 t 1', '3 w 4', '6 t 5']);
  });

  test('a slow target does not hold up the others', () => {
    const { outcomes } = play(
      {
        answers: (_batch, { key }, _nth, cold) => cold(key === 'slow' ? '----------|' : '--|'),
        options: { concurrency: 2 },
      },
      ({ lane }) => {
        lane.offer(delivery([1], { target: 'slow' }));
        lane.offer(delivery([2], { target: 'slow' }));
        for (const n of [3, 4, 5]) lane.offer(delivery([n]));
      },
    );
    expect(outcomes).toEqual([
      '2 delivered ok 3',
      '4 delivered ok 4',
      '6 delivered ok 5',
      '10 delivered ok 1',
      '20 delivered ok 2',
    ]);
  });
});

describe('transient errors', () => {
  test('are retried with growing pauses until the backend takes the batch', () => {
    const { sends, outcomes } = play({ answers: ['-#', '-#', '-#', '-|'] }, ({ lane }) =>
      lane.offer(delivery([1])),
    );
    expect(sends).toEqual(['0 t 1', '11 t 1', '32 t 1', '73 t 1']);
    expect(outcomes).toEqual(['74 delivered ok 1']);
  });

  test('the pause is random', () => {
    const { sends } = play({ answers: ['-#', '-|'], random: () => 0.3 }, ({ lane }) =>
      lane.offer(delivery([1])),
    );
    expect(sends).toEqual(['0 t 1', '4 t 1']);
  });

  test('a retry carries what the first send carried, and its target keeps its order', () => {
    const { sends } = play({ answers: ['--|', '-#', '-|'], merge: MERGING }, ({ lane, at }) => {
      for (const n of [1, 2, 3]) lane.offer(delivery([n]));
      at(3, () => lane.offer(delivery([4])));
    });
    expect(sends).toEqual(['0 t 1', '2 t 2,3', '13 t 2,3', '14 t 4']);
  });

  test('meanwhile other targets are sent to', () => {
    const { sends } = play({ answers: ['-#', '-|'] }, ({ lane }) => {
      lane.offer(delivery([1]));
      lane.offer(delivery([2], { target: 'u' }));
    });
    expect(sends).toEqual(['0 t 1', '1 u 2', '11 t 1']);
  });

  test('after so many attempts the batch goes to the dead letters', () => {
    const { sends, outcomes, stage } = play(
      {
        answers: [['-#', new Error('connection refused')]],
        options: { retry: { initialMs: 10, maxMs: 1000, maxAttempts: 3 }, configHash: 'c0ffee' },
      },
      ({ lane }) => lane.offer(delivery([1, 2])),
    );
    expect(sends).toEqual(['0 t 1,2', '11 t 1,2', '32 t 1,2']);
    expect(outcomes).toEqual(['33 dead_lettered retries_exhausted 1,2']);
    expect(stage.context.deadLetters.letters).toEqual([
      {
        backend: 'b',
        reason: 'retries_exhausted',
        error: 'Error: connection refused',
        attempts: 3,
        config: 'c0ffee',
        target: 't',
        messages: [message(1), message(2)],
      },
    ]);
  });

  test('a sink that hangs is aborted after its time and tried again', () => {
    const { sends, outcomes } = play({ answers: ['-', '-|'], options: { sendTimeoutMs: 50 } }, ({ lane }) =>
      lane.offer(delivery([1])),
    );
    expect(sends).toEqual(['0 t 1', '60 t 1']);
    expect(outcomes).toEqual(['61 delivered ok 1']);
  });

  test('a sink that throws is contained', () => {
    const { sends, outcomes, stage } = play(
      {
        answers: (_batch, _target, nth) => {
          if (nth === 1) throw new Error('bug');
          return EMPTY;
        },
      },
      ({ lane }) => lane.offer(delivery([1])),
    );
    expect(sends).toEqual(['0 t 1', '10 t 1']);
    expect(outcomes).toEqual(['10 delivered ok 1']);
    expect(stage.lane.stats()).toMatchObject({ lastError: 'Error: bug', retries: 1, sent: 1 });
  });
});

describe('throttling', () => {
  test('the lane waits as long as the backend asks, then sends the same again', () => {
    const { sends, outcomes } = play(
      { answers: [['-#', new Throttled('later', 70)], '-|'] },
      ({ lane, at }) => {
        lane.offer(delivery([1]));
        at(5, () => lane.offer(delivery([2], { target: 'u' })));
      },
    );
    expect(sends).toEqual(['0 t 1', '71 t 1', '72 u 2']);
    expect(outcomes).toEqual(['72 delivered ok 1', '73 delivered ok 2']);
  });

  test('is no failure: neither for the breaker nor for the attempts', () => {
    const throttled = ['-#', new Throttled('later', 10)] as const;
    const { outcomes, stage } = play(
      {
        answers: [throttled, throttled, throttled, '-|'],
        options: {
          breaker: { failures: 1, resetAfterMs: 1000 },
          retry: { initialMs: 1, maxMs: 1, maxAttempts: 1 },
        },
      },
      ({ lane }) => lane.offer(delivery([1])),
    );
    expect(outcomes).toEqual(['34 delivered ok 1']);
    expect(stage.context.log.lines.filter(({ fields }) => 'breaker' in fields)).toEqual([]);
  });

  test('… also if the batch fails besides', () => {
    const { outcomes } = play(
      {
        answers: [['#', new Throttled('later', 10)], '#', '|'],
        options: { retry: { initialMs: 10, maxMs: 10, maxAttempts: 2 } },
      },
      ({ lane }) => lane.offer(delivery([1])),
    );
    expect(outcomes).toEqual(['20 delivered ok 1']);
  });

  test.each([
    [50, 10, 51],
    [10, 50, 52],
  ])('of two pauses the longer one holds (%d ms, then %d ms)', (first, second, endMs) => {
    const { sends } = play(
      {
        answers: [['-#', new Throttled('', first)], ['--#', new Throttled('', second)], '|'],
        options: { concurrency: 2 },
      },
      ({ lane }) => {
        lane.offer(delivery([1]));
        lane.offer(delivery([2], { target: 'u' }));
      },
    );
    expect(sends).toEqual(['0 t 1', '0 u 2', `${endMs} t 1`, `${endMs} u 2`]);
  });

  test('a sink that throttles for no time at all does not spin', () => {
    let sends = 0;
    play(
      {
        answers: () => {
          sends++;
          return sends > 50 ? EMPTY : throwError(() => new Throttled('now', 0));
        },
      },
      ({ lane, scheduler }) => {
        lane.offer(delivery([1]));
        expect([scheduler.now(), sends]).toEqual([0, 1]);
      },
    );
    expect(sends).toBe(51);
  });
});

describe('permanent errors', () => {
  test('one of scope batch is not bisected: the target is at fault, not a message', () => {
    const refusal = new Permanent('no such place', { scope: 'batch' });
    const { sends, outcomes } = play({ answers: [['-#', refusal], '-|'] }, ({ lane, at }) => {
      lane.offer(delivery([1, 2, 3]));
      at(5, () => lane.offer(delivery([4])));
    });
    expect(sends).toEqual(['0 t 1,2,3', '5 t 4']);
    expect(outcomes).toEqual(['1 dead_lettered permanent 1,2,3', '6 delivered ok 4']);
  });

  const refusing =
    (...poison: number[]) =>
    (sent: { messages: Parameters<typeof numbersOf>[0] }) =>
      numbersOf(sent.messages).some((n) => poison.includes(n))
        ? throwError(() => new Permanent('bad value'))
        : EMPTY;

  test('the batch is halved until the poison stands alone; the rest is delivered in order', () => {
    const { sends, outcomes, stage } = play({ answers: refusing(3) }, ({ lane }) =>
      lane.offer(delivery([0, 1, 2, 3, 4, 5, 6, 7])),
    );
    expect(sends).toEqual([
      '0 t 0,1,2,3,4,5,6,7',
      '0 t 0,1,2,3',
      '0 t 0,1',
      '0 t 2,3',
      '0 t 2',
      '0 t 3',
      '0 t 4,5,6,7',
    ]);
    expect(outcomes).toEqual([
      '0 delivered ok 0,1',
      '0 delivered ok 2',
      '0 dead_lettered permanent 3',
      '0 delivered ok 4,5,6,7',
    ]);
    const [letter] = stage.context.deadLetters.letters;
    expect(letter).toMatchObject({ reason: 'permanent', error: 'Permanent: bad value', attempts: 4 });
  });

  test.each([1, 2, 3, 7, 64, 100, 1000])(
    'one poison message in %i costs at most 2·⌈log₂ n⌉ + 1 sends',
    (size) => {
      for (const poison of [0, size >> 1, size - 1]) {
        const { sends, stage } = play({ answers: refusing(poison) }, ({ lane }) =>
          lane.offer(delivery(Array.from({ length: size }, (_, n) => n))),
        );
        expect(sends.length).toBeLessThanOrEqual(2 * Math.ceil(Math.log2(size)) + 1);
        expect(stage.lane.stats()).toMatchObject({ sent: size - 1, inFlightMessages: 0, queueBytes: 0 });
      }
    },
  );

  test('several poison messages, and nothing but poison', () => {
    const { outcomes } = play({ answers: refusing(0, 3) }, ({ lane }) => lane.offer(delivery([0, 1, 2, 3])));
    expect(outcomes).toEqual([
      '0 dead_lettered permanent 0',
      '0 delivered ok 1',
      '0 delivered ok 2',
      '0 dead_lettered permanent 3',
    ]);
    const all = play({ answers: refusing(0, 1) }, ({ lane }) => lane.offer(delivery([0, 1])));
    expect(all.outcomes).toEqual(['0 dead_lettered permanent 0', '0 dead_lettered permanent 1']);
  });

  test('a half that fails for another reason is retried before what follows it', () => {
    const { sends } = play({ answers: [['#', new Permanent('bad')], '#', '|', '|'] }, ({ lane }) => {
      lane.offer(delivery([0, 1]));
      lane.offer(delivery([2]));
    });
    expect(sends).toEqual(['0 t 0,1', '0 t 0', '10 t 0', '10 t 1', '10 t 2']);
  });

  test('they are answers: the breaker stays closed', () => {
    const { stage } = play(
      { answers: refusing(0, 1, 2, 3), options: { breaker: { failures: 1, resetAfterMs: 10 } } },
      ({ lane }) => lane.offer(delivery([0, 1, 2, 3])),
    );
    expect(stage.context.log.lines.filter(({ text }) => text.includes('breaker'))).toEqual([]);
  });

  test('where dead letters cannot be written the outcome says so', () => {
    const scheduler = new TestScheduler(() => {});
    const outcomes: string[] = [];
    const sink = fakeSink(scheduler, () => throwError(() => new Permanent('bad')));
    const context = testContext(scheduler);
    const lane = openLane('b', sink, OPTIONS, withoutDisk(context));
    lane.outcome$.subscribe(({ ending, reason }) => outcomes.push(`${ending} ${reason}`));
    lane.offer(delivery([1]));
    expect(outcomes).toEqual(['dead_lettered permanent_unwritten']);
    expect(lane.stats().buriedError).toBe('');
    expect(context.log.lines.map(({ text }) => text)).toEqual([
      'Messages were refused for good, and no dead letters of them are kept',
    ]);
  });
});

describe('breaker', () => {
  const options = { breaker: { failures: 3, resetAfterMs: 100 } };

  test('opens after so many failures in a row; then one probe a time, no retry between', () => {
    const { sends, outcomes } = play(
      { answers: ['#', '#', '#', '#', '#', '--#', '|'], options: { ...options, concurrency: 4 } },
      ({ lane }) => {
        for (const [n, target] of ['t', 'u', 'v', 'w'].entries()) lane.offer(delivery([n], { target }));
      },
    );
    expect(sends).toEqual([
      '0 t 0',
      '0 u 1',
      '0 v 2',
      '0 w 3',
      '100 t 0',
      '200 u 1',
      '302 v 2',
      '302 t 0',
      '302 u 1',
      '302 w 3',
    ]);
    expect(outcomes.map((line) => line.split(' ')[0])).toEqual(['302', '302', '302', '302']);
  });

  test('targets that are at fault alone do not keep the others waiting, whatever their priority', () => {
    const { sends, outcomes } = play(
      {
        answers: (_batch, { key }, _nth, cold) => cold(key.startsWith('bad') ? '#' : '|'),
        options: { ...options, concurrency: 9, retry: { initialMs: 9000, maxMs: 9000, maxAttempts: 9 } },
      },
      ({ lane, at }) => {
        for (const n of [1, 2, 3, 4]) lane.offer(delivery([n], { target: `bad ${n}`, priority: 1 }));
        for (const n of [5, 6, 7])
          at(99, () => lane.offer(delivery([n], { target: `good ${n}`, priority: 9 })));
        at(1000, () => lane.close(0));
      },
    );
    // One shows that the backend lives, and what failed waits for its time.
    expect(sends).toContain('100 good 5 5');
    const badAt = sends.flatMap((line) => (line.includes('bad') ? Number.parseInt(line, 10) : []));
    expect(badAt.filter((ms) => ms < 1000)).toEqual([0, 0, 0, 0]);
    expect(outcomes.slice(0, 3)).toEqual([5, 6, 7].map((n) => `100 delivered ok ${n}`));
  });

  test('the probe does not wait for the pause of a retry', () => {
    const { sends } = play(
      {
        answers: ['#', '#', '|'],
        options: {
          breaker: { failures: 2, resetAfterMs: 100 },
          retry: { initialMs: 9000, maxMs: 9000, maxAttempts: 9 },
        },
      },
      ({ lane }) => {
        lane.offer(delivery([1]));
        lane.offer(delivery([2], { target: 'u' }));
      },
    );
    expect(sends).toEqual(['0 t 1', '0 u 2', '100 t 1', '100 u 2']);
  });

  test('the batch that failed goes first again: order is kept', () => {
    const { outcomes } = play({ answers: ['#', '#', '#', '|'], options }, ({ lane }) => {
      for (const n of [1, 2, 3]) lane.offer(delivery([n]));
    });
    expect(outcomes).toEqual(['130 delivered ok 1', '130 delivered ok 2', '130 delivered ok 3']);
  });

  test('what is on its way while it opens still counts', () => {
    const { outcomes } = play(
      { answers: ['-----|', '#', '#', '#', '|'], options: { ...options, concurrency: 2 } },
      ({ lane }) => {
        lane.offer(delivery([1]));
        lane.offer(delivery([2], { target: 'u' }));
        lane.offer(delivery([3], { target: 'v' }));
        lane.offer(delivery([4], { target: 'w' }));
      },
    );
    expect(outcomes[0]).toBe('5 delivered ok 1');
    expect(outcomes).toHaveLength(4);
  });

  test('says each change once, and at which level', () => {
    const { stage } = play(
      { answers: [['#', new Error('refused')], '#', '#', '#', '|'], options },
      ({ lane }) => lane.offer(delivery([1])),
    );
    expect(stage.context.log.lines.map(({ level, fields, text }) => [level, fields.breaker, text])).toEqual([
      ['warn', 'open', 'Backend fails: breaker open'],
      ['debug', 'half-open', 'Trying the backend with one batch: breaker half-open'],
      ['debug', 'open', 'Backend fails: breaker open'],
      ['debug', 'half-open', 'Trying the backend with one batch: breaker half-open'],
      ['info', 'closed', 'Backend answers again: breaker closed'],
    ]);
    expect(stage.context.log.lines[0]?.fields).toEqual({
      backend: 'b',
      breaker: 'open',
      error: 'error',
      next_probe_ms: 100,
    });
  });

  test('a probe that is refused or throttled shows that the backend lives', () => {
    for (const error of [new Permanent('bad'), new Throttled('later', 10)]) {
      const { stage } = play({ answers: ['#', '#', '#', ['#', error], '|'], options }, ({ lane }) =>
        lane.offer(delivery([1])),
      );
      expect(stage.lane.stats().breaker).toBe('closed');
    }
  });
});

describe('stats', () => {
  test('of an idle lane', () => {
    const { stage } = play({ answers: [] }, () => {});
    expect(stage.lane.stats()).toEqual({
      inFlightMessages: 0,
      inFlightBatches: 0,
      offered: 0,
      queueBytes: 0,
      queueMaxBytes: 1_000_000,
      oldestMs: 0,
      breaker: 'closed',
      nextProbeMs: 0,
      sent: 0,
      retries: 0,
      abandoned: 0,
      lastError: '',
      buriedAgoMs: Number.POSITIVE_INFINITY,
      buriedError: '',
      stuck: undefined,
    });
  });

  test('and the log tell of messages that became dead letters, the log once a minute', () => {
    const refusal = new Permanent('no such table', { scope: 'batch' });
    const { stage } = play({ answers: [['#', refusal]] }, ({ lane, at }) => {
      for (const ms of [0, 59_999, 60_000]) at(ms, () => lane.offer(delivery([1, 2])));
      at(60_100, () => expect(lane.stats()).toMatchObject({ buriedAgoMs: 100 }));
    });
    const line = {
      level: 'warn',
      fields: { backend: 'b', reason: 'permanent', error: 'Permanent: no such table', messages: 2 },
      text: 'Messages became dead letters; `sidecar dlq ls` counts them',
    };
    expect(stage.context.log.lines).toEqual([line, line]);
  });

  test.each([
    ['fails beside others that do not', new Error('no right')],
    ['is throttled try after try', new Throttled('slow down', 100)],
  ])('and the log tell of a target that %s, the log once a minute', (_what, error) => {
    const { stage } = play(
      {
        answers: (_batch, { key }, _nth, cold) => (key === 'bad' ? cold('#', {}, error) : cold('|')),
        options: { retry: { initialMs: 1000, maxMs: 1000, maxAttempts: Number.POSITIVE_INFINITY } },
      },
      ({ lane, at }) => {
        for (const n of [1, 2]) lane.offer(delivery([n], { target: 'bad' }));
        for (let ms = 0; ms < 59_000; ms += 50) at(ms, () => lane.offer(delivery([3], { target: 'good' })));
        at(59_000, () => {
          expect(lane.stats()).toMatchObject({
            breaker: 'closed',
            stuck: { targets: 1, target: 'bad', error: `${error.name}: ${error.message}` },
          });
          lane.close(0);
        });
      },
    );
    expect(stage.context.log.lines.filter(({ level }) => level === 'warn')[0]).toEqual({
      level: 'warn',
      fields: { backend: 'b', target: 'bad', attempts: 5, error: `${error.name}: ${error.message}` },
      text: 'Messages wait, as their target does not take them',
    });
    expect(stage.context.log.lines.filter(({ fields }) => 'attempts' in fields)).toHaveLength(1);
  });

  test('count what waits and what is being sent, from the oldest on', () => {
    play({ answers: [NEVER].map(() => '-') }, ({ lane, at }) => {
      at(10, () => lane.offer(delivery([1, 2])));
      at(20, () => lane.offer(delivery([3])));
      at(50, () =>
        expect(lane.stats()).toMatchObject({ inFlightMessages: 3, queueBytes: 300, oldestMs: 40 }),
      );
      at(60, () => lane.close(0));
    });
  });

  test('tell of failures, retries and the next probe', () => {
    play(
      { answers: [['#', new Error('refused')]], options: { breaker: { failures: 2, resetAfterMs: 100 } } },
      ({ lane, at }) => {
        lane.offer(delivery([1]));
        at(1, () => expect(lane.stats()).toMatchObject({ breaker: 'closed', retries: 1, nextProbeMs: 0 }));
        at(40, () =>
          expect(lane.stats()).toMatchObject({
            breaker: 'open',
            nextProbeMs: 70,
            lastError: 'Error: refused',
            inFlightMessages: 1,
            oldestMs: 40,
          }),
        );
        at(41, () => lane.close(0));
      },
    );
  });
});

test('unsubscribing from the outcomes stops nothing', () => {
  const { stage } = play({ answers: ['--|'] }, ({ lane, at }) => {
    const subscription = lane.outcome$.subscribe();
    lane.offer(delivery([1]));
    at(1, () => subscription.unsubscribe());
  });
  expect(stage.lane.stats().sent).toBe(1);
});
