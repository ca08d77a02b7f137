// The Python SDK: its own tests, its installation, and programs with a real sidecar.
import { readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { afterEach, expect, jest, test } from '@jest/globals';
import {
  closeAll,
  createFolder,
  linesOf,
  ONE_FILE,
  PYTHON_PROGRAMS,
  ROOT,
  startSidecar,
  until,
} from '../processes.ts';
import { outputOf } from './programs.ts';

const SDK = join(ROOT, 'sdks', 'python');
const absent = (process.env.SIDECAR_TEST_WITHOUT ?? '').split(',');
const testPython = absent.includes('python3') ? test.skip : test;

jest.setTimeout(600_000);
afterEach(closeAll);

/** Runs a program to its end; rejects with what it said unless it exits with 0. */
const runs = (program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  outputOf(program, args, SDK, { PYTHONDONTWRITEBYTECODE: '1', ...env });

testPython('its own tests pass', async () => {
  expect(await runs('python3', ['-W', 'ignore', '-m', 'unittest', 'discover', '-s', 'tests'])).toContain(
    'OK',
  );
});

(absent.includes('vermin') ? test.skip : test)('it needs no newer Python than it says', async () => {
  const [, oldest] =
    /^requires-python = ">=(.+)"$/m.exec(readFileSync(join(SDK, 'pyproject.toml'), 'utf8')) ?? [];
  const found = await runs(
    'vermin',
    [`-t=${oldest}-`, '--violations', '--eval-annotations', 'src', 'examples'],
    {
      PATH: [PYTHON_PROGRAMS, process.env.PATH].join(delimiter),
    },
  );
  expect(found).toMatch(/^Minimum required versions: 3/m);
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

testPython('installed with pip, it sends the same by NDJSON and MessagePack', async () => {
  const { env, arrived } = await sidecar();
  const folder = createFolder();
  await runs('python3', ['-m', 'venv', folder]);
  const python = join(folder, 'bin', 'python');
  const build = createFolder();
  await runs('cp', ['-r', '.', build]);
  await runs(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', build]);
  const program = `
import monitoring_sdk as m
m.set_context("ignored", "before init")
m.init("py")
m.set_context("job_id", "job-p")
with m.span("outer"):
    m.log_event("warn", "grüße", {"a": 1, "b": -2.5, "big": 2**60, "list": [1, 200, 70000], "on": True, "none": None})
    m.log_metric("rows", 5e9, "count")
`;
  for (const protocol of ['ndjson', 'msgpack']) {
    await runs(python, ['-c', program], { ...env, MONITORING_PROTOCOL: protocol });
  }
  const records = await arrived(8);
  const masked = records.map(({ source, type, job_id, data: { start_us, duration_us, ...data } }) =>
    JSON.stringify({ source, type, job_id, data }),
  );
  expect(masked.slice(0, 4)).toEqual(masked.slice(4));
  expect(records[1]).toMatchObject({
    source: 'py',
    job_id: 'job-p',
    trace_id: records[0]?.trace_id,
    data: {
      level: 'warn',
      message: 'grüße',
      context: { a: 1, b: -2.5, big: '1152921504606846976', on: true },
    },
  });
});

testPython('a child program is in the trace of its parent', async () => {
  const { env, arrived } = await sidecar();
  const program = `
import subprocess, sys
import monitoring_sdk as m
m.init("parent"); m.set_context("job_id", "job-7")
with m.span("process_job"):
    subprocess.run([sys.executable, "examples/db_loader.py"], env=m.child_env(), check=True)
`;
  await runs('python3', ['-c', program], { ...env, PYTHONPATH: join(SDK, 'src') });
  const spans = (await arrived(7)).filter(({ type, data }) => type === 'span' && data.phase === 'end');
  const [child, parent] = spans;
  expect(child).toMatchObject({ source: 'db-loader', job_id: 'job-7', trace_id: parent?.trace_id });
  expect(child?.data.parent_span_id).toBe(parent?.span_id);
});
