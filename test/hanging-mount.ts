import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from '@jest/globals';

const SOURCE = fileURLToPath(new URL('hanging-mount.c', import.meta.url));

/** Needs a C compiler, and a loader that puts a library before the system's own. */
export const whereMountsHang =
  process.platform === 'linux' && spawnSync('cc', ['--version']).status === 0 ? test : test.skip;

/** What is below `below`, as a process sees it that runs with `env`, can be made to hang, or to fail. */
export interface HangingMount {
  readonly env: Readonly<Record<string, string>>;
  hang(): void;
  /** Each call fails with this error. */
  fail(code: 'ESTALE' | 'EDQUOT'): void;
  heal(): void;
}

/** Its files are in `folder`. */
export function hangingMount(folder: string, below: string): HangingMount {
  const library = join(folder, 'hanging-mount.so');
  const hangs = join(folder, 'hangs');
  const { status, stderr } = spawnSync('cc', ['-shared', '-fPIC', '-o', library, SOURCE, '-ldl']);
  if (status !== 0) throw new Error(stderr.toString());
  return {
    env: { LD_PRELOAD: library, HANG_BELOW: below, HANG_WHILE: hangs, UV_USE_IO_URING: '0' },
    hang: () => writeFileSync(hangs, ''),
    fail: (code) => writeFileSync(hangs, String(constants.errno[code])),
    heal: () => rmSync(hangs),
  };
}
