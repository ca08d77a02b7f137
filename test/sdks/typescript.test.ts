// The TypeScript SDK: its own tests, the package as users get it, and programs with a real sidecar.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, expect, jest, test } from '@jest/globals';
import { closeAll, createFolder, linesOf, ONE_FILE, ROOT, startSidecar, until, write } from '../processes.ts';
import { outputOf } from './programs.ts';

const SDK = join(ROOT, 'sdks', 'typescript');

jest.setTimeout(600_000);
afterEach(closeAll);

/** Runs a program to its end; rejects with what it said unless it exits with 0. */
const runs = (
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  cwd = SDK,
) => outputOf(program, args, cwd, { NODE_OPTIONS: '', ...env });

beforeAll(async () => {
  await runs('node', ['build.js']);
});

test('its own tests pass', async () => {
  expect(await runs('node', ['--test', 'test/'])).toContain('fail 0');
});

test('the package loads in both forms, and its types check', async () => {
  const folder = createFolder();
  await runs('npm', ['pack', '--silent', '--pack-destination', folder]);
  const [tarball = ''] = readdirSync(folder);
  const app = join(folder, 'app');
  write(join(app, 'package.json'), '{"name":"app","private":true}');
  await runs('npm', ['install', '--silent', '--no-audit', '--no-fund', join(folder, tarball)], {}, app);
  await runs(
    'node',
    ['--input-type=module', '-e', "import { init } from '@monitoring/sdk'; init({ disabled: true }).close()"],
    {},
    app,
  );
  await runs(
    'node',
    ['-e', "require('@monitoring/sdk').init({ disabled: true }); require('@monitoring/sdk/pino')"],
    {},
    app,
  );
  write(
    join(app, 'use.mts'),
    `import { init } from '@monitoring/sdk';
const none = [][0] as string | undefined;
const n: number = init({ source: none }).withSpan('a', () => 7, { traceparent: none });
void n;
`,
  );
  const options = [
    '--noEmit',
    '--strict',
    '--exactOptionalPropertyTypes',
    '--module',
    'nodenext',
    '--target',
    'es2022',
  ];
  await runs(join(ROOT, 'node_modules/.bin/tsc'), [...options, '--types', '', 'use.mts'], {}, app);
});

interface Delivered {
  readonly source: string;
  readonly type: string;
  readonly job_id?: string;
  readonly trace_id?: string;
  readonly span_id?: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** A sidecar with everything in one file, the environment of programs that send to it, and what arrived. */
async function sidecar() {
  const { folder, port } = await startSidecar({ yaml: ONE_FILE });
  const file = join(folder, 'out', 'all.jsonl');
  const records = () => linesOf(file).map((text) => JSON.parse(text) as Delivered);
  const arrived = async (count: number) => {
    await until(
      () => records().length >= count,
      `${count} records`,
      () => JSON.stringify(records()),
    );
    return records();
  };
  return { env: { MONITORING_PORT: String(port) }, arrived };
}

test('it sends the same by NDJSON and MessagePack', async () => {
  const { env, arrived } = await sidecar();
  const program = `
    import { init } from './dist/esm/index.js';
    const m = init({ source: 'ts' });
    await m.ready();
    m.setContext('job_id', 'job-t');
    m.withSpan('outer', () => {
      m.logEvent('warn', 'grüße', { a: 1, b: -2.5, big: 2 ** 60, list: [1, 200, 70000], on: true, none: null });
      m.logMetric('rows', 5e9, 'count');
    });
    await m.close();`;
  for (const protocol of ['ndjson', 'msgpack']) {
    await runs('node', ['--input-type=module', '-e', program], { ...env, MONITORING_PROTOCOL: protocol });
  }
  const records = await arrived(8);
  const masked = records.map(({ source, type, job_id, data: { start_us, duration_us, ...data } }) =>
    JSON.stringify({ source, type, job_id, data }),
  );
  expect(masked.slice(0, 4)).toEqual(masked.slice(4));
  expect(records[1]).toMatchObject({
    job_id: 'job-t',
    trace_id: records[0]?.trace_id,
    data: {
      level: 'warn',
      message: 'grüße',
      context: { a: 1, b: -2.5, big: '1152921504606846976', on: true },
    },
  });
});

test('a child program is in the trace of its parent', async () => {
  const { env, arrived } = await sidecar();
  const program = `
    import { spawnSync } from 'node:child_process';
    import { init } from './dist/esm/index.js';
    const m = init({ source: 'parent' });
    await m.ready();
    m.setContext('job_id', 'job-7');
    m.withSpan('process_job', () => spawnSync(process.execPath, ['examples/db_loader.js'], { env: m.childEnv(), stdio: 'inherit' }));
    await m.close();`;
  await runs('node', ['--input-type=module', '-e', program], env);
  const spans = (await arrived(7)).filter(({ type, data }) => type === 'span' && data.phase === 'end');
  // Between sources there is no order.
  const [child, parent] = ['db-loader', 'parent'].map((source) =>
    spans.find((span) => span.source === source),
  );
  expect(child).toMatchObject({ job_id: 'job-7', trace_id: parent?.trace_id });
  expect(child?.data.parent_span_id).toBe(parent?.span_id);
});
