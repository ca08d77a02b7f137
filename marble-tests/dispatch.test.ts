import { describe, expect, test } from '@jest/globals';
import { asyncScheduler, of } from 'rxjs';
import type { Batch } from '../src/batch.ts';
import type { Config } from '../src/config/schema.ts';
import type { Delivery, Routed } from '../src/deliver/outcome.ts';
import { planOf, routing, showRouted } from '../test/route/planned.ts';
import { batchOf, letters, messageOf, recordingContext } from '../test/route/support.ts';

/** What a plan says of batches, and what it counted as added. */
function route(config: Config, ...batches: readonly Batch[]) {
  const context = recordingContext(asyncScheduler);
  const routed: Routed[] = [];
  planOf(config, context)
    .run(of(...batches))
    .subscribe((each) => routed.push(each));
  return { lines: routed.map(showRouted), added: context.added, routed };
}
const linesOf = (config: Config, ...batches: readonly Batch[]) => route(config, ...batches).lines;

const EVENT_A = { backend: 'a' };
const mixed = batchOf([
  messageOf('e', { type: 'event' }),
  messageOf('m', { type: 'metric' }),
  messageOf('f', { type: 'event' }),
]);

describe('the rules of a source', () => {
  const rest = ['b filtered not_routed x', 'c filtered not_routed x'];

  test('are those under its name', () => {
    expect(linesOf(routing({ s: [EVENT_A], other: [{ backend: 'b' }] }), letters('x'))).toEqual([
      ...rest,
      'a t x',
    ]);
  });

  test('are those under the first glob that matches, if none has its name', () => {
    const rules = { 'sv*': [{ backend: 'c' }], 's*': [EVENT_A], '*': [{ backend: 'b' }] };
    expect(linesOf(routing(rules), letters('x'))).toEqual([...rest, 'a t x']);
    expect(linesOf(routing({ ...rules, s: [{ backend: 'c' }] }), letters('x'))).toContain('c t x');
  });

  test('are those of default, if none matches', () => {
    const rules = { other: [{ backend: 'b' }], default: [EVENT_A] };
    expect(linesOf(routing(rules), letters('x'))).toEqual([...rest, 'a t x']);
    expect(linesOf(routing({ ...rules, s: [{ backend: 'c' }] }), letters('x'))).not.toContain('a t x');
    // A list that is there and empty is a source's own rules: none.
    expect(linesOf(routing({ ...rules, s: [] }), letters('x'))).toHaveLength(3);
  });

  test('are those of all besides', () => {
    const rules = { s: [{ backend: 'b' }], default: [{ backend: 'c' }], all: [EVENT_A] };
    expect(linesOf(routing(rules), letters('x'))).toEqual(['c filtered not_routed x', 'b t x', 'a t x']);
    expect(linesOf(routing(rules), letters('x', 'u'))).toEqual(['b filtered not_routed x', 'c t x', 'a t x']);
  });

  test('do not match sources called like a member of every object, or like a keyword', () => {
    const config = routing({ s: [EVENT_A], default: [{ backend: 'b' }], all: [{ backend: 'c' }] });
    for (const source of ['__proto__', 'constructor', 'toString', 'default', 'all']) {
      expect(linesOf(config, letters('x', source))).toEqual(['a filtered not_routed x', 'b t x', 'c t x']);
    }
  });

  test("apply by priority, then in the order of the file, the source's own before all", () => {
    const rules = {
      s: [{ backend: 'a', priority: 5 }, { backend: 'b' }, { backend: 'c', priority: 1 }],
      all: [
        { backend: 'a', priority: 3, config: { path: 'u' } },
        { backend: 'b', config: { path: 'u' } },
      ],
    };
    expect(linesOf(routing(rules), letters('x'))).toEqual(['c t x', 'a u x', 'a t x', 'b t x', 'b u x']);
  });

  test('apply only if enabled', () => {
    const config = routing({ s: [EVENT_A, { backend: 'b', enabled: false }] });
    expect(linesOf(config, letters('x'))).toEqual([...rest, 'a t x']);
  });
});

describe('a batch', () => {
  test('has an outcome for every backend that gets nothing of it', () => {
    expect(linesOf(routing({ other: [EVENT_A] }), letters('xy'))).toEqual(
      ['a', 'b', 'c'].map((name) => `${name} filtered not_routed xy`),
    );
  });

  test('goes on as the identical object where a rule takes all of it', () => {
    const batch = letters('xy');
    const { routed } = route(
      routing({ s: [EVENT_A, { backend: 'b', filter: { types: ['event'] } }] }),
      batch,
    );
    const batches = routed.flatMap((each) => (each.kind === 'delivery' ? each.batch : []));
    expect(batches).toHaveLength(2);
    for (const each of batches) expect(each).toBe(batch);
  });

  test('is split by a filter, with an outcome for what does not pass', () => {
    const { routed, lines } = route(routing({ s: [{ ...EVENT_A, filter: { types: ['event'] } }] }), mixed);
    expect(lines).toEqual([
      'b filtered not_routed emf',
      'c filtered not_routed emf',
      'a filtered filter m',
      'a t ef',
    ]);
    const { batch } = routed.at(-1) as Delivery;
    expect(batch).toMatchObject({ id: 'e-2', source: 's', reason: 'count' });
    expect(batch.bytes).toBe(batch.messages.reduce((sum, { bytes }) => sum + bytes, 0));
  });

  test('is split once by rules with the same filter, so that it is encoded once', () => {
    const filter = { types: ['event'] };
    const config = routing({ s: [{ backend: 'a', filter }], all: [{ backend: 'b', filter }] });
    const { routed } = route(config, mixed);
    const [first, second] = routed.flatMap((each) => (each.kind === 'delivery' ? each.batch : []));
    expect(first?.messages).toHaveLength(2);
    expect(second).toBe(first);
  });

  test('is not delivered where nothing passes', () => {
    expect(linesOf(routing({ s: [{ ...EVENT_A, filter: { types: ['span'] } }] }), mixed).at(-1)).toBe(
      'a filtered filter emf',
    );
  });

  test('goes twice to a backend with two rules, and counts as added for the second', () => {
    const rules = [EVENT_A, { ...EVENT_A, filter: { types: ['metric'] }, config: { path: 'u' } }];
    const { lines, added } = route(routing({ s: rules }), mixed);
    expect(lines.slice(2)).toEqual(['a t emf', 'a filtered filter ef', 'a u m']);
    expect(added).toBe(3);
  });

  test("is divided by target, in order of each target's first message", () => {
    const { lines } = route(routing({ s: [{ ...EVENT_A, config: { path: 'x-{type}' } }] }), mixed);
    expect(lines.slice(2)).toEqual(['a x-event ef', 'a x-metric m']);
  });

  test("carries its rule's priority and what to do at the bound", () => {
    const rule = { ...EVENT_A, priority: 7, when_full: 'block' };
    expect(route(routing({ s: [rule] }), letters('x')).routed.at(-1)).toMatchObject({
      priority: 7,
      whenFull: 'block',
    });
    expect(route(routing({ s: [EVENT_A] }), letters('x')).routed.at(-1)).toMatchObject({
      priority: 100,
      whenFull: 'spill',
    });
  });
});
