import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { build, install, ROOT } from './prepare.js';

/** Where Python's programs are installed; the tests look there too. */
const PYTHON = 'node_modules/.cache/python';
/**
 * What of moto answers for S3 and CloudWatch Logs (`moto[server]` would bring three times as much), and what tells which
 * Python a source needs.
 */
const PYTHON_PACKAGES = ['moto[s3]==5.2.5', 'flask==3.1.3', 'flask-cors==6.0.5', 'vermin==1.9.2'];

/** How programs are had that are Python's. */
const OF_PYTHON = {
  // What pyenv puts in their place can be started without being there.
  mustSucceed: true,
  package: 'python3-venv',
  install: installPython,
  hint: `python3 -m venv ${PYTHON} && ${PYTHON}/bin/pip install ${PYTHON_PACKAGES.map((name) => `'${name}'`).join(' ')}`,
};

/** Programs that tests run beside Node, the Debian packages that have them or what they need, and other ways to them. */
const PROGRAMS = [
  {
    name: 'perl',
    probe: ['perl', ['-MJSON::PP', '-MTime::HiRes', '-MTest::More', '-e', '1']],
    package: 'perl',
  },
  { name: 'prove', probe: ['prove', ['--version']], package: 'perl' },
  {
    name: 'Log::Any',
    probe: ['perl', ['-MLog::Any', '-e', '1']],
    mustSucceed: true,
    package: 'liblog-any-perl',
  },
  { name: 'openssl', probe: ['openssl', ['version']], package: 'openssl' },
  {
    name: 'python3',
    probe: ['python3', ['-c', 'import venv, ensurepip']],
    mustSucceed: true,
    package: 'python3-venv',
  },
  { name: 'R', probe: ['R', ['--version']], package: 'r-base-core' },
  { name: 'javac', probe: ['javac', ['-version']], package: 'default-jdk-headless' },
  { name: 'mvn', probe: ['mvn', ['--version']], package: 'maven' },
  { name: 'cc', probe: ['cc', ['--version']], package: 'gcc' },
  { name: 'c++', probe: ['c++', ['--version']], package: 'g++' },
  { name: 'cmake', probe: ['cmake', ['--version']], package: 'cmake' },
  { name: 'make', probe: ['make', ['--version']], package: 'make' },
  { name: 'pkg-config', probe: ['pkg-config', ['--version']], package: 'pkg-config' },
  { name: 'valgrind', probe: ['valgrind', ['--version']], package: 'valgrind' },
  { name: 'chromium', probe: ['chromium', ['--version']], package: 'chromium' },
  { name: 'systemd-analyze', probe: ['systemd-analyze', ['--version']], package: 'systemd' },
  { name: 'nc', probe: ['nc', ['-h']], package: 'netcat-openbsd' },
  { name: 'moto_server', probe: ['moto_server', ['-h']], ...OF_PYTHON },
  { name: 'vermin', probe: ['vermin', ['--version']], ...OF_PYTHON },
];

/** What probes and tests find programs by; the AWS clients' word on the version of Node is none on the tests. */
const env = {
  ...process.env,
  PATH: `${ROOT}/${PYTHON}/bin:${process.env.PATH}`,
  AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
};
const tried = (command, args) => spawnSync(command, args, { stdio: 'ignore', cwd: ROOT, env });
const runs = (command, args) => tried(command, args).error === undefined;
const succeeds = (command, args) => tried(command, args).status === 0;
const missing = () =>
  PROGRAMS.filter(
    ({ probe: [command, args], mustSucceed }) => !(mustSucceed ? succeeds : runs)(command, args),
  );

/** Installs what is missing where this user may; says what is still missing. */
function installPrograms() {
  installOwn();
  const packages = [...new Set(missing().map((program) => program.package))];
  if (packages.length > 0 && process.getuid?.() === 0 && runs('apt-get', ['--version'])) {
    console.error(`Installing ${packages.join(', ')} (apt-get) …`);
    const quiet = { stdio: 'ignore', env: { ...env, DEBIAN_FRONTEND: 'noninteractive' } };
    spawnSync('apt-get', ['update', '-qq'], quiet);
    spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], quiet);
    installOwn();
  }
  return missing();
}

/** Installs in their own way what is missing and has one. */
function installOwn() {
  for (const ownWay of new Set(missing().map((program) => program.install))) ownWay?.();
}

/** Installs Python's programs beside the packages, if Python and its index are there. */
function installPython() {
  if (!succeeds('python3', ['-c', 'import venv, ensurepip'])) return;
  console.error('Installing moto_server, vermin (pip) …');
  if (!succeeds('python3', ['-m', 'venv', '--clear', PYTHON])) return;
  succeeds(`${ROOT}/${PYTHON}/bin/pip`, [
    'install',
    '--quiet',
    '--disable-pip-version-check',
    ...PYTHON_PACKAGES,
  ]);
}

/** How long jest may take to end once its results are written. */
const END_MS = 30_000;

/** Runs jest and gives its exit code and its own counts. */
async function runJest(args, absent) {
  const folder = mkdtempSync(join(tmpdir(), 'sidecar-test-'));
  const outputFile = join(folder, 'result.json');
  const jest = spawn(
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
      env: { ...env, SIDECAR_TEST_WITHOUT: absent.map(({ name }) => name).join(',') },
    },
  );
  const ending = endOnceWritten(jest, outputFile);
  const [status] = await once(jest, 'exit');
  clearInterval(ending);
  const result = resultOf(outputFile);
  rmSync(folder, { recursive: true, force: true });
  return { status: status ?? (result?.success ? 0 : 1), result };
}

/** Node.js 20 may wait for its own threads for ever when it ends (nodejs/node#54918): then the results are all there. */
function endOnceWritten(jest, outputFile) {
  let writtenMs;
  return setInterval(() => {
    if (writtenMs === undefined && resultOf(outputFile) !== undefined) writtenMs = Date.now();
    if (Date.now() - writtenMs > END_MS) jest.kill('SIGKILL');
  }, 1_000);
}

/** What failed, by file and name, with the first lines of why: after a long run what jest printed of it is far above. */
function failuresOf({ testResults }) {
  return testResults
    .filter(({ status }) => status === 'failed')
    .flatMap(({ name, message, assertionResults }) => {
      const file = relative(ROOT, name);
      const failed = assertionResults.filter(({ status }) => status === 'failed');
      if (failed.length === 0) return [`${file}\n${beginning(message)}`];
      return failed.map(
        ({ fullName, failureMessages }) => `${file} › ${fullName}\n${beginning(failureMessages.join('\n'))}`,
      );
    });
}

/** How many lines of a failure are told again. */
const LINES_AGAIN = 12;

const beginning = (text) =>
  stripVTControlCharacters(text)
    .split('\n')
    .filter((line) => line.trim() !== '' && !/node_modules|node:internal/.test(line))
    .slice(0, LINES_AGAIN)
    .map((line) => `  ${line}`)
    .join('\n');

/** What jest found; undefined while it is not all written. */
function resultOf(outputFile) {
  try {
    return JSON.parse(readFileSync(outputFile, 'utf8'));
  } catch {
    return undefined;
  }
}

install();
build();
const absent = installPrograms();
const { status, result } = await runJest(process.argv.slice(2), absent);
for (const { name, package: from, hint = `apt-get install ${from}` } of absent) {
  console.log(`skipped: tests that need ${name}; get it with: ${hint}`);
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
  for (const failure of failuresOf(result)) console.log(`failed: ${failure}`);
  // A file that could not be run at all is a failure too.
  console.log(`${numPassedTests} passed, ${numFailedTests + numRuntimeErrorTestSuites} failed${skipped}`);
}
process.exit();
