// The C SDK: its own tests, plain, under sanitizers and valgrind; its installation; and its use case with a real sidecar.
import { join } from 'node:path';
import { afterEach, expect, jest, test } from '@jest/globals';
import { PROCESS } from '../../sdks/conformance/clauses/process.ts';
import { SAFETY } from '../../sdks/conformance/clauses/safety.ts';
import { TOOLS } from '../../sdks/conformance/languages.ts';
import { run } from '../../sdks/conformance/main.ts';
import { closeAll, createFolder, ROOT, startSidecar, until, write } from '../processes.ts';
import { outputOf } from './programs.ts';

const C = join(ROOT, 'sdks', 'c');
const absent = (process.env.SIDECAR_TEST_WITHOUT ?? '').split(',');
const testWith = (...programs: readonly string[]) =>
  programs.some((program) => absent.includes(program)) ? test.skip : test;

jest.setTimeout(900_000);
afterEach(closeAll);

/** Runs a program to its end; rejects with what it said unless it exits with 0. */
const runs = (program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  outputOf(program, args, C, env);

/** Builds the SDK's tests and examples in a new folder. */
async function build(...options: readonly string[]): Promise<string> {
  const folder = createFolder();
  await runs('cmake', ['-S', C, '-B', folder, ...options]);
  await runs('cmake', ['--build', folder, '--parallel', '2']);
  return folder;
}

const passes = async (folder: string, ...options: readonly string[]) =>
  expect(
    await runs('ctest', ['--test-dir', folder, '--output-on-failure', ...options], { MON_SHADOW: '1' }),
  ).toContain('100% tests passed');

testWith('cmake')('its own tests pass, as C99 and as C++17', async () => {
  await passes(await build('-DCMAKE_BUILD_TYPE=RelWithDebInfo'));
});

testWith('cmake').each(['thread', 'address,undefined'])('its tests pass with -fsanitize=%s', async (kind) => {
  await passes(await build(`-DMON_SANITIZE=${kind}`), '-E', '_cpp');
});

testWith('cmake', 'valgrind')('valgrind finds no error and no leak', async () => {
  const folder = await build('-DCMAKE_BUILD_TYPE=Debug');
  const errors = ['--quiet', '--vgdb=no', '--error-exitcode=9'];
  const leaks = ['--leak-check=full', '--show-leak-kinds=definite', '--errors-for-leak-kinds=definite'];
  for (const name of ['wire', 'context', 'ack', 'log']) {
    await runs('valgrind', [...errors, ...leaks, join(folder, `test_${name}`)], { MON_SHADOW: '1' });
  }
  // It forks beside threads, whose memory nobody has in the child.
  await runs('valgrind', [...errors, join(folder, 'test_threads'), '200'], { MON_SHADOW: '1' });
});

testWith('cc', 'valgrind')('the contract’s safety part holds under sanitizers and valgrind', async () => {
  const clauses = [...SAFETY, ...PROCESS].map(({ id }) => id);
  const results = await run({ languages: ['c'], clauses, under: TOOLS, width: 3 });
  const outcomes = Object.entries(results).flatMap(([id, row]) =>
    Object.entries(row).map(([column, { outcome, note }]) =>
      outcome === 'pass' ? 'pass' : `${id} ${column}: ${note}`,
    ),
  );
  expect(outcomes).toEqual(Array(clauses.length * TOOLS.length).fill('pass'));
});

testWith('cmake', 'pkg-config')('an installed header is found by pkg-config', async () => {
  const folder = createFolder();
  const [built, prefix] = [join(folder, 'build'), join(folder, 'prefix')];
  await runs('cmake', ['-S', C, '-B', built, '-DMON_TESTS=OFF']);
  await runs('cmake', ['--install', built, '--prefix', prefix]);
  const env = { PKG_CONFIG_PATH: join(prefix, 'share', 'pkgconfig') };
  const flags = (await runs('pkg-config', ['--cflags', '--libs', 'monitoring'], env)).trim().split(/\s+/);
  const program = join(folder, 'start');
  await runs('cc', ['-std=c99', join(C, 'examples', 'start.c'), '-o', program, ...flags]);
  await runs(program, [], { MONITORING_DISABLED: '1' });
  const [plugin, unload] = [join(folder, 'plugin.so'), join(folder, 'unload')];
  await runs('cc', ['-shared', '-fPIC', join(C, 'test', 'plugin.c'), '-o', plugin, ...flags]);
  await runs('cc', [join(C, 'test', 'test_unload.c'), '-o', unload, '-pthread', '-ldl']);
  await runs(unload, [plugin]);
});

const CONFIG = `
tcp: { host: 127.0.0.1, port: 17000 }
http: { port: 17001 }
batch: { max_age: 50ms }
routing:
  default:
    - backend: files
backends:
  files: { type: filesystem, base_path: $OUT, path: all.jsonl }
`;

interface Job {
  readonly messages: number;
  readonly state: string;
  readonly trace_ids: readonly string[];
  readonly services: readonly { readonly source: string; readonly parents: readonly string[] }[];
}

testWith('cmake').each(['ndjson', 'msgpack'])(
  'a service and the program that it runs are one trace, in %s',
  async (protocol) => {
    const folder = await build();
    const sidecar = await startSidecar({ yaml: CONFIG });
    const rows = write(join(sidecar.folder, 'rows.csv'), 'row\n'.repeat(10_000));
    const env = {
      MONITORING_HOST: '127.0.0.1',
      MONITORING_PORT: String(sidecar.port),
      MONITORING_PROTOCOL: protocol,
      MONITORING_ACK: 'memory',
    };
    await runs(join(folder, 'queue_service'), ['job-12345', join(folder, 'db_loader'), rows], env);
    let job = (await sidecar.get('/api/v1/jobs/job-12345')) as Job;
    const isWhole = async () => {
      job = (await sidecar.get('/api/v1/jobs/job-12345')) as Job;
      return job.messages >= 10;
    };
    await until(isWhole, 'the whole job is known', () => JSON.stringify(job));
    expect(job.state).toBe('succeeded');
    expect(job.trace_ids).toHaveLength(1);
    expect(job.services.map(({ source, parents }) => [source, parents])).toEqual([
      ['queue-service', []],
      ['db-loader', ['queue-service']],
    ]);
    expect(await sidecar.stop()).toBe(0);
  },
);
