import { expect, test } from '@jest/globals';
import { concatMap, delay, endWith, filter, of, tap } from 'rxjs';
import { countHeld } from '../src/route/count-held.ts';
import type { Operator } from '../src/route/operator.ts';
import { run } from '../test/route/chain-trial.ts';
import { messageOf } from '../test/route/support.ts';

const LATE =
  'warn: operator /pipelines/late.ts gives back messages that had counted as filtered: they have to be registered, with context.holding or countHeld';

test('what is given back later counts as filtered, and the log says so, once', () => {
  const late: Operator = (_, { scheduler }) => delay(3, scheduler);
  const { results, context } = run({ late }, 'a-b----a|');
  expect(results.slice(0, 4)).toEqual([
    '0 filtered operator:late a',
    '2 filtered operator:late b',
    '3 a',
    '5 b',
  ]);
  expect(context.logged).toEqual([LATE]);
});

test('what countHeld registers is held until it is given back, and no longer', () => {
  const helds: number[] = [];
  const late: Operator = (_, context) => {
    let held = () => -1;
    const holding = (count: () => number) => {
      held = count;
      context.holding(count);
    };
    const counted = countHeld({ holding }, delay(3, context.scheduler));
    return (message$) => counted(message$.pipe(tap(() => helds.push(held()))));
  };
  const { results, context } = run({ late }, 'a-b----a|');
  expect(results).toEqual(['3 a', '5 b', '10 a', '10 |']);
  expect(context.logged).toEqual([]);
  // Before each goes in: none, the first, and none again.
  expect(helds).toEqual([0, 1, 0]);
});

test.each<[string, Operator]>([
  ['drops', () => filter(({ id }) => id === 'b')],
  ['adds messages of its own', () => endWith(messageOf('own'))],
  ['gives one back twice', () => concatMap((message) => of(message, message))],
])('of an operator that %s nothing is said', (_, late) => {
  expect(run({ late }, 'a-m--a|').context.logged).toEqual([]);
});
