import { describe, expect, test } from '@jest/globals';
import { compileFilter, type Filter, fractionOf, glob } from '../../src/route/filter.ts';
import { messageOf } from './support.ts';

const half = { random: () => 0.5 };
const passes = (filter: Filter, record: Parameters<typeof messageOf>[1], over = {}) =>
  (compileFilter(filter, half) ?? (() => true))(messageOf('x', record, over));

const error = { type: 'event', data: { level: 'ERROR', message: 'x' } };
const info = { type: 'event', data: { level: 'info' } };
const metric = { type: 'metric', data: { name: 'jobs.done', value: 3, level: 'error' } };

test('no condition is no filter', () => {
  expect(compileFilter(undefined, half)).toBeUndefined();
  expect(compileFilter({}, half)).toBeUndefined();
  expect(compileFilter({ match: {} }, half)).toBeUndefined();
});

describe('a filter by', () => {
  test.each<[string, Filter, object, boolean]>([
    ['types', { types: ['event', 'span'] }, error, true],
    ['types', { types: ['span'] }, error, false],
    ['types unknown to us', { types: ['own'] }, { type: 'own' }, true],
    ['levels', { levels: ['error'] }, error, true],
    ['levels by alias', { levels: ['warning', 'critical'] }, { data: { level: 'Fatal' } }, true],
    ['levels', { levels: ['info'] }, error, false],
    ['levels, an unknown one', { levels: ['info'] }, { data: { level: 'loud' } }, false],
    ['levels, which other types do not have', { levels: ['error'] }, metric, false],
    ['min_level', { min_level: 'warn' }, error, true],
    ['min_level', { min_level: 'warn' }, info, false],
    ['min_level, an unknown one', { min_level: 'trace' }, { data: { level: 'loud' } }, false],
    ['min_level, which lets other types pass', { min_level: 'fatal' }, metric, true],
    ['names', { names: ['cpu', 'jobs.*'] }, metric, true],
    ['names', { names: ['jobs'] }, metric, false],
    ['names, of which there is none', { names: ['*'] }, error, false],
    ['names that are no text', { names: ['*'] }, { type: 'metric', data: { name: 5 } }, false],
    ['sources', { sources: ['queue-*', 's'] }, { source: 's' }, true],
    ['sources', { sources: ['queue-*'] }, { source: 's' }, false],
    ['all conditions', { types: ['event'], levels: ['error'], sources: ['s'] }, error, true],
    ['all conditions', { types: ['event'], levels: ['error'], sources: ['t'] }, error, false],
  ])('%s: %j', (_, filter, record, expected) => {
    expect(passes(filter, record as never)).toBe(expected);
  });
});

describe('a match', () => {
  const record = {
    type: 'metric',
    host: 'web-1',
    data: {
      n: 5,
      s: 'abc',
      t: true,
      z: null,
      list: [{ k: 'v' }],
      'a b': 1,
      nested: { deep: { x: 'y' } },
      big: 1e308,
    },
  };

  test.each([
    ['a text', { host: 'web-1' }, true],
    ['a glob', { host: 'web-*' }, true],
    ['another text', { host: 'web' }, false],
    ['a number', { 'data.n': 5 }, true],
    ['a number as text', { 'data.n': '5' }, false],
    ['a truth', { 'data.t': true }, true],
    ['null', { 'data.z': null }, true],
    ['null where there is nothing', { 'data.q': null }, false],
    ['one of several', { 'data.n': [4, 'x', 5] }, true],
    ['none of several', { 'data.n': [4, 'x'] }, false],
    ['depth', { 'data.nested.deep.x': 'y' }, true],
    ['a map, which is no text', { 'data.nested': '*' }, false],
    ['an element of a list', { 'data.list.0.k': 'v' }, true],
    ['an element beyond it', { 'data.list.1.k': 'v' }, false],
    ['a key with a blank', { 'data.a b': 1 }, true],
    ['gt', { 'data.n': { gt: 4 } }, true],
    ['gt, equal', { 'data.n': { gt: 5 } }, false],
    ['gte, equal', { 'data.n': { gte: 5 } }, true],
    ['lt, equal', { 'data.n': { lt: 5 } }, false],
    ['lte, equal', { 'data.n': { lte: 5 } }, true],
    ['a range', { 'data.n': { gte: 1, lt: 10 } }, true],
    ['a range that it is not in', { 'data.n': { gte: 1, lt: 3 } }, false],
    ['a comparison with a text', { 'data.s': { gt: 0 } }, false],
    ['exists', { 'data.z': { exists: true } }, true],
    ['exists, but does not', { 'data.q': { exists: true } }, false],
    ['exists not', { 'data.q': { exists: false } }, true],
    ['exists not, but does', { 'data.n': { exists: false } }, false],
    ['a regex', { 'data.s': { regex: '^a.c$' } }, true],
    ['a regex that does not match', { 'data.s': { regex: '^b' } }, false],
    ['a regex on a number', { 'data.n': { regex: '5' } }, false],
    ['two conditions', { 'data.n': 5, 'data.s': 'abc' }, true],
    ['two conditions, one of which fails', { 'data.n': 5, 'data.s': 'x' }, false],
    ['a member of every object', { constructor: { exists: true } }, false],
    ['the prototype', { '__proto__.polluted': { exists: true } }, false],
    ['the methods of a text', { 'data.s.length': { exists: true } }, false],
    ['an empty path', { '': { exists: true } }, false],
    ['dots alone', { '..': { exists: true } }, false],
    ['far too deep', { [Array(100).fill('data').join('.')]: { exists: true } }, false],
  ])('on %s', (_, match, expected) => {
    expect(passes({ match }, record)).toBe(expected);
  });

  test('on the ids that the sidecar knows, sent or found', () => {
    expect(passes({ match: { job_id: 'j*' } }, {}, { jobId: 'j1' })).toBe(true);
    expect(passes({ match: { job_id: { exists: false } } }, {})).toBe(true);
    expect(passes({ match: { trace_id: 't' } }, {}, { traceId: 't' })).toBe(true);
    expect(passes({ match: { trace_id: { exists: true } } }, {})).toBe(false);
  });

  test('on a sent __proto__, which is a key like any other', () => {
    const message = messageOf('x', {}, { head: '{"data":{"__proto__":{"x":1}}' });
    expect(compileFilter({ match: { 'data.__proto__.x': 1 } }, half)?.(message)).toBe(true);
    expect(({} as { x?: number }).x).toBeUndefined();
  });
});

describe('sampling', () => {
  const traceIds = Array.from({ length: 20_000 }, (_, n) => n.toString(16).padStart(32, '0'));
  const keptBy = (sample: number) => {
    const accepts = compileFilter({ sample }, { random: () => 0.999 });
    return traceIds.filter((traceId) => accepts?.(messageOf('x', {}, { traceId })));
  };

  test('takes about the fraction', () => {
    for (const sample of [0.01, 0.1, 0.5, 0.9]) {
      expect(Math.abs(keptBy(sample).length / traceIds.length - sample)).toBeLessThan(0.02);
    }
    expect([keptBy(0).length, keptBy(1).length]).toEqual([0, traceIds.length]);
  });

  test('takes the same traces every time, and of a smaller fraction a part of them', () => {
    expect(keptBy(0.3)).toEqual(keptBy(0.3));
    const more = new Set(keptBy(0.3));
    expect(keptBy(0.1).every((traceId) => more.has(traceId))).toBe(true);
  });

  test('takes messages without a trace at random', () => {
    const accepts = (random: number) =>
      compileFilter({ sample: 0.4 }, { random: () => random })?.(messageOf('x'));
    expect([accepts(0.39), accepts(0.4)]).toEqual([true, false]);
  });

  test('draws only for what the other conditions let pass', () => {
    let draws = 0;
    const accepts = compileFilter({ sample: 1, types: ['metric'] }, { random: () => draws++ });
    accepts?.(messageOf('x', error));
    accepts?.(messageOf('x', metric));
    expect(draws).toBe(1);
  });

  test('fractionOf does not change between versions', () => {
    expect([
      fractionOf(''),
      fractionOf('a'),
      fractionOf('0af7651916cd43dd8448eb211c80319c'),
    ]).toMatchInlineSnapshot(`
[
  0.6689221884589642,
  0.10352621669881046,
  0.07976333401165903,
]
`);
  });
});

test.each([
  ['*', 'any/thing.at all', true],
  ['a*', 'a/b/c', true],
  ['a*', '.a', false],
  ['*', '.hidden', true],
  ['**', 'a/b', true],
  ['?', 'x', true],
  ['?', 'xx', false],
  ['{a,b}-[0-9]', 'b-7', true],
  ['{a,b}-[0-9]', 'c-7', false],
  ['!a', 'b', false],
  ['A', 'a', false],
  ['*', 'two\nlines', true],
])('glob %s of %j: %s', (pattern, text, expected) => {
  expect(glob(pattern)(text)).toBe(expected);
});
