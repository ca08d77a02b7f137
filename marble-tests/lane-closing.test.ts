import { describe, expect, test } from '@jest/globals';
import { NEVER, Observable, throwError } from 'rxjs';
import { Throttled } from '../src/deliver/sink.ts';
import { delivery } from '../test/deliver/fixtures.ts';
import { play } from '../test/deliver/stage.ts';

const closedAt = ({ sink }: { sink: { closedMs: number[] } }) => sink.closedMs;

describe('closing', () => {
  test('an idle lane closes at once, its sink once', () => {
    const { ended, full, stage } = play({ answers: [] }, ({ lane, at }) => at(5, () => lane.close(100)));
    expect(ended).toEqual([5]);
    expect(closedAt(stage)).toEqual([5]);
    expect(full).toEqual(['0 false']);
  });

  test('what waits is sent before the sink is closed', () => {
    const { outcomes, ended, stage } = play({ answers: ['---|'] }, ({ lane }) => {
      for (const n of [1, 2, 3]) lane.offer(delivery([n]));
      lane.close(100);
    });
    expect(outcomes).toEqual(['3 delivered ok 1', '6 delivered ok 2', '9 delivered ok 3']);
    expect([ended, closedAt(stage)]).toEqual([[9], [9]]);
    expect(stage.context.log.lines).toEqual([]);
  });

  test('what waits for company or for a retry is sent at once', () => {
    const { sends } = play(
      {
        answers: ['#', '|'],
        merge: { maxMessages: 10, maxBytes: 10_000 },
        options: { merge: { maxAgeMs: 60_000 }, retry: { initialMs: 5000, maxMs: 5000, maxAttempts: 9 } },
      },
      ({ lane, at }) => {
        at(0, () => lane.offer(delivery([1], { reason: 'critical' })));
        at(1, () => lane.offer(delivery([2], { target: 'u' })));
        at(10, () => lane.close(1000));
      },
    );
    expect(sends).toEqual(['0 t 1', '10 t 1', '10 u 2']);
  });

  test('at the deadline sends are aborted, the rest is shed, and the number is known', () => {
    const aborted: number[] = [];
    const { outcomes, ended, stage } = play(
      { answers: (_batch, _target, nth) => new Observable(() => () => aborted.push(nth)) },
      ({ lane, at }) => {
        for (const n of [1, 2]) lane.offer(delivery([n, n + 10]));
        at(10, () => lane.close(50));
      },
    );
    expect(outcomes).toEqual(['60 shed shutdown 1,11', '60 shed shutdown 2,12']);
    expect([ended, closedAt(stage), aborted]).toEqual([[60], [60], [1]]);
    expect(stage.lane.stats()).toMatchObject({ abandoned: 4, inFlightMessages: 0, queueBytes: 0 });
    expect(stage.context.log.lines).toEqual([
      {
        level: 'warn',
        fields: { backend: 'b', messages: 4, error: '' },
        text: 'Closed with messages undelivered',
      },
    ]);
  });

  test('a sink that throws while it is aborted does not stop the closing', () => {
    const { ended } = play(
      {
        answers: () =>
          new Observable(() => () => {
            throw new Error('no');
          }),
      },
      ({ lane }) => {
        lane.offer(delivery([1]));
        lane.close(50);
      },
    );
    expect(ended).toEqual([50]);
  });

  test('retries go on until the deadline, with pauses of at most a second', () => {
    const { sends, outcomes } = play(
      {
        answers: ['#', '#', '#', '|'],
        options: { retry: { initialMs: 60_000, maxMs: 60_000, maxAttempts: Number.POSITIVE_INFINITY } },
      },
      ({ lane }) => {
        lane.offer(delivery([1]));
        lane.close(10_000);
      },
    );
    expect(sends).toEqual(['0 t 1', '1000 t 1', '2000 t 1', '3000 t 1']);
    expect(outcomes).toEqual(['3000 delivered ok 1']);
  });

  test('later offers are shed and counted', () => {
    const { outcomes, stage } = play({ answers: ['----|'] }, ({ lane, at }) => {
      lane.offer(delivery([1]));
      lane.close(100);
      at(2, () => lane.offer(delivery([2])));
    });
    expect(outcomes).toEqual(['2 shed shutdown 2', '4 delivered ok 1']);
    expect(stage.lane.stats().abandoned).toBe(1);
  });

  test('a second call may only bring the deadline nearer', () => {
    const endedAfter = (secondMs: number) =>
      play({ answers: ['-'] }, ({ lane, at }) => {
        lane.offer(delivery([1]));
        lane.close(100);
        at(10, () => lane.close(secondMs));
      }).ended;
    expect(endedAfter(20)).toEqual([30]);
    expect(endedAfter(500)).toEqual([100]);
  });

  test('the result completes when all is done, also for who comes late; unsubscribing changes nothing', () => {
    const completed: string[] = [];
    const { ended } = play({ answers: ['----|'] }, ({ lane, scheduler, at }) => {
      lane.offer(delivery([1]));
      const done$ = lane.close(100);
      done$.subscribe({ complete: () => completed.push(`first ${scheduler.now()}`) });
      done$.subscribe().unsubscribe();
      at(50, () => {
        lane.close(1).subscribe({ complete: () => completed.push(`late ${scheduler.now()}`) });
        lane.outcome$.subscribe({ complete: () => completed.push('outcomes') });
      });
    });
    expect(ended).toEqual([4]);
    expect(completed).toEqual(['first 4', 'late 50', 'outcomes']);
  });

  test('nothing is left running, whatever is called afterwards', () => {
    const { stage } = play({ answers: ['-'], options: { queueMaxBytes: 150 } }, ({ lane, at }) => {
      for (const n of [1, 2]) lane.offer(delivery([n]));
      at(1, () => lane.close(10));
      at(50, () => {
        lane.close(60_000);
        lane.offer(delivery([3]));
      });
      at(51, () => expect(lane.stats()).toMatchObject({ inFlightMessages: 0, abandoned: 3 }));
    });
    expect(stage.scheduler.actions).toEqual([]);
    expect(stage.scheduler.now()).toBe(51);
  });

  test('a full lane that closes makes nobody wait', () => {
    const { full } = play({ answers: ['-----|'], options: { queueMaxBytes: 150 } }, ({ lane, at }) => {
      for (const n of [1, 2]) lane.offer(delivery([n]));
      at(1, () => lane.close(100));
    });
    expect(full).toEqual(['0 false', '0 true', '1 false']);
  });
});

describe('closing while the backend is dead', () => {
  const options = { breaker: { failures: 1, resetAfterMs: 5000 } };

  test('one probe at once; if it fails, nothing more is waited for', () => {
    const { sends, outcomes, ended } = play({ answers: ['#', '--#'], options }, ({ lane, at }) => {
      at(0, () => lane.offer(delivery([1])));
      at(0, () => lane.offer(delivery([2], { target: 'u' })));
      at(10, () => lane.close(10_000));
    });
    expect(sends).toEqual(['0 t 1', '10 u 2']);
    expect(outcomes).toEqual(['12 shed shutdown 1', '12 shed shutdown 2']);
    expect(ended).toEqual([12]);
  });

  test('if it succeeds, everything is sent', () => {
    const { outcomes, ended } = play({ answers: ['#', '--|'], options }, ({ lane, at }) => {
      at(0, () => lane.offer(delivery([1])));
      at(0, () => lane.offer(delivery([2], { target: 'u' })));
      at(10, () => lane.close(10_000));
    });
    expect(outcomes).toEqual(['12 delivered ok 2', '14 delivered ok 1']);
    expect(ended).toEqual([14]);
  });

  test('a breaker that opens during the closing ends it', () => {
    const { outcomes, ended } = play(
      { answers: ['-#'], options: { breaker: { failures: 3, resetAfterMs: 5000 } } },
      ({ lane }) => {
        lane.offer(delivery([1]));
        lane.close(10_000);
      },
    );
    expect(outcomes).toEqual(['33 shed shutdown 1']);
    expect(ended).toEqual([33]);
  });

  test('what is on its way when hope is given up may still arrive', () => {
    const { outcomes, ended } = play(
      {
        answers: (_batch, { key }, _nth, cold) => cold(key === 'slow' ? '----------|' : '-#'),
        options: { ...options, concurrency: 2 },
      },
      ({ lane }) => {
        lane.offer(delivery([1], { target: 'slow' }));
        lane.offer(delivery([2]));
        lane.close(10_000);
      },
    );
    expect(outcomes).toEqual(['1 shed shutdown 2', '10 delivered ok 1']);
    expect(ended).toEqual([10]);
  });

  test('a pause that the backend asked for is cut to one try; a new one beyond the deadline ends it', () => {
    const { sends, outcomes } = play({ answers: [['#', new Throttled('', 60_000)]] }, ({ lane, at }) => {
      lane.offer(delivery([1]));
      at(10, () => lane.close(1000));
    });
    expect(sends).toEqual(['0 t 1', '10 t 1']);
    expect(outcomes).toEqual(['10 shed shutdown 1']);
  });

  test('a pause that ends before the deadline is waited for', () => {
    const { outcomes } = play(
      { answers: [['#', new Throttled('', 300)], ['#', new Throttled('', 300)], '|'] },
      ({ lane, at }) => {
        lane.offer(delivery([1]));
        at(10, () => lane.close(1000));
        // No second try for that.
        at(20, () => lane.close(900));
      },
    );
    expect(outcomes).toEqual(['310 delivered ok 1']);
  });

  test('a probe that hangs is waited for until the deadline', () => {
    const { ended } = play({ answers: ['#', '-'], options }, ({ lane, at }) => {
      lane.offer(delivery([1]));
      at(10, () => lane.close(500));
    });
    expect(ended).toEqual([510]);
  });
});

describe('closing the sink', () => {
  test('the lane ends when the sink has closed', () => {
    const { ended } = play(
      { answers: [], close: () => new Observable<never>((s) => s.complete()) },
      ({ lane }) => lane.close(0),
    );
    expect(ended).toEqual([0]);
  });

  test('a sink that does not close is left behind: after the deadline, but not before a second', () => {
    const left = (deadlineMs: number) =>
      play({ answers: [], close: () => NEVER }, ({ lane, at }) => at(100, () => lane.close(deadlineMs)));
    expect(left(0).ended).toEqual([1100]);
    expect(left(5000).ended).toEqual([5100]);
    expect(left(0).stage.context.log.lines[0]?.text).toBe('The backend did not close cleanly');
  });

  test('a sink that fails to close is logged', () => {
    for (const close of [
      () => throwError(() => new Error('busy')),
      () => {
        throw new Error('busy');
      },
    ]) {
      const { ended, stage } = play({ answers: [], close }, ({ lane }) => lane.close(0));
      expect(ended).toEqual([0]);
      expect(stage.context.log.lines).toEqual([
        {
          level: 'warn',
          fields: { backend: 'b', error: 'Error: busy' },
          text: 'The backend did not close cleanly',
        },
      ]);
    }
  });
});
