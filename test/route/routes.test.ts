import { describe, expect, test } from '@jest/globals';
import { asyncScheduler } from 'rxjs';
import { compileRoute, deliveriesOf, partOf } from '../../src/route/routes.ts';
import { routing, showRouted, sinkOf } from './planned.ts';
import { batchOf, letters, messageOf, recordingContext } from './support.ts';

const rulesOf = (...rules: readonly object[]) => routing({ s: rules as never }).routing.s!;
const compile = compileRoute(recordingContext(asyncScheduler));
const routeOf = (rule: object) =>
  compile('routing.s[0]', rulesOf({ backend: 'a', ...rule })[0]!, sinkOf(), undefined);

describe('a route', () => {
  test('has no predicate without a filter, and the same one for the same filter', () => {
    expect(routeOf({}).accepts).toBeUndefined();
    const [one, two, three] = [['event'], ['event'], ['span']].map(
      (types) => routeOf({ filter: { types } }).accepts,
    );
    expect(one).toBe(two);
    expect(one).not.toBe(three);
  });

  test('is refused by its sink', () => {
    expect(() => routeOf({ config: { path: 'bad' } })).toThrow('path "bad" is bad');
  });

  test('addresses a batch as a whole, or by target', () => {
    const mixed = batchOf(['event', 'metric', 'event'].map((type, n) => messageOf(`${n}`, { type })));
    expect(deliveriesOf(routeOf({}), mixed).map(showRouted)).toEqual(['a t 012']);
    const parts = deliveriesOf(routeOf({ config: { path: '{type}' } }), mixed);
    expect(parts.map(showRouted)).toEqual(['a event 02', 'a metric 1']);
    const [whole] = deliveriesOf(routeOf({ config: { path: '{type}' } }), letters('xy'));
    expect(whole?.batch.messages).toHaveLength(2);
    expect(whole?.overrides).toEqual({ path: '{type}' });
  });
});

test('partOf is the batch itself where it is all of it', () => {
  const batch = letters('abc');
  expect(partOf(batch, batch.messages)).toBe(batch);
  const part = partOf(batch, batch.messages.slice(1));
  expect(part).toMatchObject({ id: 'b-2', bytes: batch.messages[1]!.bytes + batch.messages[2]!.bytes });
});
