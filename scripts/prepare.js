import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The package's folder. */
export const ROOT = fileURLToPath(new URL('..', import.meta.url));

const INSTALLED = `${ROOT}/node_modules/.package-lock.json`;
const STAMP = `${ROOT}/dist/.built`;
/** Without its ending; the tests, which run from the sources, read it beside them. */
const WASM = 'src/ingest/wasm/scan';
/** No runtime: it allocates nothing. Its memory, 4 MiB, is laid out in the source. */
const ASC_OPTIONS = [
  ...['--outFile', `${WASM}.wasm`, '--runtime', 'stub', '--enable', 'simd', '--enable', 'bulk-memory'],
  ...['-O3', '--noAssert', '--memoryBase', '0x3f0000', '--initialMemory', '64'],
];
const SOURCES = ['src', 'tsconfig.json', 'tsconfig.build.json', 'package-lock.json'];

/** Installs what package-lock.json names, unless it is there already. */
export function install() {
  if (changedMs(INSTALLED) >= changedMs(`${ROOT}/package-lock.json`)) return;
  console.error('Installing packages (npm ci) …');
  // A test run under CI=true must have the development packages, whatever NODE_ENV says.
  must('npm', ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error']);
  const now = new Date();
  utimesSync(INSTALLED, now, now);
}

/** Compiles src to dist, unless nothing changed since. */
export function build() {
  const newestMs = Math.max(...SOURCES.map((name) => newestBelow(`${ROOT}/${name}`)));
  if (changedMs(STAMP) >= newestMs && changedMs(`${ROOT}/${WASM}.wasm`) > 0) return;
  console.error('Building …');
  // What was compiled from a file that is gone must not be found any more.
  rmSync(`${ROOT}/dist`, { recursive: true, force: true });
  must(process.execPath, [`${ROOT}/node_modules/typescript/bin/tsc`, '-p', 'tsconfig.build.json']);
  must(process.execPath, [`${ROOT}/node_modules/assemblyscript/bin/asc.js`, `${WASM}.ts`, ...ASC_OPTIONS]);
  mkdirSync(`${ROOT}/dist/ingest/wasm`);
  copyFileSync(`${ROOT}/${WASM}.wasm`, `${ROOT}/${WASM.replace('src', 'dist')}.wasm`);
  must(process.execPath, [
    `${ROOT}/node_modules/vite/bin/vite.js`,
    'build',
    'src/ui',
    '--config',
    'src/ui/vite.config.js',
    '--logLevel',
    'warn',
  ]);
  writeFileSync(STAMP, '');
}

function must(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] });
  if (status === 0) return;
  console.error(`${command} ${args.join(' ')} failed${error ? `: ${error.message}` : ''}`);
  process.exit(status ?? 1);
}

/** When a file was last changed, epoch milliseconds; 0 if it is not there. */
const changedMs = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;

function newestBelow(path) {
  const entry = statSync(path, { throwIfNoEntry: false });
  if (!entry?.isDirectory()) return entry?.mtimeMs ?? 0;
  // A folder's own time tells that a file is gone.
  return Math.max(entry.mtimeMs, ...readdirSync(path).map((name) => newestBelow(`${path}/${name}`)));
}
