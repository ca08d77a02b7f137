import { describe, expect, test } from '@jest/globals';
import { Permanent, Throttled } from '../../src/deliver/sink.ts';
import { answering, answerOf, backendOf, parseAnswer, WELL } from '../../src/testing/behaviour.ts';
import { inVirtualTime } from '../../src/testing/virtual-time.ts';

const DOWN = { answers: '|', down: [], refuses: [], throttle: 1000 };

describe('an answer', () => {
  test.each([
    ['|', 0, 'accepted'],
    ['--|', 2, 'accepted'],
    ['5s |', 5000, 'accepted'],
    ['#', 0, 'transient'],
    ['30ms #', 30, 'transient'],
    ['X', 0, 'permanent'],
    ['-X', 1, 'permanent'],
    ['T', 0, 'throttled'],
    ['-', 0, 'never'],
    ['', 0, 'never'],
  ])('%j', (text, afterMs, kind) => {
    expect(parseAnswer(text)).toEqual({ afterMs, kind });
  });

  test.each(['a', 'X|', 'XT', 'T#', '-a-|'])('%j is refused', (text) => {
    expect(() => parseAnswer(text)).toThrow('an answer ends with one of | accepted, # failed');
  });
});

describe('what a backend does', () => {
  const kindsOf = (said: Parameters<typeof backendOf>[0], sends: number) => {
    const backend = backendOf(said);
    return Array.from({ length: sends }, (_, nth) => answerOf(backend, nth, 0, []).kind);
  };

  test('one diagram is for all sends, of several the last is for all others', () => {
    expect(kindsOf('#', 3)).toEqual(['transient', 'transient', 'transient']);
    expect(kindsOf(['#', 'T', '|'], 4)).toEqual(['transient', 'throttled', 'accepted', 'accepted']);
    expect(kindsOf({ ...DOWN, answers: ['#', '|'] }, 3)).toEqual(['transient', 'accepted', 'accepted']);
  });

  test('while it is down it answers otherwise, from the first millisecond to before the last', () => {
    const down = [
      { from: 10, to: 20, answer: '#' },
      { from: 30, to: undefined, answer: '-' },
    ];
    const backend = backendOf({ ...DOWN, down });
    const kinds = [9, 10, 19, 20, 29, 30, 1e9].map((ms) => answerOf(backend, 0, ms, []).kind);
    expect(kinds).toEqual(['accepted', 'transient', 'transient', 'accepted', 'accepted', 'never', 'never']);
  });

  test('what it refuses it refuses in every batch, as late as it answers', () => {
    const backend = backendOf({ ...DOWN, answers: '--|', refuses: 'bc' });
    expect(answerOf(backend, 0, 0, ['a', 'b'])).toEqual({ afterMs: 2, kind: 'permanent' });
    expect(answerOf(backend, 0, 0, ['c'])).toEqual({ afterMs: 2, kind: 'permanent' });
    expect(answerOf(backend, 0, 0, ['a'])).toEqual({ afterMs: 2, kind: 'accepted' });
  });

  test('a backend that fails has not looked at what it refuses', () => {
    const backend = backendOf({ ...DOWN, answers: '#', refuses: 'b' });
    expect(answerOf(backend, 0, 0, ['b']).kind).toBe('transient');
  });

  test('nothing said is well', () => {
    expect(answerOf(WELL, 7, 1e9, ['a'])).toEqual({ afterMs: 0, kind: 'accepted' });
  });
});

describe('a send', () => {
  const endOf = (answer: string, throttleMs = 1) => {
    const ends: [number, unknown][] = [];
    inVirtualTime(Number.POSITIVE_INFINITY, ({ scheduler, nowMs }) => {
      answering(parseAnswer(answer), throttleMs, scheduler).subscribe({
        complete: () => ends.push([nowMs(), 'complete']),
        error: (error) => ends.push([nowMs(), error]),
      });
      ends.push([nowMs(), 'returned']);
    });
    return ends;
  };

  test('that takes no time ends before it returns', () => {
    expect(endOf('|')).toEqual([
      [0, 'complete'],
      [0, 'returned'],
    ]);
  });

  test('ends when its diagram does', () => {
    expect(endOf('---|')).toEqual([
      [0, 'returned'],
      [3, 'complete'],
    ]);
    expect(endOf('-#')).toEqual([
      [0, 'returned'],
      [1, expect.any(Error)],
    ]);
  });

  test('hangs', () => {
    expect(endOf('-')).toEqual([[0, 'returned']]);
  });

  test('fails as sinks do', () => {
    expect(endOf('#')[0]?.[1]).not.toBeInstanceOf(Permanent);
    expect(endOf('X')[0]?.[1]).toBeInstanceOf(Permanent);
    expect(endOf('T', 2500)[0]?.[1]).toBeInstanceOf(Throttled);
    expect(endOf('T', 2500)[0]?.[1]).toMatchObject({ retryAfterMs: 2500 });
  });

  test('that is aborted does not end', () => {
    const ends: string[] = [];
    inVirtualTime(Number.POSITIVE_INFINITY, ({ scheduler, at }) => {
      const sending = answering(parseAnswer('---|'), 1, scheduler).subscribe({
        complete: () => ends.push('complete'),
      });
      at(2, () => sending.unsubscribe());
    });
    expect(ends).toEqual([]);
  });
});
