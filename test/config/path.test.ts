import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { formatPath, parsePath, pathKey } from '../../src/config/path.ts';

describe('formatPath', () => {
  test.each([
    [[], ''],
    [['tcp', 'port'], 'tcp.port'],
    [['routing', 'queue-service', 0, 'backend'], 'routing.queue-service[0].backend'],
    [['routing', 'web-*', 0], 'routing.web-*[0]'],
    [['backends', 'a.b', 'type'], 'backends["a.b"].type'],
    [['routing', 'a b'], 'routing["a b"]'],
    [['routing', 'Ünïcode'], 'routing.Ünïcode'],
  ])('%j', (path, text) => expect(formatPath(path)).toBe(text));

  test('never lets a control character out', () => {
    const hostile = formatPath(['routing', '\u001b[2J\u0007', 'a\nb']);
    expect(hostile).toBe('routing["\\u001b[2J\\u0007"]["a\\nb"]');
  });
});

describe('parsePath', () => {
  test.each([
    '',
    '.',
    'a.',
    '.a.',
    'a..b',
    'a[',
    'a[]',
    'a[x]',
    'a["b]',
    'a b',
    'a=b',
    '[99999999]',
    'a["\\x"]',
  ])('refuses %j', (text) => expect(parsePath(text)).toBeUndefined());

  test('reads back whatever formatPath wrote', () => {
    const part = fc.oneof(fc.string({ minLength: 1, maxLength: 8 }), fc.nat({ max: 999_999 }));
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 6 }), (path) => {
        expect(parsePath(formatPath(path))).toEqual(path);
      }),
    );
  });
});

test('pathKey tells a key from an index', () => {
  expect(pathKey(['a', '0'])).not.toBe(pathKey(['a', 0]));
  expect(pathKey(['a', 'b'])).not.toBe(pathKey(['a.b']));
});
