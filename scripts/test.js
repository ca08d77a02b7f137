import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build, install, ROOT } from './prepare.js';

/** Programs that tests run beside Node, and the Debian packages that have them. */
const PROGRAMS = [
  {
    name: 'perl',
    probe: ['perl', ['-MJSON::PP', '-MTime::HiRes', '-MTest::More', '-e', '1']],
    package: 'perl',
  },
  { name: 'prove', probe: ['prove', ['--version']], package: 'perl' },
  { name: 'openssl', probe: ['openssl', ['version']], package: 'openssl' },
  { name: 'nc', probe: ['nc', ['-h']], package: 'netcat-openbsd' },
];

const runs = (command, args) => spawnSync(command, args, { stdio: 'ignore' }).error === undefined;
const missing = () => PROGRAMS.filter(({ probe: [command, args] }) => !runs(command, args));

/** Installs what is missing where this user may; says what is still missing. */
function installPrograms() {
  const packages = [...new Set(missing().map((program) => program.package))];
  if (packages.length > 0 && process.getuid?.() === 0 && runs('apt-get', ['--version'])) {
    console.error(`Installing ${packages.join(', ')} (apt-get) …`);
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    spawnSync('apt-get', ['update', '-qq'], { stdio: 'ignore', env });
    spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], {
      stdio: 'ignore',
      env,
    });
  }
  return missing();
}

/** Runs jest and returns its exit code and its own counts. */
function runJest(args, absent) {
  const folder = mkdtempSync(join(tmpdir(), 'sidecar-test-'));
  const outputFile = join(folder, 'result.json');
  const jest = spawnSync(
    process.execPath,
    [
      '--experimental-vm-modules',
      '--disable-warning=ExperimentalWarning',
      `${ROOT}/node_modules/jest/bin/jest.js`,
      '--json',
      `--outputFile=${outputFile}`,
      ...args,
    ],
    {
      cwd: ROOT,
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, SIDECAR_TEST_WITHOUT: absent.map(({ name }) => name).join(',') },
    },
  );
  try {
    return { status: jest.status ?? 1, result: JSON.parse(readFileSync(outputFile, 'utf8')) };
  } catch {
    return { status: jest.status || 1, result: undefined };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

install();
build();
const absent = installPrograms();
const { status, result } = runJest(process.argv.slice(2), absent);
for (const { name, package: from } of absent) {
  console.log(`skipped: tests that need ${name}; get it with: apt-get install ${from}`);
}
if (absent.length > 0 && process.env.CI === 'true') {
  console.log('With CI=true a missing program is a failure.');
  process.exitCode = 1;
} else {
  process.exitCode = status;
}
if (result !== undefined) {
  const { numPassedTests, numFailedTests, numPendingTests, numRuntimeErrorTestSuites } = result;
  const skipped = numPendingTests > 0 ? `, ${numPendingTests} skipped` : '';
  // A file that could not be run at all is a failure too.
  console.log(`${numPassedTests} passed, ${numFailedTests + numRuntimeErrorTestSuites} failed${skipped}`);
}
