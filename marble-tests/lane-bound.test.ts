import { describe, expect, test } from '@jest/globals';
import { Throttled } from '../src/deliver/sink.ts';
import { delivery, message, numbersOf } from '../test/deliver/fixtures.ts';
import { play, type Stage } from '../test/deliver/stage.ts';

/** Ten messages of 100 bytes fill the lane; it counts as stuck after 20 ms. */
const options = { queueMaxBytes: 1000, stallAfterMs: 20, sendTimeoutMs: 10_000 };

const event = (n: number, severity = 3) => message(n, { type: 'event', severity });
const metric = (n: number) => message(n, { type: 'metric', severity: 0 });

/** Offers messages from `first` to `last`, each in a batch of its own. */
const offerEach = (
  { lane }: Stage,
  first: number,
  last: number,
  make = event as (n: number) => ReturnType<typeof event>,
) => {
  for (let n = first; n <= last; n++) lane.offer(delivery([make(n)]));
};

const numbersShed = (outcomes: readonly string[]) =>
  outcomes.filter((line) => line.includes('shed')).map((line) => line.split(' ').at(-1));

describe('a backend that makes progress', () => {
  test('at its bound the input waits and nothing is shed; below 90 % it goes on', () => {
    const { outcomes, full } = play({ answers: ['-----|'], options }, (stage) => offerEach(stage, 1, 12));
    // 12 held at 0 ms; one leaves every 5 ms: 9 are left at 15 ms.
    expect(full).toEqual(['0 false', '0 true', '15 false']);
    expect(outcomes).toHaveLength(12);
    expect(numbersShed(outcomes)).toEqual([]);
  });

  test('that fails now and then is no stuck one', () => {
    const { outcomes, full } = play({ answers: ['-|', '-#', '-|', '-#', '-|'], options }, (stage) =>
      offerEach(stage, 1, 12),
    );
    expect(numbersShed(outcomes)).toEqual([]);
    expect(full.at(-1)?.endsWith('false')).toBe(true);
  });

  test('a send that says that it gets on is not stuck, however long it takes', () => {
    const { outcomes, full } = play({ answers: ['15ms a 15ms a 15ms a 15ms |', '|'], options }, (stage) =>
      offerEach(stage, 1, 12),
    );
    expect(full).toEqual(['0 false', '0 true', '63 false']);
    expect(numbersShed(outcomes)).toEqual([]);
  });

  test('a sink may take more time before it counts as stuck', () => {
    const { stallAfterMs: _, ...asItComes } = options;
    const { outcomes, full } = play(
      { answers: ['5s |', '|'], options: asItComes, stallAfterMs: 6000 },
      (stage) => offerEach(stage, 1, 12),
    );
    expect(full).toEqual(['0 false', '0 true', '5000 false']);
    expect(numbersShed(outcomes)).toEqual([]);
  });

  test('what is being sent counts', () => {
    const { full } = play(
      { answers: ['-----|'], options, merge: { maxMessages: 20, maxBytes: 10_000 } },
      ({ lane }) => {
        lane.offer(delivery([1, 2, 3, 4, 5, 6, 7, 8]));
        lane.offer(delivery([11, 12, 13]));
      },
    );
    expect(full).toEqual(['0 false', '0 true', '5 false']);
  });

  test('one batch beyond the whole bound gets through', () => {
    const { outcomes, full } = play({ answers: ['-----|'], options }, ({ lane }) =>
      lane.offer(delivery(Array.from({ length: 30 }, (_, n) => n))),
    );
    expect(outcomes).toHaveLength(1);
    expect(full).toEqual(['0 false', '0 true', '5 false']);
  });
});

describe('a backend that is stuck', () => {
  test('the input waits for stallAfterMs, then the oldest are shed down to 90 % and it goes on', () => {
    const { outcomes, full } = play({ answers: ['-'], options }, (stage) => {
      offerEach(stage, 1, 12);
      stage.at(100, () => stage.lane.close(0));
    });
    expect(full).toEqual(['0 false', '0 true', '20 false']);
    expect(outcomes.slice(0, 3)).toEqual([
      '20 shed queue_full 2',
      '20 shed queue_full 3',
      '20 shed queue_full 4',
    ]);
    expect(outcomes.slice(3).every((line) => line.startsWith('100 shed shutdown'))).toBe(true);
    expect(outcomes).toHaveLength(12);
  });

  test('from then on it sheds at once and never makes the input wait', () => {
    const { outcomes, full } = play({ answers: ['-'], options }, (stage) => {
      stage.at(0, () => offerEach(stage, 0, 0));
      stage.at(30, () => offerEach(stage, 1, 100));
      stage.at(99, () => expect(stage.lane.stats().queueBytes).toBeLessThanOrEqual(1000));
      stage.at(100, () => stage.lane.close(0));
    });
    expect(full).toEqual(['0 false']);
    expect(numbersShed(outcomes).slice(0, 3)).toEqual(['1', '2', '3']);
    expect(outcomes.filter((line) => line.startsWith('30 shed')).length).toBeGreaterThanOrEqual(90);
  });

  test('one that fails again and again is stuck, however short its sends', () => {
    const { full } = play(
      { answers: ['--#'], options: { ...options, breaker: { failures: 999, resetAfterMs: 10 } } },
      (stage) => {
        offerEach(stage, 1, 12);
        stage.at(100, () => stage.lane.close(0));
      },
    );
    expect(full).toEqual(['0 false', '0 true', '20 false']);
  });

  test('one that took something else since is measured from there', () => {
    const { outcomes, full } = play(
      {
        answers: (_batch, { key }, _nth, cold) => cold(key === 'u' ? '-----|' : '-'),
        options: { ...options, concurrency: 2 },
      },
      (stage) => {
        stage.at(0, () => offerEach(stage, 1, 1));
        stage.at(0, () => stage.lane.offer(delivery([2], { target: 'u' })));
        stage.at(24, () => offerEach(stage, 11, 20));
        stage.at(30, () => stage.lane.close(0));
      },
    );
    expect(full).toEqual(['0 false', '24 true', '25 false']);
    expect(numbersShed(outcomes)[0]).toBe('11');
  });

  test('an open breaker is stuck without a delay', () => {
    const { outcomes, full } = play(
      { answers: ['#'], options: { ...options, breaker: { failures: 1, resetAfterMs: 1000 } } },
      (stage) => {
        offerEach(stage, 0, 0);
        stage.at(1, () => offerEach(stage, 1, 11));
        stage.at(2, () => stage.lane.close(0));
      },
    );
    expect(full).toEqual(['0 false']);
    expect(outcomes.slice(0, 2)).toEqual(['1 shed queue_full 0', '1 shed queue_full 1']);
  });

  test('a breaker that opens while the input waits frees it', () => {
    const { outcomes, full } = play(
      { answers: ['----#'], options: { ...options, breaker: { failures: 1, resetAfterMs: 1000 } } },
      (stage) => {
        offerEach(stage, 1, 12);
        stage.at(5, () => stage.lane.close(0));
      },
    );
    expect(full).toEqual(['0 false', '0 true', '4 false']);
    expect(numbersShed(outcomes).slice(0, 3)).toEqual(['1', '2', '3']);
  });

  test('one that throttles for longer than stallAfterMs is stuck', () => {
    const { full } = play({ answers: [['#', new Throttled('', 500)], '|'], options }, (stage) =>
      offerEach(stage, 1, 12),
    );
    expect(full).toEqual(['0 false', '0 true', '20 false']);
  });

  test('one that comes back makes the input wait again, and sheds no more', () => {
    const { outcomes, full } = play(
      { answers: (_batch, _target, nth, cold) => cold(nth === 1 ? `${'-'.repeat(50)}|` : '-----|'), options },
      (stage) => {
        stage.at(0, () => offerEach(stage, 1, 12));
        stage.at(52, () => offerEach(stage, 13, 15));
      },
    );
    expect(full.slice(0, 4)).toEqual(['0 false', '0 true', '20 false', '52 true']);
    expect(numbersShed(outcomes)).toEqual(['2', '3', '4']);
  });

  test('a lane that was idle is not stuck, however long ago it last succeeded', () => {
    const { outcomes, full } = play({ answers: ['-----|'], options }, (stage) => {
      stage.at(0, () => offerEach(stage, 0, 0));
      stage.at(5000, () => offerEach(stage, 1, 12));
    });
    expect(full).toEqual(['0 false', '5000 true', '5015 false']);
    expect(numbersShed(outcomes)).toEqual([]);
  });

  test('… nor if all that it held was shed or buried meanwhile', () => {
    const { full } = play(
      {
        answers: ['#', '-----|'],
        options: { ...options, retry: { initialMs: 1, maxMs: 1, maxAttempts: 1 } },
      },
      (stage) => {
        stage.at(0, () => offerEach(stage, 0, 0));
        stage.at(5000, () => offerEach(stage, 1, 12));
      },
    );
    expect(full).toEqual(['0 false', '5000 true', '5015 false']);
  });

  test('a clock that is set back does not keep the input waiting', () => {
    const { full } = play({ answers: ['-'], options }, (stage) => {
      const now = stage.scheduler.now.bind(stage.scheduler);
      let setBackMs = 0;
      stage.scheduler.now = () => now() - setBackMs;
      stage.at(5000, () => offerEach(stage, 1, 12));
      stage.at(5010, () => {
        setBackMs = 4000;
      });
      stage.at(5100, () => stage.lane.close(0));
    });
    expect(full.map((line) => line.split(' ')[1])).toEqual(['false', 'true', 'false']);
    expect(Number(full[2]?.split(' ')[0])).toBeLessThan(1050);
  });
});

describe('who is shed', () => {
  /** Fills a stuck lane with these deliveries of 100 bytes a message and says who was shed at its bound. */
  const shedOf = (deliveries: readonly ReturnType<typeof delivery>[], over: object = {}) => {
    const { outcomes, stage, full } = play(
      { answers: ['-'], options: { ...options, ...over } },
      ({ lane, at }) => {
        at(0, () => lane.offer(delivery([0], { target: 'first' })));
        at(30, () => deliveries.forEach(lane.offer));
        at(40, () => lane.close(0));
      },
    );
    const at30 = outcomes.filter((line) => line.startsWith('30 '));
    return { shed: at30.map((line) => line.slice(3)), letters: stage.context.deadLetters.letters, full };
  };

  test('metrics before events, and a batch is split', () => {
    const mixed = [event(1), metric(2), event(3), metric(4), event(5), event(6), metric(7), event(8)];
    const { shed } = shedOf([delivery(mixed), delivery([event(9), event(10)])]);
    expect(shed).toEqual(['shed queue_full 2,4']);
  });

  test('the rule of lowest priority first', () => {
    const { shed } = shedOf([
      delivery([metric(1), metric(2), metric(3)], { priority: 1 }),
      delivery([event(4), event(5), event(6), event(7), event(8), event(9), event(10)], { priority: 5 }),
    ]);
    expect(shed).toEqual(['shed queue_full 4,5']);
  });

  test('critical events never: they have a reserve of a quarter', () => {
    const { shed, letters, full } = shedOf([
      delivery(Array.from({ length: 10 }, (_, n) => event(n + 1, 5))),
      delivery([event(20), event(21, 6)]),
    ]);
    expect(shed).toEqual(['shed queue_full 20']);
    expect(letters).toEqual([]);
    expect(full).toEqual(['0 false']);
  });

  test('past the reserve the oldest of them go to the dead letters', () => {
    const { shed, letters } = shedOf([delivery(Array.from({ length: 12 }, (_, n) => event(n + 1, 5)))]);
    expect(shed).toEqual(['dead_lettered queue_full 1']);
    expect(
      letters.map(({ reason, error, target, messages }) => [reason, error, target, numbersOf(messages)]),
    ).toEqual([['queue_full', 'the queue held more than 1.25 times its bound', 't', [1]]]);
  });

  test('… some more of them, so that not every batch sheds', () => {
    const { letters } = shedOf([delivery(Array.from({ length: 126 }, (_, n) => event(n + 1, 5)))], {
      queueMaxBytes: 10_000,
    });
    expect(letters.flatMap(({ messages }) => numbersOf(messages))).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  test('what is critical can be said', () => {
    const { shed } = shedOf(
      [delivery([event(1, 6), metric(2), ...[3, 4, 5, 6, 7, 8, 9, 10].map((n) => event(n))])],
      {
        isCritical: ({ type }: { type: string }) => type === 'metric',
      },
    );
    expect(shed).toEqual(['shed queue_full 1,3']);
  });

  test('a rule that blocks is not shed: the input waits, stuck or not', () => {
    const { shed, full } = shedOf([
      delivery([1, 2, 3, 4, 5, 6], { whenFull: 'block' }),
      delivery([7, 8]),
      delivery([9, 10, 11, 12, 13], { whenFull: 'block' }),
    ]);
    expect(shed).toEqual(['shed queue_full 7,8']);
    expect(full).toEqual(['0 false', '30 true', '40 false']);
  });

  test('a rule that blocks does not make the input wait while others can be shed', () => {
    const { shed, full } = shedOf([
      delivery([1, 2, 3], { whenFull: 'block' }),
      delivery([4, 5, 6, 7, 8, 9, 10]),
    ]);
    expect(shed).toEqual(['shed queue_full 4,5']);
    expect(full).toEqual(['0 false']);
  });

  test('a rule that blocks waits for what it is sending, too', () => {
    const { full } = play({ answers: ['-'], options }, ({ lane, at }) => {
      lane.offer(delivery([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], { whenFull: 'block' }));
      at(100, () => lane.close(0));
    });
    expect(full).toEqual(['0 false', '0 true', '100 false']);
  });
});
