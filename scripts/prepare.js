import { spawnSync } from 'node:child_process';
import { readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The package's folder. */
export const ROOT = fileURLToPath(new URL('..', import.meta.url));

const INSTALLED = `${ROOT}/node_modules/.package-lock.json`;
const STAMP = `${ROOT}/dist/.built`;
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
  if (changedMs(STAMP) >= newestMs) return;
  console.error('Building …');
  // What was compiled from a file that is gone must not be found any more.
  rmSync(`${ROOT}/dist`, { recursive: true, force: true });
  must(process.execPath, [`${ROOT}/node_modules/typescript/bin/tsc`, '-p', 'tsconfig.build.json']);
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
