// Calls on files that never come back, as those of an NFS server that is gone: each keeps a thread of the process.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, jest } from '@jest/globals';
import { hangingMount, whereMountsHang } from '../hanging-mount.ts';
import {
  closeAll,
  createFolder,
  line,
  ONE_FILE,
  type RunningSidecar,
  send,
  startSidecar,
  TEST_MS,
  until,
  write,
} from '../processes.ts';
import { control, openTalker, record } from '../session-client.ts';

jest.setTimeout(TEST_MS);
afterEach(closeAll);

const MOUNTED = ['m1', 'm2', 'm3', 'm4'];

/** One backend here, and four on a mount. */
const yaml = (here = 'here') => `
batch: { max_age: 20ms }
reload: { debounce: 20ms, poll: 500ms }
shutdown: { deadline: 4s }
routing:
  default: [{ backend: ${here} }, ${MOUNTED.map((name) => `{ backend: ${name} }`)}]
backends:
  ${here}: { type: filesystem, base_path: $OUT/here }
${MOUNTED.map((name) => `  ${name}: { type: filesystem, base_path: $OUT/mounted/${name}, breaker: { reset_after: 100ms } }\n`).join('')}`;

const numbersIn = (path: string): number[] =>
  existsSync(path)
    ? readFileSync(path, 'utf8')
        .split('\n')
        .slice(0, -1)
        .map((text) => JSON.parse(text).data.value)
    : [];

const fileOf = ({ folder }: Pick<RunningSidecar, 'folder'>, place: string, source: string) =>
  join(folder, 'out', place, `${source}.jsonl`);

const SOURCES = ['a', 'b', 'c'];

/** Sends `value` from each source and waits until all of `places` have it. */
async function sendTo(sidecar: RunningSidecar, value: number, places: readonly string[]): Promise<void> {
  await send(sidecar.port, ...SOURCES.map((source) => line(value, source)));
  await until(
    () =>
      places.every((place) =>
        SOURCES.every((source) => numbersIn(fileOf(sidecar, place, source)).includes(value)),
      ),
    `${value} is in ${places}`,
    sidecar.stderr,
  );
}

const mounted = MOUNTED.map((name) => `mounted/${name}`);

whereMountsHang('a mount that hangs with several backends on it holds up no other, and no edit', async () => {
  const folder = createFolder();
  const mount = hangingMount(folder, join(folder, 'out', 'mounted'));
  const sidecar = await startSidecar({ yaml: yaml(), folder, env: mount.env });
  await sendTo(sidecar, 0, ['here', ...mounted]);
  mount.hang();
  await sendTo(sidecar, 1, ['here']);
  await sendTo(sidecar, 2, ['here']);
  write(
    sidecar.path,
    yaml('moved').replaceAll('$OUT/here', '$OUT/moved').replaceAll('$OUT', join(folder, 'out')),
  );
  await until(
    () => sidecar.hasLogged('info', 'configuration applied'),
    'the edit is in force',
    sidecar.stderr,
  );
  await sendTo(sidecar, 3, ['moved']);
  mount.heal();
  await sendTo(sidecar, 4, ['moved', ...mounted]);
  for (const place of mounted) {
    for (const source of SOURCES) expect(numbersIn(fileOf(sidecar, place, source))).toEqual([0, 1, 2, 3, 4]);
  }
  expect(await sidecar.stop()).toBe(0);
});

whereMountsHang('a stop while a mount hangs ends in time, by a signal; the next run delivers', async () => {
  const folder = createFolder();
  const mount = hangingMount(folder, join(folder, 'out', 'mounted'));
  const first = await startSidecar({ yaml: yaml(), folder, env: mount.env });
  await sendTo(first, 0, ['here', ...mounted]);
  mount.hang();
  await sendTo(first, 1, ['here']);
  expect(await first.stop()).toBe('SIGTERM');
  expect(first.hasLogged('info', 'nothing was lost')).toBe(true);
  expect(first.stderr()).toContain('ended by SIGTERM instead of code 0');
  mount.heal();
  const second = await startSidecar({ yaml: yaml(), folder, env: mount.env });
  await sendTo(second, 2, ['here', ...mounted]);
  for (const place of mounted) {
    for (const source of SOURCES) expect(numbersIn(fileOf(second, place, source))).toEqual([0, 1, 2]);
  }
  expect(await second.stop()).toBe(0);
});

whereMountsHang(
  'a configuration on a mount that hangs takes few threads, however often it is polled',
  async () => {
    const folder = createFolder();
    const mount = hangingMount(folder, join(folder, 'rules'));
    const path = write(
      join(folder, 'rules', 'sidecar.yaml'),
      ONE_FILE.replace('poll: 500ms', 'poll: 100ms').replace('$OUT', join(folder, 'out')),
    );
    const sidecar = await startSidecar({
      yaml: '',
      folder,
      args: ['--config', path],
      env: { ...mount.env, UV_THREADPOOL_SIZE: '4' },
    });
    const received = async (value: number) => {
      await send(sidecar.port, line(value));
      await until(() => numbersIn(join(folder, 'out', 'all.jsonl')).includes(value), `${value} is there`);
    };
    await received(0);
    mount.hang();
    // More polls than there are threads.
    const endMs = Date.now() + 2_000;
    for (let value = 1; Date.now() < endMs; value++) await received(value);
    mount.heal();
    write(path, readFileSync(path, 'utf8').replace('max_age: 20ms', 'max_age: 10ms'));
    await until(
      () => sidecar.hasLogged('info', 'configuration applied'),
      'the edit is in force',
      sidecar.stderr,
    );
    expect(await sidecar.stop()).toBe(0);
  },
);

whereMountsHang.each([
  ['ESTALE', 'ESTALE: stale file handle'],
  ['EDQUOT', 'EDQUOT: disk quota exceeded'],
] as const)('what only such mounts answer is told by its name: %s', async (code, text) => {
  const folder = createFolder();
  const mount = hangingMount(folder, join(folder, 'out'));
  const yaml = ONE_FILE.replace('path: all.jsonl', 'path: all.jsonl, breaker: { failures: 1 }');
  const sidecar = await startSidecar({ yaml, folder, env: mount.env });
  const received = () => numbersIn(join(folder, 'out', 'all.jsonl'));
  await send(sidecar.port, line(0));
  await until(() => received().length === 1, 'the first is there');
  mount.fail(code);
  await send(sidecar.port, line(1));
  await until(() => sidecar.hasLogged('warn', 'breaker open'), 'the backend fails', sidecar.stderr);
  expect(sidecar.stderr()).toContain(`Error: ${text}, stat`);
  const { warnings } = await sidecar.get('/readyz');
  expect(warnings).toEqual([expect.stringContaining(text)]);
  mount.heal();
  expect(await sidecar.stop()).toBe(0);
  expect(received()).toEqual([0, 1]);
});

whereMountsHang('a stop does not wait for the marks of sessions on a disk that hangs', async () => {
  const folder = createFolder();
  const mount = hangingMount(folder, join(folder, 'data', 'sessions'));
  const yaml = ONE_FILE.replace('deadline: 60s', 'deadline: 2s');
  const sidecar = await startSidecar({ yaml, folder, env: mount.env });
  const client = await openTalker(sidecar.port);
  client.write(control('hello', { v: 1, session: 'a'.repeat(32), ack: 'memory' }));
  client.write(record(1));
  await until(() => client.last('ack')?.seq === 1, 'the record is acknowledged');
  mount.hang();
  expect(await sidecar.stop()).toBe('SIGTERM');
  expect(sidecar.hasLogged('info', 'nothing was lost')).toBe(true);
});
