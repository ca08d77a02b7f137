import { expect, test } from '@jest/globals';
import { createRuleFinder } from '../../src/route/rules.ts';
import { routing } from './planned.ts';

const backendsOf = (rules: Parameters<typeof routing>[0], source: string) =>
  createRuleFinder(routing(rules).routing)(source).map(({ backend }) => backend);

test('an exact name goes before a glob, a glob before default, and all comes besides', () => {
  const a = [{ backend: 'a' }];
  const b = [{ backend: 'b' }];
  const c = [{ backend: 'c' }];
  const rules = { 'queue-*': a, 'queue-1': b, default: c };
  expect(['queue-1', 'queue-2', 'other'].map((source) => backendsOf(rules, source))).toEqual([
    ['b'],
    ['a'],
    ['c'],
  ]);
  expect(backendsOf({ ...rules, all: a }, 'queue-1')).toEqual(['b', 'a']);
  expect(backendsOf({ 'queue-1': b }, 'other')).toEqual([]);
});

test('globs are tried in the order of the file, and a name with glob characters is a name too', () => {
  const rules = { '{a,b}*': [{ backend: 'a' }], 'b?': [{ backend: 'b' }] };
  expect(['ab', 'b1', '{a,b}*', 'c'].map((source) => backendsOf(rules, source))).toEqual([
    ['a'],
    ['a'],
    ['a'],
    [],
  ]);
});

test('rules are sorted by priority, equal ones stay in order, disabled ones are left out', () => {
  const rules = {
    s: [{ backend: 'a' }, { backend: 'b', priority: -5 }, { backend: 'c', enabled: false, priority: -9 }],
    all: [{ backend: 'c' }, { backend: 'a', priority: -5 }],
  };
  expect(backendsOf(rules, 's')).toEqual(['b', 'a', 'a', 'c']);
});
