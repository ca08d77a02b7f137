import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { skipBlank, skipPlainString, skipString, skipValue, UNSURE } from '../../src/ingest/skip-json.ts';

/** How far `skipValue` comes, in bytes. */
const skip = (text: string) => skipValue(Buffer.from(text), 0, 0);

describe('skipValue', () => {
  test.each([
    '0',
    '-1.5e+7',
    '"a"',
    '"\\u00e9\\n\\""',
    'true',
    'false',
    'null',
    '[]',
    '{}',
    '[1,[2,{"a":[]}]]',
    '{"a" : 1 , "b":[ ]}',
  ])('passes %s', (text) => {
    expect(skip(`${text},`)).toBe(text.length);
  });

  test.each([
    '',
    '-',
    '.5',
    '1.',
    '1e',
    '+1',
    'tru',
    'nul',
    '"',
    '"\\x"',
    '"\\u12g4"',
    '"\u0001"',
    '[1,]',
    '[1 2]',
    '{"a"}',
    '{"a":}',
    '{a:1}',
    '{"a":1,}',
    '[',
  ])('is unsure of %j', (text) => {
    expect(skip(text)).toBe(UNSURE);
  });

  test('passes whatever JSON.stringify writes', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 4 }), (text) => {
        const compact = JSON.stringify(JSON.parse(text));
        expect(skip(compact)).toBe(Buffer.byteLength(compact));
      }),
      { numRuns: 2000 },
    );
  });

  test('is unsure of what is nested too deep, and does not run out of stack', () => {
    expect(skip('['.repeat(100_000))).toBe(UNSURE);
    expect(skip(`${'['.repeat(50)}${']'.repeat(50)}`)).toBe(UNSURE);
  });
});

test('strings and blanks', () => {
  expect(skipString(Buffer.from('a\\"b"x'), 0)).toBe(5);
  expect(skipPlainString(Buffer.from('ab"x'), 0)).toBe(3);
  expect(skipPlainString(Buffer.from('a\\nb"'), 0)).toBe(UNSURE);
  expect(skipBlank(Buffer.from(' \t\r\n1'), 0)).toBe(3);
});
