// The R SDK: R's own check of the package, and programs with a real sidecar.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, jest, test } from '@jest/globals';
import { closeAll, linesOf, ONE_FILE, ROOT, startSidecar, until } from '../processes.ts';

const SDK = join(ROOT, 'sdks', 'r');
const absent = (process.env.SIDECAR_TEST_WITHOUT ?? '').split(',');
const isMissing = ['R', 'cc', 'make'].some((program) => absent.includes(program));
const testR = isMissing ? test.skip : test;
const folder = mkdtempSync(join(tmpdir(), 'sidecar-r-'));
const library = join(folder, 'library');

jest.setTimeout(600_000);
afterEach(closeAll);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a program to its end; rejects with what it said unless it exits with `expected`. */
async function runs(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  expected = 0,
) {
  const child = spawn(program, args, {
    cwd: folder,
    env: { ...process.env, LC_ALL: 'C.UTF-8', TMPDIR: folder, ...env },
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
  }
  const [code] = await once(child, 'close');
  if (code !== expected) throw new Error(`${program} ${args.join(' ')}: exit code ${code}\n${said}`);
  return said;
}

beforeAll(async () => {
  if (isMissing) return;
  mkdirSync(library);
  // R compiles where the sources are, and other tests do so, too.
  cpSync(SDK, join(folder, 'monitoring'), { recursive: true });
  await runs('R', ['CMD', 'INSTALL', `--library=${library}`, join(folder, 'monitoring')]);
});

testR('R CMD check finds nothing to say', async () => {
  await runs('R', ['CMD', 'build', SDK]);
  const said = await runs('R', ['CMD', 'check', '--no-manual', 'monitoring_0.1.0.tar.gz']);
  expect(said).toMatch(/Status: OK/);
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
  const { folder: at, port } = await startSidecar({ yaml: ONE_FILE });
  const file = join(at, 'out', 'all.jsonl');
  const env = { R_LIBS: library, MONITORING_PORT: String(port) };
  return { env, records: () => linesOf(file).map((text) => JSON.parse(text) as Delivered) };
}

/** Waits for `count` records. */
async function arrived(records: () => readonly Delivered[], count: number) {
  await until(
    () => records().length >= count,
    `${count} records`,
    () => JSON.stringify(records()),
  );
  return records();
}

testR.each(['ndjson', 'msgpack'])('the same records arrive by %s', async (protocol) => {
  const { env, records } = await sidecar();
  const program = `
    library(monitoring)
    mon_init("r-program")
    mon_set_context("job_id", "job-r")
    with_span("outer", {
      mon_event("warn", "gr\\u00fc\\u00dfe", list(a = 1L, b = -2.5, big = 2^60, neg = -70000, list = c(1, 200, 70000), on = TRUE, none = NA))
      mon_metric("rows", 5e9, "count")
    })
    mon_progress("job-r", 100, "completed")
  `;
  await runs('Rscript', ['-e', program], { ...env, MONITORING_PROTOCOL: protocol });
  const [start, event, metric, end, progress] = await arrived(records, 5);
  expect(event).toMatchObject({
    source: 'r-program',
    type: 'event',
    job_id: 'job-r',
    trace_id: start?.trace_id,
    span_id: start?.span_id,
    data: {
      level: 'warn',
      message: 'grüße',
      context: {
        a: 1,
        b: -2.5,
        big: '1152921504606846976',
        neg: -70_000,
        list: [1, 200, 70_000],
        on: true,
        none: null,
      },
    },
  });
  expect(metric?.data).toEqual({ name: 'rows', value: 5e9, unit: 'count' });
  expect(end?.data).toMatchObject({ phase: 'end', name: 'outer', status: 'success' });
  expect(progress?.data).toMatchObject({ job_id: 'job-r', percent: 100, status: 'completed' });
});

testR('what was logged last arrives, however the program ends', async () => {
  const { env, records } = await sidecar();
  const log = (text: string) => `library(monitoring); mon_init("ends"); mon_event("info", "${text}");`;
  await runs('Rscript', ['-e', log('normally')], env);
  await runs('Rscript', ['-e', `${log('by an error')} stop("x")`], env, 1);
  await runs('Rscript', ['-e', `${log('by quit')} quit(status = 3)`], env, 3);
  const killed = `${log('killed')} tools::pskill(Sys.getpid(), 9)`;
  await expect(runs('Rscript', ['-e', killed], env)).rejects.toThrow();
  expect((await arrived(records, 4)).map(({ data }) => data.message)).toEqual([
    'normally',
    'by an error',
    'by quit',
    'killed',
  ]);
});

testR('a child program is in the trace of its parent', async () => {
  const { env, records } = await sidecar();
  const script = join(SDK, 'inst', 'examples', 'db_loader.R');
  const program = `
    library(monitoring)
    mon_init("parent"); mon_set_context("job_id", "job-7")
    with_span("process_job", with_child_env(system2("Rscript", "${script}")))
  `;
  await runs('Rscript', ['-e', program], env);
  const spans = (await arrived(records, 7)).filter(
    ({ type, data }) => type === 'span' && data.phase === 'end',
  );
  // Between sources there is no order.
  const [child, parent] = ['db-loader', 'parent'].map((source) =>
    spans.find((span) => span.source === source),
  );
  expect(child).toMatchObject({ job_id: 'job-7', trace_id: parent?.trace_id });
  expect(child?.data.parent_span_id).toBe(parent?.span_id);
});
