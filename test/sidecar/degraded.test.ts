// Every backend down at once: the sidecar takes what comes, says how it is, and heals by itself.
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { BRIEF, startWorld, type World } from '../brief.ts';
import { type FaultProxy, startFaultProxy } from '../fault-proxy.ts';
import { describeWithMoto } from '../moto.ts';
import {
  closeAll,
  connectTo,
  createFolder,
  line,
  linesBelow,
  numbersOf,
  ONE_FILE,
  type RunningSidecar,
  send,
  startSidecar,
  TEST_MS,
  until,
  write,
} from '../processes.ts';
import { sumOf } from '../prometheus.ts';

jest.setTimeout(TEST_MS);
afterEach(closeAll);

const MESSAGES = 20_000;
const DOWN = { resetAfter: 0 };

/** The brief's text; every source goes to the database, to S3 and to CloudWatch. */
const EVERYWHERE = BRIEF.replace(
  '  default:\n',
  `  loader:
    - backend: timescaledb
    - backend: s3
      config: { bucket: monitoring-logs, prefix: loader/ }
    - backend: cloudwatch
      config: { log_group: /app/monitoring }
  default:
`,
);

const BACKENDS = ['timescaledb', 's3', 'cloudwatch'];

describeWithMoto('every backend down', () => {
  let world: World;
  let proxies: readonly FaultProxy[];
  beforeAll(async () => {
    world = await startWorld();
    proxies = await Promise.all(
      [world.server, world.moto, world.moto].map(({ port }) => startFaultProxy({ host: '127.0.0.1', port })),
    );
  }, TEST_MS);
  afterAll(async () => {
    await Promise.all((proxies ?? []).map((proxy) => proxy.close()));
    await world?.close();
  });

  test('takes data, spills, says so on /readyz, in metrics and in a line of the log, and heals by itself', async () => {
    const places = await world.fresh();
    const [database, store, logs] = proxies as [FaultProxy, FaultProxy, FaultProxy];
    const postgres = places.postgres.replace(/:\d+\//, `:${database.port}/`);
    for (const proxy of proxies) proxy.set(DOWN);
    const sidecar = await world.start({ postgres, s3: store.endpoint, logs: logs.endpoint }, EVERYWHERE, [
      ...BACKENDS.flatMap((name) => [
        `backends.${name}.queue.max_bytes=1MiB`,
        `backends.${name}.breaker={ failures: 2, reset_after: 300ms }`,
        `backends.${name}.retry={ max: 300ms }`,
      ]),
      'backends.s3.batch.max_age=200ms',
    ]);
    // The file's backend, which no rule of this source names, is not down.
    const now = { timestamp: new Date().toISOString() };
    const numbers = Array.from({ length: MESSAGES }, (_, n) => n);
    for (let from = 0; from < MESSAGES; from += 1000) {
      await send(
        sidecar.port,
        numbers
          .slice(from, from + 1000)
          .map((n) => line(n, 'loader', now))
          .join(''),
      );
    }

    const warnings = async () => (await sidecar.get('/readyz')).warnings as string[];
    const says = (backend: string, text: string) => (all: string[]) =>
      all.some((one) => one.includes(`backend ${backend}`) && one.includes(text));
    for (const backend of BACKENDS) {
      await until(
        async () => says(backend, 'fails: ')(await warnings()),
        `/readyz says that ${backend} fails`,
        sidecar.stderr,
      );
      await until(
        async () => says(backend, 'messages wait on disk')(await warnings()),
        `${backend} spills`,
        sidecar.stderr,
      );
      const metrics = await sidecar.metrics();
      expect(sumOf(metrics, 'sidecar_breaker_state', { backend })).toBeGreaterThan(0);
      expect(sumOf(metrics, 'sidecar_spool_messages', { backend })).toBeGreaterThan(1000);
      expect(sumOf(metrics, 'sidecar_outcomes_total', { backend, outcome: 'delivered' })).toBe(0);
      const lines = sidecar.log().filter((one) => one.backend === backend && one.level === 'warn');
      expect(lines.map(({ msg }) => msg).sort()).toEqual([
        'Backend fails: breaker open',
        'The queue is full: what comes for this backend goes to disk',
      ]);
    }
    expect(sumOf(await sidecar.metrics(), 'sidecar_received_total')).toBe(MESSAGES);

    for (const proxy of proxies) proxy.set({});
    const delivered = async (backend: string) =>
      sumOf(await sidecar.metrics(), 'sidecar_outcomes_total', { backend, outcome: 'delivered' });
    for (const backend of BACKENDS) {
      await until(async () => (await delivered(backend)) === MESSAGES, `${backend} heals`, sidecar.stderr);
    }
    await until(async () => (await warnings()).length === 0, '/readyz is content', warnings);
    expect((await sidecar.get('/readyz')).ready).toBe(true);
    expect(await sidecar.stop()).toBe(0);

    const valuesOf = (records: readonly { value?: number; data?: { value: number } }[]) =>
      [...new Set(records.map(({ value, data }) => value ?? data?.value))].sort((a, b) => a! - b!);
    expect(valuesOf(await world.rows())).toEqual(numbers);
    expect(valuesOf(await world.objects())).toEqual(numbers);
    expect(valuesOf(await world.stream('loader'))).toEqual(numbers);
  });
});

test('with the only backend down /readyz is 503, and a stop keeps what it took on disk', async () => {
  const proxy = await startFaultProxy({ host: '127.0.0.1', port: 9 });
  const sidecar = await startSidecar({
    yaml: `
batch: { max_age: 20ms }
routing: { default: [{ backend: db }] }
backends:
  db:
    type: postgres
    connection_string: postgresql://user@127.0.0.1:${proxy.port}/none
    breaker: { failures: 1, reset_after: 300ms }
`,
  });
  await send(sidecar.port, line(1));
  const status = async () => (await fetch(`http://${sidecar.listening.http}/readyz`)).status;
  await until(async () => (await status()) === 503, 'it is not ready', sidecar.stderr);
  expect((await sidecar.get('/readyz')).reasons).toEqual(['no backend answers']);
  await proxy.close();
  expect(await sidecar.stop()).toBe(0);
});

/** A rule for source `stall` that stands still, as a process does that is stopped within its work. */
function stalling(folder: string, ms: number): string {
  const wait = `Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ${ms})`;
  const operator = `import { tap } from 'rxjs';\nexport default () => tap(() => ${wait});\n`;
  write(join(folder, 'pipelines', 'stall.ts'), operator);
  const rule = '  stall:\n    - backend: files\n      operators: [stall]\n';
  // Each message is sent where it is read, so that the stall is there, too.
  return ONE_FILE.replace('routing:\n', `routing:\n${rule}`).replace('max_age: 20ms', 'max_count: 1');
}

describe('standing still', () => {
  let sidecar: RunningSidecar;
  const start = async (ms: number, more: string) => {
    const folder = createFolder();
    sidecar = await startSidecar({ folder, yaml: stalling(folder, ms) + more });
  };
  const numbers = () => numbersOf(linesBelow(join(sidecar.folder, 'out')));
  const delivered = (count: number, what: string) =>
    until(() => numbers().length === count, what, sidecar.stderr);

  test('for longer than a frame may take disconnects nobody who sent the rest meanwhile', async () => {
    await start(6000, 'limits: { frame_timeout: 5s }\n');
    const client = await connectTo({ port: sidecar.port });
    const second = line(1);
    client.write(line(0) + second.slice(0, 50));
    await delivered(1, 'the first line is delivered');
    const stalled = send(sidecar.port, line(0, 'stall'));
    await pause(1000);
    client.write(second.slice(50) + line(2));
    await stalled;
    await delivered(3, 'what was sent meanwhile is delivered');
    client.end(line(3));
    await delivered(4, 'the client is connected still');
    expect(numbers()).toEqual([0, 1, 2, 3]);
    expect(await sidecar.stop()).toBe(0);
  });

  test('while it stops cuts off nobody who sent something meanwhile', async () => {
    await start(3000, '');
    const [client, other] = [
      await connectTo({ port: sidecar.port }),
      await connectTo({ port: sidecar.port }),
    ];
    client.write(line(0));
    await delivered(1, 'the first line is delivered');
    const stopped = sidecar.stop();
    await once(client, 'end');
    other.end(line(0, 'stall'));
    await pause(1000);
    client.end(line(1));
    expect(await stopped).toBe(0);
    expect(numbers()).toEqual([0, 1]);
  });
});
