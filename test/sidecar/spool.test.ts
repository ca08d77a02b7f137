import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import {
  closeAll,
  connectTo,
  createFolder,
  inFolder,
  line,
  linesOf,
  numbersOf,
  type RunningSidecar,
  send,
  startSender,
  startSidecar,
  TEST_MS,
  until,
} from '../processes.ts';
import { samplesOf, sumOf } from '../prometheus.ts';
import { mountDisk, onSmallDisk, resizeDisk, unmountDisks } from '../small-disk.ts';

jest.setTimeout(TEST_MS);
afterEach(unmountDisks);
afterEach(closeAll);

/** One file in a folder that is not mounted yet: until somebody makes `out`, the backend is down. */
const yaml = (lane = '', rule = '') => `
batch: { max_age: 20ms }
reload: { debounce: 20ms, poll: 500ms }
routing:
  default:
    - backend: files
${rule}
backends:
  files:
    type: filesystem
    base_path: $OUT
    path: all.jsonl
    create_base_path: false
    retry: { max: 200ms }
    breaker: { failures: 2, reset_after: 300ms }
${lane}
`;

const mount = ({ folder }: { folder: string }) => mkdirSync(join(folder, 'out'));
const linesIn = ({ folder }: { folder: string }) => linesOf(join(folder, 'out', 'all.jsonl'));
const count = (n: number) => Array.from({ length: n }, (_, i) => i);
const segmentsOf = ({ folder }: { folder: string }, backend = 'files') => {
  const dir = join(folder, 'data', 'spool', backend);
  return existsSync(dir) ? readdirSync(dir).filter((name) => name.endsWith('.segment')) : [];
};

/** What the exposition's own help promises. */
async function missingIn(sidecar: RunningSidecar): Promise<number> {
  const metrics = await sidecar.metrics();
  const of = (name: string) =>
    samplesOf(metrics, name)
      .filter(({ labels }) => labels.backend === 'files')
      .reduce((sum, { value }) => sum + value, 0);
  return (
    sumOf(metrics, 'sidecar_received_total') +
    of('sidecar_added_total') +
    of('sidecar_recovered_total') -
    of('sidecar_outcomes_total') -
    of('sidecar_in_flight')
  );
}

const received = async (sidecar: RunningSidecar) => sumOf(await sidecar.metrics(), 'sidecar_received_total');

async function sendNumbers(
  sidecar: RunningSidecar,
  from: number,
  to: number,
  source?: string,
): Promise<void> {
  let text = '';
  for (let n = from; n < to; n++) text += line(n, source);
  const before = await received(sidecar);
  await send(sidecar.port, text);
  await until(
    async () => (await received(sidecar)) === before + to - from,
    'all are received',
    sidecar.stderr,
  );
}

test('SIGTERM with 100,000 messages in memory and a dead backend: nothing is lost, and after a restart all arrive', async () => {
  const folder = createFolder();
  // What may be spilled would be on disk before the signal.
  const blocking = yaml('', '      when_full: block');
  const first = await startSidecar({ yaml: blocking, folder });
  await sendNumbers(first, 0, 100_000);
  expect(segmentsOf(first)).toEqual([]);
  expect(await first.stop()).toBe(0);
  await until(() => first.hasLogged('info', 'nothing was lost'), 'it is logged', first.stderr);
  expect(first.log().filter(({ msg }) => msg.includes('kept on disk'))).toMatchObject([
    { backend: 'files', messages: 100_000 },
  ]);
  expect(segmentsOf(first).length).toBeGreaterThan(0);

  mount({ folder });
  const second = await startSidecar({ yaml: blocking, folder });
  await until(() => linesIn(second).length >= 100_000, 'all arrive', second.stderr);
  expect(numbersOf(linesIn(second))).toEqual(count(100_000));
  expect(sumOf(await second.metrics(), 'sidecar_recovered_total', { backend: 'files' })).toBe(100_000);
  expect(await missingIn(second)).toBe(0);
  expect(await second.stop()).toBe(0);
  expect(segmentsOf(second)).toEqual([]);
});

test('a backend that is down longer than its queue lasts gets everything, in order, once it is up', async () => {
  const sidecar = await startSidecar({ yaml: yaml('    queue: { max_bytes: 64KiB }') });
  const sender = await startSender(sidecar.port, { block: 50, pauseMs: 2 });
  const wrong: number[] = [];
  await until(
    async () => {
      wrong.push(await missingIn(sidecar));
      return sumOf(await sidecar.metrics(), 'sidecar_spool_messages') > 5000;
    },
    'it spills',
    sidecar.stderr,
  );
  mount(sidecar);
  await until(
    async () => {
      wrong.push(await missingIn(sidecar));
      return linesIn(sidecar).length > 6000;
    },
    'it delivers',
    sidecar.stderr,
  );
  const sent = await sender.stop();
  await until(() => linesIn(sidecar).length >= sent, 'all arrive', sidecar.stderr);
  expect(numbersOf(linesIn(sidecar))).toEqual(count(sent));
  await until(() => segmentsOf(sidecar).length === 0, 'the spool is empty');
  expect(wrong.filter((missing) => missing !== 0)).toEqual([]);
  await until(() => sidecar.hasLogged('info', 'The spool is empty again'), 'it is logged', sidecar.stderr);
  expect(await sidecar.stop()).toBe(0);

  const { folder } = sidecar;
  const again = await startSidecar({ yaml: yaml('    queue: { max_bytes: 64KiB }'), folder });
  await sendNumbers(again, sent, sent + 1);
  await until(() => linesIn(again).length > sent, 'one more arrives', again.stderr);
  expect(await again.stop()).toBe(0);
  expect(again.hasLogged('info', 'The spool is empty again')).toBe(false);
});

onSmallDisk(
  'a file that cannot be written holds up none of its neighbours on disk, over a kill -9 too; all arrive in order',
  async () => {
    const folder = createFolder();
    const out = join(folder, 'out');
    const full = join(out, 'stuck');
    mkdirSync(full, { recursive: true });
    mountDisk(full, '16k');
    const linesOfFile = (source: string) => numbersOf(linesOf(join(out, source, 'x.jsonl')), source);
    const settings = {
      yaml: yaml('    queue: { max_bytes: 256KiB }').replace('path: all.jsonl', "path: '{source}/x.jsonl'"),
      folder,
    };
    const first = await startSidecar(settings);
    const send = (to: RunningSidecar, source: string, from: number, upTo: number) =>
      sendNumbers(to, from, upTo, source);
    await send(first, 'stuck', 0, 20_000);
    await send(first, 'fine', 0, 500);
    await send(first, 'stuck', 20_000, 21_000);
    await until(() => linesOfFile('fine').length === 500, 'the neighbour is written', first.stderr);
    await until(
      async () => sumOf(await first.metrics(), 'sidecar_spool_pending_bytes') === 0,
      'all is on disk',
    );
    first.kill('SIGKILL');
    await first.exit();
    const second = await startSidecar(settings);
    await send(second, 'fine', 500, 600);
    // Of what was delivered just before the kill some may come twice.
    const fine = () => [...new Set(linesOfFile('fine'))];
    await until(() => fine().length === 600, 'and what comes after the restart', second.stderr);
    resizeDisk(full, '64m');
    await until(() => new Set(linesOfFile('stuck')).size === 21_000, 'it is written now', second.stderr);
    expect(await second.stop()).toBe(0);
    expect(fine()).toEqual(count(600));
    const stuck = [...new Set(linesOfFile('stuck'))];
    expect(stuck).toEqual(stuck.toSorted((a, b) => a - b));
  },
);

test('a full spool is warned of while it gives up messages, and the log is not flooded', async () => {
  const sidecar = await startSidecar({
    yaml: yaml('    queue: { max_bytes: 64KiB }\n    spool: { max_bytes: 1MiB }'),
  });
  const given = async () =>
    sumOf(await sidecar.metrics(), 'sidecar_outcomes_total', { reason: 'spool_full' });
  await sendNumbers(sidecar, 0, 100_000);
  await until(async () => (await given()) > 10_000, 'the spool is full', sidecar.stderr);
  const answer = await fetch(`http://${sidecar.listening.http}/readyz`);
  const { warnings } = (await answer.json()) as { warnings: readonly string[] };
  expect(warnings).toEqual([
    expect.stringMatching(/^backend files fails: /),
    expect.stringMatching(
      /^backend files: \d\d?,\d{3} messages were given up in the last minute, as its spool is full$/,
    ),
    expect.stringMatching(/^backend files: \d+ messages wait on disk$/),
  ]);
  expect(sidecar.stderr().match(/Messages of the spool are given up/g)?.length).toBeLessThan(10);
  expect(await sidecar.stop()).toBe(0);
});

describe('durability: disk', () => {
  const durable = '    durability: disk';

  test('kill -9 loses nothing that was on disk', async () => {
    const folder = createFolder();
    for (let round = 0; round < 3; round++) {
      const sidecar = await startSidecar({ yaml: yaml(durable), folder });
      await sendNumbers(sidecar, round * 2000, round * 2000 + 2000);
      await until(
        async () => {
          const metrics = await sidecar.metrics();
          const all = sumOf(metrics, 'sidecar_in_flight', { backend: 'files' });
          const isBatched = sumOf(metrics, 'sidecar_batched_messages_total') === 2000;
          const isWritten = sumOf(metrics, 'sidecar_spool_pending_bytes') === 0;
          return all === (round + 1) * 2000 && isBatched && isWritten && (await missingIn(sidecar)) === 0;
        },
        'everything is in the lane or its spool',
        sidecar.stderr,
      );
      sidecar.kill('SIGKILL');
      expect(await sidecar.exit()).toBe('SIGKILL');
    }
    mount({ folder });
    const last = await startSidecar({ yaml: yaml(durable), folder });
    await until(() => new Set(numbersOf(linesIn(last))).size === 6000, 'all arrive', last.stderr);
    expect(numbersOf(linesIn(last))).toEqual(count(6000));
    expect(await last.stop()).toBe(0);
  });

  test('a good backend gets everything, and a stop leaves nothing on disk', async () => {
    const folder = createFolder();
    mount({ folder });
    const sidecar = await startSidecar({ yaml: yaml(durable), folder });
    await sendNumbers(sidecar, 0, 20_000);
    expect(await sidecar.stop()).toBe(0);
    expect(numbersOf(linesIn(sidecar))).toEqual(count(20_000));
    expect(segmentsOf(sidecar)).toEqual([]);
  });
});

test('an edit of a backend that is down hands its spool over: nothing lost, nothing twice', async () => {
  const small = '    queue: { max_bytes: 64KiB }';
  const sidecar = await startSidecar({ yaml: yaml(small) });
  await sendNumbers(sidecar, 0, 5000);
  await until(
    async () => sumOf(await sidecar.metrics(), 'sidecar_spool_messages') > 1000,
    'it spills',
    sidecar.stderr,
  );
  const edited = inFolder(yaml(`${small}\n    concurrency: 2`), sidecar.folder);
  writeFileSync(sidecar.path, edited);
  await until(
    () => sidecar.hasLogged('info', 'configuration applied'),
    'the edit is applied',
    sidecar.stderr,
  );
  await sendNumbers(sidecar, 5000, 6000);
  mount(sidecar);
  await until(() => linesIn(sidecar).length >= 6000, 'all arrive', sidecar.stderr);
  expect(numbersOf(linesIn(sidecar)).sort((a, b) => a - b)).toEqual(count(6000));
  expect(await missingIn(sidecar)).toBe(0);
  expect(await sidecar.stop()).toBe(0);
});

test('an edit from block to spill lets the input go on: what waited goes to disk, in order', async () => {
  const healthy = '  other: { type: filesystem, base_path: $OUT-other, path: all.jsonl }';
  const lane = `    queue: { max_bytes: 64KiB }\n${healthy}`;
  const rules = '      when_full: block\n    - backend: other';
  // Neither a probe nor the check for a backend that is stuck comes to help: what lets the input go on is the edit.
  const text = (rule: string) => yaml(lane, rule).replace('reset_after: 300ms', 'reset_after: 1h');
  const sidecar = await startSidecar({ yaml: text(rules) });
  const sent = 5000;
  const socket = await connectTo({ port: sidecar.port });
  socket.write(
    count(sent)
      .map((n) => line(n))
      .join(''),
  );
  await until(() => sidecar.hasLogged('warn', 'breaker open'), 'it is down', sidecar.stderr);
  await pause(1500);
  expect(await received(sidecar)).toBeLessThan(sent);

  writeFileSync(sidecar.path, inFolder(text(rules.replace('block', 'spill')), sidecar.folder));
  await until(async () => (await received(sidecar)) === sent, 'the input goes on', sidecar.stderr);
  const others = () => linesOf(join(sidecar.folder, 'out-other', 'all.jsonl'));
  await until(() => others().length === sent, 'the healthy backend has all', sidecar.stderr);
  expect(await missingIn(sidecar)).toBe(0);
  expect(await sidecar.stop()).toBe(0);

  mount(sidecar);
  const next = await startSidecar({ yaml: text(rules), folder: sidecar.folder });
  await until(() => linesIn(next).length >= sent, 'all arrive', next.stderr);
  expect(numbersOf(linesIn(next))).toEqual(count(sent));
  expect(await next.stop()).toBe(0);
});

/** A thousand messages on disk, and the next sidecar, whose configuration does not have their backend. */
async function unconfigured() {
  const folder = createFolder();
  const first = await startSidecar({ yaml: yaml(), folder });
  await sendNumbers(first, 0, 1000);
  expect(await first.stop()).toBe(0);
  const without = yaml().replaceAll('files:', 'others:').replace('backend: files', 'backend: others');
  return { folder, second: await startSidecar({ yaml: without, folder }) };
}

test('the spool of a backend that is not configured any more stays, is shown, and is delivered when it is back', async () => {
  const { folder, second } = await unconfigured();
  await until(
    async () => sumOf(await second.metrics(), 'sidecar_spool_messages', { backend: 'files' }) === 1000,
    'it is shown',
    second.stderr,
  );
  await until(
    () => second.hasLogged('info', 'Found messages of an earlier run'),
    'it is logged',
    second.stderr,
  );
  expect(await second.stop()).toBe(0);

  mount({ folder });
  const third = await startSidecar({ yaml: yaml(), folder });
  await until(() => linesIn(third).length >= 1000, 'all arrive', third.stderr);
  expect(numbersOf(linesIn(third))).toEqual(count(1000));
  expect(await third.stop()).toBe(0);
});

test('and when an edit brings it back, though nothing new comes for it', async () => {
  const { folder, second } = await unconfigured();
  await until(
    () => second.hasLogged('info', 'Found messages of an earlier run'),
    'it is found',
    second.stderr,
  );
  mount({ folder });
  writeFileSync(second.path, inFolder(yaml(), folder));
  await until(() => linesIn(second).length >= 1000, 'all arrive', second.stderr);
  expect(numbersOf(linesIn(second))).toEqual(count(1000));
  expect(await second.stop()).toBe(0);
});
