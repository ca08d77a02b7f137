// `npm run demo`: a sidecar, programs in several languages that run the use case again and again, and an object store
// that fails and heals. `-- --seconds 30` ends by itself. Everything is in a folder that is removed at the end.
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { build, install, ROOT } from './prepare.js';

const JOB_EVERY_MS = 3000;
const JOBS_AT_ONCE = 3;
const HEALTHY_MS = 18_000;
const DOWN_MS = 12_000;

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '0' } } });
const seconds = Number(values.seconds);
if (!Number.isFinite(seconds) || seconds < 0) {
  console.error('--seconds takes a number; 0: until Ctrl+C');
  process.exit(2);
}

install();
build();
const folder = mkdtempSync(join(tmpdir(), 'sidecar-demo-'));
const children = new Set();
const stopping = new AbortController();
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
process.on('SIGINT', () => stopping.abort());
process.on('SIGTERM', () => stopping.abort());

const HERE = join(ROOT, 'scripts', 'demo');
const SDKS = join(ROOT, 'sdks');
const env = {
  ...process.env,
  DEMO_DIR: folder,
  PERL5LIB: join(SDKS, 'perl', 'lib'),
  PYTHONPATH: join(SDKS, 'python', 'src'),
  PYTHONDONTWRITEBYTECODE: '1',
  R_LIBS: folder,
  MONITORING_HOST: '127.0.0.1',
};

/** Starts a program, which is stopped with this one at the latest. */
function start(command, args, options = {}) {
  const child = spawn(command, args, { stdio: 'ignore', ...options });
  children.add(child);
  const ended = new Promise((resolve) => {
    child.once('error', () => resolve(-1));
    child.once('close', (code) => resolve(code ?? -1));
  }).finally(() => children.delete(child));
  return { child, ended };
}

const works = (command, ...args) => spawnSync(command, args, { env, stdio: 'ignore' }).status === 0;

const OUTAGE = '<Error><Code>InternalError</Code><Message>The store is down for a while.</Message></Error>';

/** An object store that takes what it is given, while it is up. */
function openStore() {
  const store = { isUp: true, objects: 0, address: '' };
  const server = createServer((request, response) => {
    request.resume().once('end', () => {
      if (store.isUp && request.method === 'PUT') store.objects++;
      if (store.isUp) response.writeHead(200, { ETag: '"demo"' }).end();
      else response.writeHead(500, { 'Content-Type': 'application/xml' }).end(OUTAGE);
    });
  });
  return new Promise((resolve) => {
    server.unref().listen(0, '127.0.0.1', () => {
      store.address = `http://127.0.0.1:${server.address().port}`;
      resolve(store);
    });
  });
}

/** Makes what this machine has the tools for; what follows a load, a command each, and which languages that is. */
function prepare() {
  const missing = ['perl', 'python3'].filter((name) => !works(name, '--version'));
  if (missing.length > 0) {
    console.error(`The demonstration needs ${missing.join(' and ')}.`);
    process.exit(1);
  }
  const next = [];
  const languages = ['Perl', 'Python'];
  const add = (language, ...command) => {
    languages.push(language);
    if (command.length > 0) next.push(command.join('\t'));
  };
  if (works(process.execPath, join(SDKS, 'typescript', 'build.js')))
    add('TypeScript', process.execPath, join(HERE, 'report.js'));
  const sources = join(folder, 'r');
  cpSync(join(SDKS, 'r'), sources, { recursive: true });
  if (works('R', 'CMD', 'INSTALL', '--no-docs', `--library=${folder}`, sources))
    add('R', 'Rscript', join(HERE, 'forecast.R'));
  const java = join(SDKS, 'java', 'core', 'src', 'main', 'java', 'monitoring');
  const files = readdirSync(java).map((name) => join(java, name));
  const classes = join(folder, 'classes');
  mkdirSync(classes);
  if (works('javac', '-d', classes, ...files, join(HERE, 'Archive.java')))
    add('Java', 'java', '-XX:TieredStopAtLevel=1', '-cp', classes, 'Archive');
  const queue = join(folder, 'queue');
  const c = ['-std=c99', '-D_POSIX_C_SOURCE=200809L', '-pthread', `-I${join(SDKS, 'c', 'include')}`];
  const hasC = works('cc', ...c, '-o', queue, join(HERE, 'queue.c'));
  if (hasC) add('C');
  return { next: next.join('\n'), languages, queue: hasC ? queue : undefined };
}

/** The sidecar, once it listens. */
async function startSidecar(store) {
  const args = ['run', '--format', 'human', '--config', join(HERE, 'sidecar.yaml')];
  const { child, ended } = start(
    join(ROOT, 'bin', 'sidecar'),
    [...args, '--data-dir', join(folder, 'state')],
    {
      env: { ...env, DEMO_STORE: store.address },
      stdio: ['ignore', 'pipe', 'ignore'],
      // Ctrl+C is for this process, which ends the others in order.
      detached: true,
    },
  );
  const found = new Promise((resolve) => {
    let port;
    createInterface({ input: child.stdout }).on('line', (line) => {
      port ??= /telemetry\s+127\.0\.0\.1:(\d+)/.exec(line)?.[1];
      const link = /web\s+(http\S+)/.exec(line)?.[1];
      if (link !== undefined) resolve({ port, link });
    });
  });
  const addresses = await Promise.race([found, ended.then(() => undefined)]);
  if (addresses === undefined) throw new Error('the sidecar did not start');
  return { child, ended, ...addresses };
}

async function runJobs(port, next) {
  for (let n = 1; !stopping.signal.aborted; n++) {
    const running = [...children].filter(({ spawnargs }) => spawnargs[0] === 'perl').length;
    if (running < JOBS_AT_ONCE) {
      const job = `job-${Date.now().toString(36)}-${n}`;
      start('perl', [join(HERE, 'receive.pl'), job], {
        env: { ...env, MONITORING_PORT: port, DEMO_NEXT: next },
      });
    }
    await pause(JOB_EVERY_MS, undefined, { signal: stopping.signal }).catch(() => {});
  }
}

async function failNowAndThen(store) {
  while (!stopping.signal.aborted) {
    await pause(store.isUp ? HEALTHY_MS : DOWN_MS, undefined, { signal: stopping.signal }).catch(() => {});
    if (stopping.signal.aborted) break;
    store.isUp = !store.isUp;
    console.log(store.isUp ? 'The object store is back.' : 'The object store fails: see Health.');
  }
}

const store = await openStore();
console.log('Preparing programs …');
const { next, languages, queue } = prepare();
const sidecar = await startSidecar(store);
if (queue !== undefined) start(queue, [], { env: { ...env, MONITORING_PORT: sidecar.port } });
console.log(
  `Programs in ${languages.join(', ')} run jobs, and every half minute a backend fails for a while.`,
);
console.log(`\n  Open ${sidecar.link}\n\nCtrl+C ends it.`);
if (seconds > 0) setTimeout(() => stopping.abort(), seconds * 1000).unref();
void sidecar.ended.then(() => stopping.abort());
await Promise.all([runJobs(sidecar.port, next), failNowAndThen(store)]);
store.isUp = true;
for (const child of children) if (child !== sidecar.child) child.kill('SIGTERM');
sidecar.child.kill('SIGTERM');
process.exitCode = await sidecar.ended;
console.log(`Ended; the object store has ${store.objects} objects.`);
