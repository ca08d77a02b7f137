import { describe, expect, test } from '@jest/globals';
import { compareDrafts, compareRouting } from '../../src/sidecar/compare.ts';
import type { Draft } from '../../src/sidecar/draft.ts';
import { loaded, routing } from '../route/planned.ts';
import { messageOf } from '../route/support.ts';

const draftOf = (rules: Parameters<typeof routing>[0], settings: object = {}, hash = 'h'): Draft => ({
  config: routing(rules, settings),
  hash,
  warnings: [],
  operators: loaded({}),
});

describe('parts', () => {
  test('only backends that a rule sends to count', () => {
    const before = draftOf({ s: [{ backend: 'a' }] });
    const after = draftOf({ s: [{ backend: 'b' }, { backend: 'c', enabled: false }] });
    expect(compareDrafts(before, after).backends).toEqual([
      { backend: 'a', change: 'drained', keys: [] },
      { backend: 'b', change: 'opened', keys: [] },
    ]);
  });

  test('a changed backend names its keys, its type’s own among them', () => {
    const before = draftOf({ s: [{ backend: 'a' }] });
    const after = draftOf(
      { s: [{ backend: 'a' }] },
      { backends: { a: { type: 'rec', x: 'y', queue: { max_bytes: '1MiB' } } } },
    );
    expect(compareDrafts(before, after).backends).toEqual([
      { backend: 'a', change: 'replaced', keys: ['queue.max_bytes', 'x'] },
    ]);
  });

  test('operators that are taken off a rule are named', () => {
    const before = draftOf({ s: [{ backend: 'a', operators: ['x', 'y'] }] });
    const after = draftOf({ s: [{ backend: 'a' }] });
    expect(compareDrafts(before, after).operators).toEqual([
      { rule: 'routing.s[0]', use: ['x', 'y'], change: 'drained' },
    ]);
  });

  test('a listener that moves is opened and drained; settings are named', () => {
    const before = draftOf({ s: [{ backend: 'a' }] }, { tcp: { port: 1 } });
    const after = draftOf(
      { s: [{ backend: 'a' }] },
      { tcp: { port: 2 }, batch: { max_count: 5 }, critical: { types: ['x'] } },
    );
    expect(compareDrafts(before, after)).toMatchObject({
      unchanged: false,
      listeners: [
        { address: '127.0.0.1:1', change: 'drained' },
        { address: '127.0.0.1:2', change: 'opened' },
      ],
      settings: ['batch.max_count', 'critical.types'],
    });
  });
});

test('what else of a rule differs is named with the settings', () => {
  const before = draftOf({ s: [{ backend: 'a' }, { backend: 'b', priority: 1 }] });
  const after = draftOf({
    s: [
      { backend: 'a', config: { path: 'x' } },
      { backend: 'b', when_full: 'shed' },
    ],
  });
  const { unchanged, settings } = compareDrafts(before, after);
  expect(settings).toEqual(['routing.s[0].config.path', 'routing.s[1].priority', 'routing.s[1].when_full']);
  expect(unchanged).toBe(false);
});

test('operators that go are named where their rule has moved', () => {
  const before = draftOf({ s: [{ backend: 'a', operators: ['x'] }] });
  const after = draftOf({ s: [{ backend: 'b' }, { backend: 'a', operators: ['x'] }] });
  expect(compareDrafts(before, after).operators).toEqual([
    { rule: 'routing.s[0]', use: ['x'], change: 'drained' },
    { rule: 'routing.s[1]', use: ['x'], change: 'opened' },
  ]);
});

describe('routing', () => {
  const messages = ['event', 'metric', 'event'].map((type, n) => messageOf(`${n}`, { type, source: 's' }));

  test('groups what would have gone elsewhere, by source, type and ways', () => {
    const before = routing({ s: [{ backend: 'a' }, { backend: 'b', filter: { types: ['metric'] } }] });
    const after = routing({
      default: [{ backend: 'a', filter: { types: ['metric'] } }],
      all: [{ backend: 'b' }],
    });
    expect(compareRouting(before, after, messages)).toEqual({
      messages: 3,
      changed: 2,
      differences: [
        { source: 's', type: 'event', messages: 2, before: ['a'], after: ['b'], example: messages[2]!.id },
      ],
    });
  });

  test('a second rule to a backend, which would get messages twice', () => {
    const before = routing({ s: [{ backend: 'a' }] });
    const after = routing({ s: [{ backend: 'a' }], all: [{ backend: 'a', filter: { types: ['metric'] } }] });
    expect(compareRouting(before, after, messages).differences).toMatchObject([
      { type: 'metric', messages: 1, before: ['a'], after: ['a', 'a'] },
    ]);
  });

  test('a rule that is turned off, and an order that changes', () => {
    const before = routing({ s: [{ backend: 'a' }, { backend: 'b', priority: 1 }] });
    const swapped = routing({ s: [{ backend: 'b' }, { backend: 'a', priority: 1 }] });
    expect(compareRouting(before, swapped, messages).changed).toBe(0);
    const off = routing({ s: [{ backend: 'a', enabled: false }, { backend: 'b' }] });
    expect(compareRouting(before, off, messages).differences.map(({ after }) => after)).toEqual([
      ['b'],
      ['b'],
    ]);
  });
});
