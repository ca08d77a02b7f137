// Compiles src twice: as ES modules, and, from a copy that says so, as CommonJS. The compiler is the project's own.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);
const compiler = join(dirname(require.resolve('typescript/package.json')), 'bin/tsc');
const typeRoots = dirname(dirname(require.resolve('@types/node/package.json')));

function compile(folder, outDir) {
  const args = [compiler, '-p', folder, '--outDir', outDir, '--typeRoots', typeRoots];
  const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

rmSync(join(HERE, 'dist'), { recursive: true, force: true });
compile(HERE, join(HERE, 'dist/esm'));
const copy = mkdtempSync(join(tmpdir(), 'monitoring-sdk-'));
try {
  cpSync(join(HERE, 'src'), join(copy, 'src'), { recursive: true });
  writeFileSync(join(copy, 'tsconfig.json'), readFileSync(join(HERE, 'tsconfig.json')));
  writeFileSync(join(copy, 'package.json'), '{"type":"commonjs"}');
  compile(copy, join(HERE, 'dist/cjs'));
} finally {
  rmSync(copy, { recursive: true, force: true });
}
writeFileSync(join(HERE, 'dist/cjs/package.json'), '{"type":"commonjs"}\n');
