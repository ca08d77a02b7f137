import { describe, expect, jest, test } from '@jest/globals';
import { firstValueFrom, merge, take, toArray } from 'rxjs';
import { type Abort, abortable } from '../../src/sinks/tasks/abortable.ts';
import { turns } from '../../src/sinks/tasks/turns.ts';

const tick = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A task that ends when it is told to. */
function manual<T>(value: T) {
  let end: (error?: Error) => void = () => {};
  const done = new Promise<T>((resolve, reject) => {
    end = (error) => (error === undefined ? resolve(value) : reject(error));
  });
  return { run: jest.fn(() => done), end: (error?: Error) => end(error) };
}

describe('turns', () => {
  test.each([1, 2, 3])('%d at a time, first come first served', async (limit) => {
    const running = turns(limit);
    const tasks = Array.from({ length: 5 }, (_, n) => manual(n));
    const results = tasks.map(({ run }) => running.run(run));
    const started = () => tasks.filter(({ run }) => run.mock.calls.length > 0).length;
    for (let ended = 0; ended < 5; ended++) {
      await tick();
      expect(started()).toBe(Math.min(5, ended + limit));
      tasks[ended]!.end();
    }
    expect(await Promise.all(results)).toEqual([0, 1, 2, 3, 4]);
  });

  test('a task that fails, at once or later, lets the next one start', async () => {
    const running = turns(1);
    const later = manual(0);
    const results = Promise.allSettled([
      running.run(() => {
        throw new Error('at once');
      }),
      running.run(later.run),
      running.run(async () => 'last'),
    ]);
    await tick();
    later.end(new Error('later'));
    expect(await results).toMatchObject([
      { reason: { message: 'at once' } },
      { reason: { message: 'later' } },
      { value: 'last' },
    ]);
  });

  test('is idle before, between and after, and not while one runs or waits', async () => {
    const running = turns(1);
    expect(running.idle()).toBe(true);
    const tasks = [manual(1), manual(2)];
    const results = tasks.map(({ run }) => running.run(run));
    expect(running.idle()).toBe(false);
    tasks[0]!.end();
    await results[0];
    expect(running.idle()).toBe(false);
    tasks[1]!.end();
    await results[1];
    expect(running.idle()).toBe(true);
  });

  test('never more than its limit, also when they start and end all the time', async () => {
    const running = turns(2);
    let now = 0;
    let most = 0;
    const task = async () => {
      most = Math.max(most, ++now);
      await tick();
      now--;
    };
    await Promise.all(Array.from({ length: 100 }, () => running.run(task)));
    expect(most).toBe(2);
  });
});

describe('abortable', () => {
  test('completes when the task resolves, with what it resolves with, if anything', async () => {
    const valuesOf = (task: () => Promise<unknown>) => firstValueFrom(abortable(task).pipe(toArray()));
    expect(await valuesOf(async () => ({ place: 'x' }))).toEqual([{ place: 'x' }]);
    expect(await valuesOf(async () => undefined)).toEqual([]);
  });

  test('errors as the task does', async () => {
    const failing = abortable(() => Promise.reject(new Error('no')));
    await expect(firstValueFrom(failing)).rejects.toThrow('no');
  });

  test('runs on each subscription, not before', async () => {
    const task = jest.fn(async () => {});
    const task$ = abortable(task);
    expect(task).not.toHaveBeenCalled();
    await firstValueFrom(merge(task$, task$).pipe(toArray()));
    expect(task).toHaveBeenCalledTimes(2);
  });

  test('unsubscribing aborts, and what comes after is not heard', async () => {
    const heard = jest.fn();
    let abort: Abort | undefined;
    const { run, end } = manual(0);
    const subscription = abortable((given) => {
      abort = given;
      return run();
    }).subscribe({ complete: heard, error: heard });
    const early = abort?.signal();
    expect([abort?.aborted, early?.aborted]).toEqual([false, false]);
    subscription.unsubscribe();
    expect([abort?.aborted, early?.aborted]).toEqual([true, true]);
    end(new Error('too late'));
    await tick();
    expect(heard).not.toHaveBeenCalled();
  });

  test('an operator that ends early aborts too', async () => {
    let abort: Abort | undefined;
    const never$ = abortable((given) => {
      abort = given;
      return new Promise(() => {});
    });
    await firstValueFrom(merge(Promise.resolve(1), never$).pipe(take(1)));
    // Whoever asks for the signal only now is told as well.
    expect([abort?.aborted, abort?.signal().aborted]).toEqual([true, true]);
  });
});
