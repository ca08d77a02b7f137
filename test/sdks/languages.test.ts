// All SDKs together: the same calls give the same records, and a trace goes through programs of every language.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, jest, test } from '@jest/globals';
import { closeAll, linesOf, ONE_FILE, ROOT, runToEnd, startSidecar, until, write } from '../processes.ts';

const SDKS = join(ROOT, 'sdks');
const folder = mkdtempSync(join(tmpdir(), 'sidecar-languages-'));
const at = (name: string) => join(folder, name);
const absent = (process.env.SIDECAR_TEST_WITHOUT ?? '').split(',');
const isMissing = ['perl', 'python3', 'cc', 'R', 'javac'].some((program) => absent.includes(program));
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
async function runs(program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const child = spawn(program, args, { cwd: folder, env: { ...process.env, ...ENV, ...env } });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
  }
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${program} ${args.join(' ')}: exit code ${code}\n${said}`);
}

const NODE_SDK = JSON.stringify(join(SDKS, 'typescript', 'dist', 'esm', 'index.js'));

/** The same calls in each language. */
const SAME = {
  'same.pl': `
use utf8; use Monitoring::SDK;
my $m = Monitoring::SDK->new(source => 'same');
$m->set_context('region', 'eu');
$m->log_event('info', "gr\\x{fc}\\x{df}e \\"quoted\\" \\\\ \\n\\t\\x01", { count => 3, part => 0.5, none => undef, list => [1, 'two', [3]], map => { b => 1, a => { x => 'y' } } });
$m->log_event('warning', 'plain');
$m->log_event('', '');
$m->log_metric('rows', 10000, 'rows', { table => 'orders' });
$m->log_metric('ratio', -0.25, undef);
$m->log_progress('job-1', 50, 'running', { current => 5, total => 10 });
$m->log_resource(cpu => 12.5, memory => 310, network => 3);
$m->set_context('job_id', 'job-1');
my $outer = $m->start_span('outer');
my $inner = $m->start_span('inner');
$m->log_event('error', 'inside', { job_id => 'job-2' });
$m->end_span($inner, 'failed', 'it broke', { rows => 7 });
$m->end_span($outer);
$m->set_context('region', undef);
$m->set_context('big', 9007199254740993);
$m->log_event('fatal', 'last');
$m->close;
`,
  'same.py': `
import monitoring_sdk as m
m.init("same")
m.set_context("region", "eu")
m.log_event("info", "grüße \\"quoted\\" \\\\ \\n\\t\\x01", {"count": 3, "part": 0.5, "none": None, "list": [1, "two", [3]], "map": {"b": 1, "a": {"x": "y"}}})
m.log_event("warning", "plain")
m.log_event("", "")
m.log_metric("rows", 10000, "rows", {"table": "orders"})
m.log_metric("ratio", -0.25)
m.log_progress("job-1", 50, "running", current=5, total=10)
m.log_resource(cpu=12.5, memory=310, network=3)
m.set_context("job_id", "job-1")
outer = m.start_span("outer")
inner = m.start_span("inner")
m.log_event("error", "inside", {"job_id": "job-2"})
m.end_span(inner, "failed", "it broke", {"rows": 7})
m.end_span(outer)
m.set_context("region", None)
m.set_context("big", 9007199254740993)
m.log_event("fatal", "last")
m.close()
`,
  'same.c': `
#define MONITORING_IMPLEMENTATION
#include <monitoring.h>
int main(void) {
    mon_init("same", NULL, 0);
    mon_set_context(mon_str("region", "eu"));
    mon_event("info", "gr\\xc3\\xbc\\xc3\\x9f" "e \\"quoted\\" \\\\ \\n\\t\\x01", MON_FIELDS(mon_int("count", 3), mon_num("part", 0.5), mon_null("none"),
        mon_list("list", MON_FIELDS(mon_int(NULL, 1), mon_str(NULL, "two"), mon_list(NULL, MON_FIELDS(mon_int(NULL, 3))))),
        mon_map("map", MON_FIELDS(mon_int("b", 1), mon_map("a", MON_FIELDS(mon_str("x", "y")))))));
    mon_event("warning", "plain", NULL);
    mon_event("", "", NULL);
    mon_metric("rows", 10000, "rows", MON_FIELDS(mon_str("table", "orders")));
    mon_metric("ratio", -0.25, NULL, NULL);
    mon_progress_with("job-1", 50, "running", MON_FIELDS(mon_int("current", 5), mon_int("total", 10)));
    mon_resource_with(MON_FIELDS(mon_num("cpu", 12.5), mon_int("memory", 310), mon_int("network", 3)));
    mon_set_context(mon_str("job_id", "job-1"));
    mon_span outer = mon_span_start("outer");
    mon_span inner = mon_span_start("inner");
    mon_event("error", "inside", MON_FIELDS(mon_str("job_id", "job-2")));
    mon_span_end_with(inner, "failed", "it broke", MON_FIELDS(mon_int("rows", 7)));
    mon_span_end(outer, NULL);
    mon_set_context(mon_null("region"));
    mon_set_context(mon_int("big", 9007199254740993LL));
    mon_event("fatal", "last", NULL);
    mon_close();
    return 0;
}
`,
  'same.R': `
library(monitoring)
mon_init("same")
mon_set_context("region", "eu")
mon_event("info", "gr\\u00fc\\u00dfe \\"quoted\\" \\\\ \\n\\t\\u0001", list(count = 3L, part = 0.5, none = NA, list = list(1, "two", list(3)), map = list(b = 1, a = list(x = "y"))))
mon_event("warning", "plain")
mon_event("", "")
mon_metric("rows", 10000, "rows", list(table = "orders"))
mon_metric("ratio", -0.25)
mon_progress("job-1", 50, "running", current = 5, total = 10)
mon_resource(cpu = 12.5, memory = 310, network = 3)
mon_set_context("job_id", "job-1")
outer <- mon_start_span("outer")
inner <- mon_start_span("inner")
mon_event("error", "inside", list(job_id = "job-2"))
mon_end_span(inner, "failed", "it broke", list(rows = 7))
mon_end_span(outer)
mon_set_context("region", NULL)
mon_set_context("big", "9007199254740993")
mon_event("fatal", "last")
mon_close()
`,
  'Same.java': `
import java.util.*;
import monitoring.*;
public class Same {
    static Map<String, Object> map(Object... pairs) {
        Map<String, Object> map = new HashMap<>();
        for (int at = 0; at < pairs.length; at += 2) map.put((String) pairs[at], pairs[at + 1]);
        return map;
    }
    public static void main(String[] args) {
        Client m = Monitoring.init("same");
        m.setContext("region", "eu");
        m.logEvent("info", "gr\u00fc\u00dfe \\"quoted\\" \\\\ \\n\\t\\1", map("count", 3, "part", 0.5, "none", null, "list", List.of(1, "two", List.of(3)), "map", map("b", 1, "a", map("x", "y"))));
        m.logEvent("warning", "plain");
        m.logEvent("", "");
        m.logMetric("rows", 10000, "rows", map("table", "orders"));
        m.logMetric("ratio", -0.25, null);
        m.logProgress("job-1", 50, "running", map("current", 5, "total", 10));
        m.logResource(map("cpu", 12.5, "memory", 310, "network", 3));
        m.setContext("job_id", "job-1");
        String outer = m.startSpan("outer");
        String inner = m.startSpan("inner");
        m.logEvent("error", "inside", map("job_id", "job-2"));
        m.endSpan(inner, "failed", "it broke", map("rows", 7));
        m.endSpan(outer, "success");
        m.setContext("region", null);
        m.setContext("big", 9007199254740993L);
        m.logEvent("fatal", "last");
    }
}
`,
  'same.mjs': `
import { init } from ${NODE_SDK};
const m = init({ source: 'same' });
await m.ready();
m.setContext('region', 'eu');
m.logEvent('info', 'grüße "quoted" \\\\ \\n\\t\\x01', { count: 3, part: 0.5, none: null, list: [1, 'two', [3]], map: { b: 1, a: { x: 'y' } } });
m.logEvent('warning', 'plain');
m.logEvent('', '');
m.logMetric('rows', 10000, 'rows', { table: 'orders' });
m.logMetric('ratio', -0.25);
m.logProgress('job-1', 50, 'running', { current: 5, total: 10 });
m.logResource({ cpu: 12.5, memory: 310, network: 3 });
m.setContext('job_id', 'job-1');
const outer = m.startSpan('outer');
const inner = m.startSpan('inner');
m.logEvent('error', 'inside', { job_id: 'job-2' });
m.endSpan(inner, 'failed', 'it broke', { rows: 7 });
m.endSpan(outer);
m.setContext('region', null);
m.setContext('big', 9007199254740993n);
m.logEvent('fatal', 'last');
await m.close();
`,
};

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
  for (const [name, text] of Object.entries({ ...SAME, ...STEPS })) write(at(name), text);
  mkdirSync(at('library'));
  await runs('R', ['CMD', 'INSTALL', `--library=${at('library')}`, join(SDKS, 'r')]);
  await runs(process.execPath, [join(SDKS, 'typescript', 'build.js')]);
  const sources = join(SDKS, 'java', 'src', 'main', 'java', 'monitoring');
  const java = readdirSync(sources).map((name) => join(sources, name));
  await runs('javac', ['--release', '11', '-Xlint:all', '-Werror', '-d', at('classes'), ...java]);
  for (const name of ['same', 'step']) {
    const options = ['-std=c99', '-D_POSIX_C_SOURCE=200809L', '-pthread', `-I${join(SDKS, 'c', 'include')}`];
    await runs('cc', [...options, '-o', at(name), at(`${name}.c`)]);
    chmodSync(at(name), 0o755);
  }
});

const RUN: Readonly<Record<string, readonly [string, ...string[]]>> = {
  Perl: ['perl', at('same.pl')],
  Python: ['python3', at('same.py')],
  C: [at('same')],
  R: ['Rscript', at('same.R')],
  Java: ['java', '-cp', at('classes'), at('Same.java')],
  TypeScript: [process.execPath, at('same.mjs')],
};

async function sidecar() {
  const running = await startSidecar({ yaml: ONE_FILE });
  const lines = () => linesOf(join(running.folder, 'out', 'all.jsonl'));
  return { running, lines, env: { MONITORING_PORT: String(running.port) } };
}

/** A line as its sender wrote it, with what differs from run to run masked. */
function masked(line: string): string {
  return line
    .replace(/,"id":"[0-9a-f-]{36}","received_at":.*$/, '}')
    .replace(/"timestamp":"[^"]*","ts_us":\d+/, '"timestamp":0')
    .replace(/"(start_us|duration_us)":\d+/g, '"$1":0')
    .replace(/"(trace_id|span_id|parent_span_id)":"[0-9a-f]+"/g, '"$1":0');
}

testAll('the same calls give the same records in every language, by NDJSON and MessagePack', async () => {
  const found: Record<string, string[]> = {};
  for (const [language, [program, ...args]] of Object.entries(RUN)) {
    for (const protocol of language === 'Perl' ? ['ndjson'] : ['ndjson', 'msgpack']) {
      const { lines, env } = await sidecar();
      await runs(program, args, { ...env, MONITORING_PROTOCOL: protocol });
      await until(
        () => lines().length >= 13,
        `${language} by ${protocol}`,
        () => lines().join('\n'),
      );
      found[`${language}, ${protocol}`] = lines().map(masked);
      await closeAll();
    }
  }
  const { 'Perl, ndjson': perl, ...others } = found;
  expect(perl).toHaveLength(13);
  for (const [language, lines] of Object.entries(others)) {
    // C has no memory to sort a context in: its members are in the order of the call.
    const read = (texts: readonly string[]) =>
      language.startsWith('C,') ? texts.map((text) => JSON.parse(text)) : texts;
    expect([language, read(lines)]).toEqual([language, read(perl ?? [])]);
  }
});

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
    expect(Math.abs(sum - job.total_ms)).toBeLessThan(1);
    const told = await runToEnd(['job', 'job-languages', '--url', `http://${running.listening.http}`], {
      cwd: folder,
    });
    expect(told.code).toBe(0);
    for (const source of services) expect(told.stdout).toContain(`─ ${source}:`);
    expect(told.stdout).toContain('Total:');
  },
);
