import { expect, test } from '@jest/globals';
import { describeMessage } from '../../src/live/describe.ts';
import { createRedaction } from '../../src/live/redaction.ts';
import { messageOf } from '../route/support.ts';

test('values of secret keys are masked, whatever they are and however deep', () => {
  const record = {
    token: 'abc',
    data: { db_password: 1234, list: [{ 'api-key': { a: 1 } }], tokens: 3, password: null, note: 'abc' },
  };
  expect(createRedaction([])(record)).toEqual({
    token: '***',
    data: { db_password: '***', list: [{ 'api-key': '***' }], tokens: 3, password: null, note: 'abc' },
  });
});

test('what patterns match is masked in every text', () => {
  const redact = createRedaction(['\\b\\d{16}\\b', 'ssn=\\S+']);
  expect(redact({ a: 'card 1234567812345678, ssn=1-2', b: ['x 1234567812345678 y'], c: 1 })).toEqual({
    a: 'card ***, ***',
    b: ['x *** y'],
    c: 1,
  });
});

test('what is nested too deeply is not shown', () => {
  const nested = '['.repeat(5000) + ']'.repeat(5000);
  expect(JSON.stringify(createRedaction([])(JSON.parse(nested)))).toMatch(/^\[+"\*\*\*"\]+$/);
});

test('a message is redacted before it is shown, and stays as it was', () => {
  const message = messageOf('a', { data: { message: 'pin 1234', password: 'hunter2' } });
  const shown = describeMessage(message, createRedaction(['pin \\d+']));
  expect(shown).toMatchObject({ text: '***', record: { data: { message: '***', password: '***' } } });
  expect(JSON.stringify(describeMessage(message, createRedaction([])).record)).toContain('pin 1234');
});

test('of a large message no record is shown, and one that is huge is not even parsed', () => {
  const large = messageOf('a', { data: { message: 'x'.repeat(20_000) } });
  const shown = describeMessage(large, createRedaction([]));
  expect([shown.record, shown.text.length, shown.bytes > 20_000]).toEqual([undefined, 1000, true]);
  const huge = messageOf('b', { data: { message: 'x'.repeat(300_000) } });
  expect(describeMessage(huge, createRedaction([])).text).toMatch(/^\d+ bytes$/);
});
