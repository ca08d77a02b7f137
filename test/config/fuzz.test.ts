import { readFileSync } from 'node:fs';
import { expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { formatIssue } from '../../src/config/issue.ts';
import { parse } from './support.ts';

jest.setTimeout(60_000);

const BRIEF = readFileSync(new URL('../../config/example.yaml', import.meta.url), 'utf8');

/** Parses, and expects an answer that is one of the two, with errors that a person can read. */
function answer(yaml: string): void {
  const result = parse(yaml, { env: { NAME: 'value' } });
  if (!('errors' in result)) {
    expect(result.hash).toMatch(/^[0-9a-f]{12}$/);
    return;
  }
  expect(result.errors.length).toBeGreaterThan(0);
  for (const issue of result.errors) {
    expect(formatIssue(issue)).toMatch(/^config\/x\.yaml:\d+:\d+( \S.*)?: \S/);
    expect(issue.line).toBeGreaterThan(0);
    expect(issue.column).toBeGreaterThan(0);
  }
}

test('any text has an answer', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 200 }), answer), { numRuns: 300 });
});

test('anything that looks like YAML has one', () => {
  const words = [
    'a',
    'tcp',
    'port',
    'routing',
    'backends',
    'type',
    's3',
    '1',
    'true',
    'null',
    '-',
    ':',
    '?',
    '[',
    ']',
    '{',
    '}',
  ];
  const marks = [
    '&a',
    '*a',
    '<<:',
    '!!map',
    '|',
    '>',
    '"',
    "'",
    '#',
    '---',
    '...',
    '%YAML 1.2',
    '$' + '{NAME}',
    '$' + '{',
    ',',
    '@',
  ];
  const token = fc.constantFrom(
    ...words,
    ...marks,
    ': ',
    '- ',
    '\n',
    '\n  ',
    '\n    ',
    ' ',
    '\t',
    '\r\n',
    '__proto__',
  );
  const text = fc.array(token, { maxLength: 60 }).map((tokens) => tokens.join(''));
  fc.assert(fc.property(text, answer), { numRuns: 300 });
});

test('any value in any place has one', () => {
  const leaf = fc.oneof(
    fc.string(),
    fc.double(),
    fc.boolean(),
    fc.constant(null),
    fc.constantFrom('files', '5s', '1MiB', '$' + '{NAME}'),
  );
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof({ maxDepth: 4 }, leaf, fc.array(tie('value'), { maxLength: 3 }), tie('map')),
    map: fc.dictionary(
      fc.constantFrom(
        'tcp',
        'tls',
        'routing',
        'backends',
        'default',
        'files',
        'type',
        'filter',
        'match',
        'config',
        'operators',
        'use',
        'port',
        'cert',
        'key',
        'x',
      ),
      tie('value'),
      { maxKeys: 4 },
    ),
  }));
  fc.assert(
    fc.property(
      fc.dictionary(fc.constantFrom('tcp', 'tls', 'routing', 'backends', 'critical', 'enrich'), value),
      (config) => answer(stringify(config)),
    ),
    { numRuns: 300 },
  );
});

test('a good file that lost or gained a character has one', () => {
  const edit = fc.record({
    at: fc.nat({ max: BRIEF.length }),
    drop: fc.nat({ max: 30 }),
    put: fc.string({ maxLength: 3 }),
  });
  fc.assert(
    fc.property(edit, ({ at, drop, put }) => answer(BRIEF.slice(0, at) + put + BRIEF.slice(at + drop))),
    { numRuns: 100 },
  );
});

test('every half-written state of the file has one', () => {
  for (let length = 0; length < BRIEF.length; length += 97) answer(BRIEF.slice(0, length));
});
