import { spawnSync } from 'node:child_process';
import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';

test('an operator that cannot be built is reported with its line', async () => {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'sidecar-build-')));
  try {
    await writeFile(join(folder, 'bad.ts'), 'export default () => {\n  throw new Error("no build");\n};\n');
    await writeFile(
      join(folder, 'c.yaml'),
      'pipelines: .\nrouting: { s: [{ backend: a, operators: [bad] }] }\nbackends: { a: { type: console } }\n',
    );
    const { status, stderr, stdout } = spawnSync('bin/sidecar', ['validate', join(folder, 'c.yaml')], {
      encoding: 'utf8',
    });
    expect(stderr + stdout).toContain(`${join(folder, 'bad.ts')}:2: cannot be built: no build`);
    expect(status).toBe(1);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
