// All SDKs together: a trace goes through programs of every language.
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, jest, test } from '@jest/globals';
import { closeAll, linesOf, ONE_FILE, ROOT, runToEnd, startSidecar, until, write } from '../processes.ts';
import { outputOf } from './programs.ts';

const SDKS = join(ROOT, 'sdks');
const folder = mkdtempSync(join(tmpdir(), 'sidecar-languages-'));
const at = (name: string) => join(folder, name);
const absent = (process.env.SIDECAR_TEST_WITHOUT ?? '').split(',');
const isMissing = ['perl', 'python3', 'cc', 'make', 'R', 'javac'].some((program) => absent.includes(program));
const testAll = isMissing ? test.skip : test;

jest.setTimeout(600_000);
afterEach(closeAll);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const ENV = {
  PERL5LIB: join(SDKS, 'perl', 'lib'),
  PYTHONPATH: join(SDKS, 'python', 'src'),
  PYTHONDONTWRITEBYTECODE: '1',
  R_LIBS: at('library'),
  LC_ALL: 'C.UTF-8',
  NODE_OPTIONS: '',
};

/** Runs a program to its end; rejects with what it said unless it exits with 0. */
const runs = (program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  outputOf(program, args, folder, { ...ENV, ...env });

const NODE_SDK = JSON.stringify(join(SDKS, 'typescript', 'dist', 'esm', 'index.js'));

/** A program of each language that has a span and, but the last, calls the next one in it. */
const STEPS = {
  'step.pl': `
use Monitoring::SDK;
my $m = Monitoring::SDK->new(source => 'perl-service');
$m->set_context('job_id', 'job-languages');
my $span = $m->start_span('perl');
system('python3', '${at('step.py')}') == 0 or die "python failed";
$m->end_span($span);
$m->close;
`,
  'step.py': `
import subprocess
import monitoring_sdk as m
m.init("python-service")
with m.span("python"):
    subprocess.run(["${at('step')}"], env=m.child_env(), check=True)
`,
  'step.c': `
#define MONITORING_IMPLEMENTATION
#include <monitoring.h>
#include <spawn.h>
#include <sys/wait.h>
int main(void) {
    char *argv[] = {"Rscript", "${at('step.R')}", NULL};
    pid_t child;
    int status = 1;
    mon_init("c-service", NULL, 0);
    mon_span span = mon_span_start("c");
    char **env = mon_child_env();
    if (posix_spawnp(&child, argv[0], NULL, NULL, argv, env) || waitpid(child, &status, 0) < 0) status = 1;
    mon_span_end(span, NULL);
    mon_close();
    return status != 0;
}
`,
  'step.R': `
library(monitoring)
mon_init("r-service")
with_span("r", with_child_env(stopifnot(system2("java", c("-cp", "${at('classes')}", "${at('Step.java')}")) == 0)))
mon_close()
`,
  'Step.java': `
import monitoring.*;
public class Step {
    public static void main(String[] args) throws Exception {
        Client m = Monitoring.init("java-service");
        try (Span span = m.span("java")) {
            ProcessBuilder node = new ProcessBuilder("${process.execPath}", "${at('step.mjs')}").inheritIO();
            m.childEnv(node.environment());
            if (node.start().waitFor() != 0) span.fail("node failed");
        }
    }
}
`,
  'step.mjs': `
import { init } from ${NODE_SDK};
const m = init({ source: 'node-service' });
await m.ready();
await m.withSpan('node', async () => {
  m.logProgress('job-languages', 100, 'completed');
  await new Promise((resolve) => setTimeout(resolve, 30));
});
await m.close();
`,
};

beforeAll(async () => {
  if (isMissing) return;
  for (const [name, text] of Object.entries(STEPS)) write(at(name), text);
  mkdirSync(at('library'));
  // R compiles where the sources are, and other tests do so, too.
  cpSync(join(SDKS, 'r'), at('monitoring'), { recursive: true });
  await runs('R', ['CMD', 'INSTALL', `--library=${at('library')}`, at('monitoring')]);
  await runs(process.execPath, [join(SDKS, 'typescript', 'build.js')]);
  const sources = join(SDKS, 'java', 'core', 'src', 'main', 'java', 'monitoring');
  const java = readdirSync(sources).map((name) => join(sources, name));
  await runs('javac', ['--release', '11', '-Xlint:all', '-Werror', '-d', at('classes'), ...java]);
  const options = ['-std=c99', '-D_POSIX_C_SOURCE=200809L', '-pthread', `-I${join(SDKS, 'c', 'include')}`];
  await runs('cc', [...options, '-o', at('step'), at('step.c')]);
  chmodSync(at('step'), 0o755);
});

async function sidecar() {
  const running = await startSidecar({ yaml: ONE_FILE });
  const lines = () => linesOf(join(running.folder, 'out', 'all.jsonl'));
  return { running, lines, env: { MONITORING_PORT: String(running.port) } };
}

interface Span {
  readonly span_id: string;
  readonly parent_span_id?: string;
  readonly started: string;
  readonly ended: string;
}

/** By how many milliseconds spans stick out of their parents: a program that has to wait while it reads its clocks is late. */
function protruding(spans: readonly Span[]): number {
  let sum = 0;
  for (const { parent_span_id, started, ended } of spans) {
    const parent = spans.find(({ span_id }) => span_id === parent_span_id);
    if (parent === undefined) continue;
    sum += Math.max(0, Date.parse(parent.started) - Date.parse(started));
    sum += Math.max(0, Date.parse(ended) - Date.parse(parent.ended));
  }
  return sum;
}

test('a shell is a client, too', async () => {
  const { lines, env } = await sidecar();
  const record = '{"source":"backup","type":"metric","data":{"name":"files","value":120,"unit":"count"}}';
  const script = `exec 3<>/dev/tcp/127.0.0.1/$MONITORING_PORT; echo '${record}' >&3; exec 3>&-`;
  await runs('bash', ['-c', script], env);
  await until(() => lines().length === 1, 'the record');
  expect(JSON.parse(lines()[0]!)).toMatchObject(JSON.parse(record));
});

testAll(
  'one trace through Perl, Python, C, R, Java and Node.js: one job, right parents, right times',
  async () => {
    const { running, env } = await sidecar();
    await runs('perl', [at('step.pl')], env);
    const view = () => running.get('/api/v1/jobs/job-languages');
    await until(
      async () => (await view()).spans?.filter(({ ended }: { ended?: string }) => ended).length === 6,
      'five spans',
    );
    const job = await view();
    expect(job).toMatchObject({ state: 'succeeded', errors: 0 });
    expect(job.trace_ids).toHaveLength(1);
    const services = ['perl', 'python', 'c', 'r', 'java', 'node'].map((name) => `${name}-service`);
    expect(job.services.map(({ source }: { source: string }) => source)).toEqual(services);
    expect(job.services.map(({ parents }: { parents: string[] }) => parents)).toEqual([
      [],
      ...services.slice(0, 5).map((source) => [source]),
    ]);
    const times = job.services.map(({ time_ms }: { time_ms: number }) => time_ms);
    expect(Math.min(...times)).toBeGreaterThanOrEqual(0);
    expect(times[5]).toBeGreaterThanOrEqual(25);
    // Each waits for the next: their own times, and what is nobody's, add up to the whole.
    const sum = times.reduce((all: number, ms: number) => all + ms, job.unattributed_ms);
    expect(Math.abs(sum - job.total_ms)).toBeLessThan(protruding(job.spans) + job.spans.length);
    const told = await runToEnd(['job', 'job-languages', '--url', `http://${running.listening.http}`], {
      cwd: folder,
    });
    expect(told.code).toBe(0);
    for (const source of services) expect(told.stdout).toContain(`─ ${source}:`);
    expect(told.stdout).toContain('Total:');
  },
);
