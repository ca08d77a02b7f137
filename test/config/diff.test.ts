import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { unifiedDiff } from '../../src/config/diff.ts';

const NAMES = ['in force', 'my.yaml'] as const;

test('of equal texts there is none', () => {
  expect(unifiedDiff('a\nb\n', 'a\nb\n', NAMES)).toBe('');
});

test('shows what changed with three lines around it, far changes apart', () => {
  const lines = Array.from({ length: 30 }, (_, n) => `line ${n + 1}`);
  const changed = lines.with(4, 'FIVE').toSpliced(20, 0, 'new');
  expect(unifiedDiff(`${lines.join('\n')}\n`, `${changed.join('\n')}\n`, NAMES)).toBe(`--- in force
+++ my.yaml
@@ -2,7 +2,7 @@
 line 2
 line 3
 line 4
-line 5
+FIVE
 line 6
 line 7
 line 8
@@ -18,6 +18,7 @@
 line 18
 line 19
 line 20
+new
 line 21
 line 22
 line 23
`);
});

test('of a large text is quick, and of two that share nothing all of both', () => {
  const one = Array.from({ length: 5000 }, (_, n) => `a${n}`).join('\n');
  const other = Array.from({ length: 5000 }, (_, n) => `b${n}`).join('\n');
  expect(unifiedDiff(one, other, NAMES).split('\n').length).toBe(10_004);
});

test('can be applied with patch', () => {
  const dir = mkdtempSync(join(tmpdir(), 'sidecar-diff-'));
  const text = fc
    .array(fc.constantFrom('a', 'b', 'c', 'd: 1', '  e', ''), { maxLength: 40 })
    .map((lines) => `${lines.join('\n')}\nend\n`);
  try {
    fc.assert(
      fc.property(text, text, (before, after) => {
        fc.pre(before !== after);
        writeFileSync(join(dir, 'file'), before);
        writeFileSync(
          join(dir, 'diff'),
          unifiedDiff(before, after, ['file', 'file']).replace(/\n \n?$/, '\n'),
        );
        execFileSync('git', ['apply', '--recount', '--unidiff-zero', 'diff'], { cwd: dir, stdio: 'pipe' });
        expect(execFileSync('cat', ['file'], { cwd: dir, encoding: 'utf8' })).toBe(after);
      }),
      { numRuns: 25 },
    );
  } finally {
    rmSync(dir, { recursive: true });
  }
});
