// biome-ignore-all lint/suspicious/noTemplateCurlyInString: this is how the configuration writes references
import { describe, expect, jest, test } from '@jest/globals';
import { MAX_FILE_BYTES, parseSource } from '../../src/config/document.ts';
import { plainTree } from '../../src/config/tree.ts';

jest.setTimeout(60_000);

const surroundings = { env: { NAME: 'value', LONG: 'x'.repeat(1 << 20) }, readFile: () => '' };

/** What is wrong with a text, with the place. */
function problems(text: string): string[] {
  const { root, findings, placeOf } = parseSource(text);
  const all = findings.length > 0 ? findings : plainTree(root, surroundings).findings;
  return all.map(({ message, offset, path }) => {
    const { line, column } = placeOf(offset ?? 0);
    return `${line}:${column} ${path.join('.')}: ${message}`;
  });
}

/** The plain values of a text without fault. */
function plainOf(text: string): unknown {
  const { root, findings } = parseSource(text);
  const tree = plainTree(root, surroundings);
  expect([...findings, ...tree.findings]).toEqual([]);
  return tree.value;
}

describe('plain values', () => {
  test.each([
    ['a: 1', { a: 1 }],
    ['a: "1"\nb: true\nc: yes\nd: ~\ne: 1.5\nf:', { a: '1', b: true, c: 'yes', d: null, e: 1.5, f: null }],
    ['[a, {b: c}]', ['a', { b: 'c' }]],
    ['2025-10-20T10:30:45Z', '2025-10-20T10:30:45Z'],
    ['1.0: a\n0x10: b\ntrue: c\nnull: d', { '1.0': 'a', '0x10': 'b', true: 'c', null: 'd' }],
    ['a: ${NAME}', { a: 'value' }],
    ['${NAME}: a', { '${NAME}': 'a' }],
    ['a: |\n  x\n  ${NAME}\n', { a: 'x\nvalue\n' }],
    ['constructor: 1\ntoString: 2', { constructor: 1, toString: 2 }],
    ['\ufeffa: 1', { a: 1 }],
    ['a: 1\r\nb: 2\r\n', { a: 1, b: 2 }],
    ['---\na: 1\n...\n', { a: 1 }],
  ])('%j', (text, value) => expect(plainOf(text)).toEqual(value));

  test('aliases are written out, each on its own', () => {
    const value = plainOf('a: &a {x: 1}\nb: *a\nc: [*a, *a]') as Record<string, unknown>;
    expect(value).toEqual({ a: { x: 1 }, b: { x: 1 }, c: [{ x: 1 }, { x: 1 }] });
    expect(value.a).not.toBe(value.b);
  });

  test('an alias means the anchor last seen', () => {
    expect(plainOf('a: &x 1\nb: *x\nc: &x 2\nd: *x')).toEqual({ a: 1, b: 1, c: 2, d: 2 });
  });

  test('merge keys bring in what the map does not say itself', () => {
    const base = 'a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\n';
    expect(plainOf(`${base}c: {<<: *a, y: 3}`)).toMatchObject({ c: { x: 1, y: 3 } });
    expect(plainOf(`${base}c:\n  y: 3\n  <<: *a`)).toMatchObject({ c: { x: 1, y: 3 } });
    expect(plainOf(`${base}c: {<<: [*a, *b]}`)).toMatchObject({ c: { x: 1, y: 1, z: 2 } });
    expect(plainOf(`${base}c: {"<<": 1}`)).toMatchObject({ c: { '<<': 1 } });
  });
});

describe('refused with its place', () => {
  test.each([
    ['a: b: c', '1:4 : not YAML: Nested mappings are not allowed in compact mappings'],
    ['a: 1\nb: 2\na: 3', '3:1 a: this key is given twice'],
    ['x: {a: 1, a: 2}', '1:11 x.a: this key is given twice'],
    ['__proto__: {polluted: 1}', '1:1 __proto__: this key is not allowed'],
    ['[a]: 1', '1:1 : a key must be plain text, and not empty'],
    ['"": 1', '1:1 : a key must be plain text, and not empty'],
    ['a: !custom 1', '1:4 : not YAML: Unresolved tag: !custom'],
    ['a: 1\n---\nb: 2', '2:1 : more than one YAML document ("---"); one is expected'],
    ['a: 1\n\tb: 2', '2:1 : not YAML: Tabs are not allowed as indentation'],
    ['a: {<<: 1}', '1:5 a: "<<" takes a map or a list of maps'],
    [
      'a: { b: ${X} }',
      '1:10 : not YAML: Unexpected flow-map-start at node end; inside { } and [ ] a "${…}" needs quotes',
    ],
    ['a: "x', '1:6 : not YAML: Missing closing "quote'],
    ['a: \0', '1:4 : this is not a text file: it holds control characters or is not UTF-8'],
    ['a: 1\nb: \ufffd', '2:4 : this is not a text file: it holds control characters or is not UTF-8'],
  ])('%j', (text, problem) => expect(problems(text)[0]).toBe(problem));

  test('an alias without its anchor, and one within itself', () => {
    expect(problems('a: *b')[0]).toMatch(/a: there is no anchor &b before \*b$/);
    expect(problems('a: &a [*a]')[0]).toMatch(/a\.0: \*a contains itself$/);
    expect(problems('&a {<<: *a}')[0]).toMatch(/\*a contains itself$/);
  });

  test('nothing is merged into prototypes', () => {
    parseSource('a: {__proto__: {polluted: true}}\nb: {<<: {__proto__: {polluted: true}}}');
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  });
});

describe('bounded on hostile text', () => {
  const half = 1 << 19;
  const bomb = Array.from({ length: 12 }, (_, i) => {
    const item = i === 0 ? 'x' : `*a${i - 1}`;
    return `a${i}: &a${i} [${Array(10).fill(item).join()}]`;
  }).join('\n');
  const mergeBomb = Array.from({ length: 40 }, (_, i) =>
    i === 0 ? 'a0: &a0 {x: 1}' : `a${i}: &a${i} {l: {<<: *a${i - 1}}, r: {<<: *a${i - 1}}}`,
  ).join('\n');

  test.each([
    [
      'a bomb of aliases',
      bomb,
      /more than 100000 values once aliases are written out; is this a YAML bomb\?/,
    ],
    ['a bomb of merge keys', mergeBomb, /is this a YAML bomb\?/],
    [
      'a bomb of references',
      `[${Array(6).fill('"${LONG}"').join()}]`,
      /more than 4194304 characters once references/,
    ],
    ['brackets', '['.repeat(1 << 20), /1:65 : nested deeper than 64 levels/],
    ['braces', '{'.repeat(1 << 20), /nested deeper than 64 levels/],
    ['dashes', '- '.repeat(half), /nested deeper than 64 levels/],
    ['question marks', '? '.repeat(half), /nested deeper than 64 levels/],
    ['colons', ': '.repeat(half), /nested deeper than 64 levels/],
    [
      'stairs',
      Array.from({ length: 1400 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'),
      /nested deeper than 64 levels/,
    ],
    ['anchors', '&a '.repeat(300_000), /too many values for a configuration/],
    [
      'keys',
      Array.from({ length: 80_000 }, (_, i) => `k${i}: 1`).join('\n'),
      /too many values for a configuration/,
    ],
    ['closing brackets', ']'.repeat(100_000), /not YAML/],
    ['documents', '---\n'.repeat(90_000), /more than one YAML document/],
    ['bytes', 'x'.repeat(MAX_FILE_BYTES + 1), /1:1 : the file is larger than 1 MiB/],
    ['wide letters', 'ü'.repeat(MAX_FILE_BYTES / 2 + 1), /the file is larger than 1 MiB/],
  ])('%s', (_name, text, problem) => {
    const found = problems(text);
    expect(found[0]).toMatch(problem);
    expect(found).toHaveLength(1);
  });

  test('equal keys by the ten thousand', () => {
    expect(problems('a: 1\n'.repeat(20_000))).toHaveLength(19_999);
  });
});
