import { describe, expect, test } from '@jest/globals';
import { accepted, minimal } from './support.ts';

const hashOf = (yaml: string) => accepted(yaml).hash;

const BASE = minimal('tcp: { port: 1, host: 127.0.0.1 }\nbatch: { max_age: 5s }');

describe('the hash is the same for', () => {
  test.each([
    ['another order of keys', minimal('batch: { max_age: 5s }\ntcp: { host: 127.0.0.1, port: 1 }')],
    ['comments and blank lines', `# x\n\n${BASE}\n# y`],
    ['another way to write a value', BASE.replace('5s', '5000ms')],
    ['a default that is written out', `${BASE}\nhttp: { port: 17001 }`],
    ['quotes and line breaks', BASE.replace('host: 127.0.0.1', 'host: "127.0.0.1"')],
  ])('%s', (_name, yaml) => expect(hashOf(yaml)).toBe(hashOf(BASE)));
});

describe('the hash is another for', () => {
  const rules = (...keys: string[]) =>
    `routing:\n${keys.map((key) => `  "${key}": [{ backend: a, priority: ${key.length} }]\n`).join('')}backends: { a: { type: s3, region: r } }`;

  test.each([
    ['another value', BASE.replace('5s', '6s')],
    ['another option', BASE.replace('/logs', '/log')],
    ['another rule', BASE.replace('backend: files', 'backend: files\n      priority: 5')],
    ['one rule more', BASE.replace('- backend: files', '- backend: files\n    - backend: files')],
  ])('%s', (_name, yaml) => expect(hashOf(yaml)).not.toBe(hashOf(BASE)));

  test('another order of globs, for the first that matches is taken; not of names', () => {
    expect(hashOf(rules('a*', 'ab*'))).not.toBe(hashOf(rules('ab*', 'a*')));
    expect(hashOf(rules('a', 'ab'))).toBe(hashOf(rules('ab', 'a')));
  });

  test('another order of rules', () => {
    const two = (first: string, second: string) =>
      `routing: { x: [{ backend: ${first} }, { backend: ${second} }] }\nbackends: { a: { type: s3, region: r }, b: { type: s3, region: r } }`;
    expect(hashOf(two('a', 'b'))).not.toBe(hashOf(two('b', 'a')));
  });
});
