import { expect, test } from '@jest/globals';
import { createAbsence } from '../../../src/ingest/session/absence.ts';

function script(...steps: readonly ['came' | 'bye' | 'gone', string, string?][]) {
  const absence = createAbsence({ now: () => 7 });
  for (const [step, source, session = ''] of steps) {
    if (step === 'came') absence.came(source, session);
    else absence.left(source, session, step === 'bye');
  }
  return absence.since('a');
}

test('a source is absent once its last connection ended without a bye', () => {
  expect(script()).toBeUndefined();
  expect(script(['came', 'a'])).toBeUndefined();
  expect(script(['came', 'a'], ['gone', 'a'])).toBe(7);
  expect(script(['came', 'a'], ['bye', 'a'])).toBeUndefined();
  expect(script(['came', 'a'], ['came', 'a'], ['gone', 'a'])).toBeUndefined();
  expect(script(['came', 'a'], ['came', 'a'], ['came', 'a'], ['bye', 'a'], ['gone', 'a'])).toBeUndefined();
  expect(
    script(['came', 'a'], ['came', 'a'], ['came', 'a'], ['bye', 'a'], ['gone', 'a'], ['gone', 'a']),
  ).toBe(7);
  expect(script(['came', 'b'], ['gone', 'b'])).toBeUndefined();
});

test('it is back with its next hello, unless that is of another session: a program that was started anew', () => {
  expect(script(['came', 'a'], ['gone', 'a'], ['came', 'a'])).toBeUndefined();
  expect(script(['came', 'a', 's'], ['gone', 'a', 's'], ['came', 'a', 's'])).toBeUndefined();
  expect(script(['came', 'a', 's'], ['gone', 'a', 's'], ['came', 'a', 't'])).toBe(7);
  expect(script(['came', 'a', 's'], ['gone', 'a', 's'], ['came', 'a', 't'], ['bye', 'a', 't'])).toBe(7);
  expect(script(['came', 'a', 's'], ['gone', 'a', 's'], ['came', 'a'])).toBeUndefined();
});
