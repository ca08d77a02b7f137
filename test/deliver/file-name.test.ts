import { basename, join, normalize } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { fileNameOf } from '../../src/deliver/file-name.ts';

describe('fileNameOf', () => {
  test.each([
    ['nfs-file', 'nfs-file'],
    ['s3_archive.v2', 's3_archive.v2'],
    ['.hidden', '%2Ehidden'],
    ['..', '%2E.'],
    ['a/b\\c', 'a%2Fb%5Cc'],
    ['100%', '100%25'],
    ['größe', 'gr%C3%B6%C3%9Fe'],
    ['nul\0', 'nul%00'],
    ['', '%'],
  ])('%j becomes %j', (text, name) => {
    expect(fileNameOf(text)).toBe(name);
  });

  test('no text leaves its folder, is hidden, or is too long', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (text) => {
        const name = fileNameOf(text);
        expect(name).toMatch(/^[\w%-][\w.%-]{0,119}$/);
        expect(basename(normalize(join('/dir', name)))).toBe(name);
      }),
    );
  });

  test('different texts get different names', () => {
    const strange = fc.string({ unit: fc.constantFrom('.', '/', '%', '2', 'E', 'F', 'ä'), maxLength: 6 });
    fc.assert(
      fc.property(strange, strange, (a, b) => {
        expect(fileNameOf(a) === fileNameOf(b)).toBe(a === b);
      }),
    );
    expect(fileNameOf('x'.repeat(500))).not.toBe(fileNameOf('x'.repeat(501)));
  });
});
