// The Java SDK: what Maven makes of it, its own tests and the appender's among that; and its jar with a real sidecar.
import { cpSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { afterEach, expect, jest, test } from '@jest/globals';
import { closeAll, createFolder, linesOf, ONE_FILE, ROOT, startSidecar, until, write } from '../processes.ts';
import { outputOf } from './programs.ts';

const absent = (process.env.SIDECAR_TEST_WITHOUT ?? '').split(',');
const testMaven = absent.includes('mvn') || absent.includes('javac') ? test.skip : test;

jest.setTimeout(900_000);
afterEach(closeAll);

/** Runs a program to its end; rejects with what it said unless it exits with 0. */
const runs = async (
  cwd: string,
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
) => stripVTControlCharacters(await outputOf(program, args, cwd, env));

/** How many tests a module's reports tell of, and how many of them were skipped. */
function testsOf(module: string) {
  const reports = join(module, 'target', 'surefire-reports');
  const texts = readdirSync(reports)
    .filter((name) => name.endsWith('.txt'))
    .map((name) => readFileSync(join(reports, name), 'utf8'));
  const sum = (name: string) =>
    texts.reduce((all, text) => all + Number(new RegExp(`${name}: (\\d+)`).exec(text)?.[1]), 0);
  return { run: sum('Tests run'), skipped: sum('Skipped') };
}

const PROGRAM = `
import monitoring.*;
import java.util.Map;

public class Start {
    public static void main(String[] args) {
        Client monitoring = Monitoring.init(new Options().source("db-loader"));
        monitoring.setContext("job_id", "job-12345");
        try (Span span = monitoring.span("load_data")) {
            monitoring.logEvent("info", "grüße", Map.of("file", "orders.csv", "rows", 7));
        }
    }
}
`;

testMaven('mvn package tests it, says nothing, and makes what a program can use', async () => {
  const folder = createFolder();
  cpSync(join(ROOT, 'sdks', 'java'), folder, {
    recursive: true,
    filter: (path) => !path.endsWith('/target'),
  });
  expect(await runs(folder, 'mvn', ['-B', '-q', 'package'])).toBe('');
  const [core, logback] = [join(folder, 'core'), join(folder, 'logback')];
  expect([testsOf(core).skipped, testsOf(logback).skipped]).toEqual([0, 0]);
  expect(testsOf(core).run).toBeGreaterThan(30);
  expect(testsOf(logback).run).toBeGreaterThan(5);
  const jars = (module: string) =>
    readdirSync(join(module, 'target')).filter((name) => name.endsWith('.jar'));
  expect([jars(core).sort(), jars(logback).sort()]).toEqual(
    ['monitoring-sdk', 'monitoring-logback'].map((name) => [
      `${name}-0.1.0-javadoc.jar`,
      `${name}-0.1.0-sources.jar`,
      `${name}-0.1.0.jar`,
    ]),
  );

  const jar = join(core, 'target', 'monitoring-sdk-0.1.0.jar');
  const sidecar = await startSidecar({ yaml: ONE_FILE });
  const program = write(join(sidecar.folder, 'Start.java'), PROGRAM);
  const records = () => linesOf(join(sidecar.folder, 'out', 'all.jsonl'));
  for (const protocol of ['ndjson', 'msgpack']) {
    const env = { MONITORING_PORT: String(sidecar.port), MONITORING_PROTOCOL: protocol };
    expect(await runs(folder, 'java', ['-cp', jar, '-Dfile.encoding=UTF-8', program], env)).toBe('');
  }
  await until(
    () => records().length >= 6,
    '6 records',
    () => records().join('\n'),
  );
  const events = records()
    .map((text) => JSON.parse(text))
    .filter(({ type }) => type === 'event');
  const event = { level: 'info', message: 'grüße', context: { file: 'orders.csv', rows: 7 } };
  expect(events.map(({ source, job_id, data }) => ({ source, job_id, data }))).toEqual(
    ['ndjson', 'msgpack'].map(() => ({ source: 'db-loader', job_id: 'job-12345', data: event })),
  );
});
