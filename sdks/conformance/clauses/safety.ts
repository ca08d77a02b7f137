/** It cannot crash, stall or swell the host, and tells what it dropped. */
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { Adapter } from '../adapter.ts';
import { startBlackHole } from '../fake-sidecar.ts';
import { fuzz } from '../fuzz.ts';
import { faultsOf } from '../schema.ts';
import { type Clause, demand, equal, sizeOf, statsOf, until, type World } from '../suite.ts';
import { SPECIAL, type Value } from '../values.ts';

const repeat = <T>(count: number, one: T): T[] => Array.from({ length: count }, () => one);

/** A line of /proc/PID/status. */
function statusOf({ pid }: Adapter, name: string): string {
  const [, value = ''] =
    new RegExp(`^${name}:\\s*(\\S+)`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return value;
}

/** Bursts in all states of the network; the slowest calls of each, in µs. */
async function slowest(world: World, count: number): Promise<Record<string, { p999: number; max: number }>> {
  const times: Record<string, { p999: number; max: number }> = {};
  const measure = async (
    name: string,
    port: number,
    meanwhile: () => Promise<void> = async () => {},
    options: Readonly<Record<string, Value>> = {},
  ) => {
    const adapter = await world.client({ port }, { quiet: true, source: name, ...options });
    const [{ p999, max }] = await Promise.all([adapter.call('burst', count), meanwhile()]);
    times[name] = { p999: Number(p999), max: Number(max) };
    adapter.kill();
  };
  for (const reading of ['all', 'none', 'slow'] as const)
    await measure(`reading ${reading}`, (await world.fake({ reading })).port);
  await measure('refused', (await world.fake({ isAbsent: true })).port);
  const hole = await startBlackHole();
  world.later(hole.close);
  await measure('black hole', hole.port);
  const dying = await world.fake({ reading: 'slow' });
  await measure('killed', dying.port, async () => {
    await pause(20);
    await dying.stop('reset');
  });
  for (const protocol of ['ndjson', 'msgpack']) {
    const talking = await world.fake({ talks: 'abcdefg\n' });
    await measure(`talking to ${protocol}`, talking.port, undefined, { ack: 'disk', protocol });
  }
  return times;
}

/** What others say who took the sidecar's port, some in words of its own. */
const NONSENSE = [
  'SSH-2.0-OpenSSH_9.2\r\n',
  `${'['.repeat(60_000)}\n`,
  'null\n',
  '{"type":{},"data":null}\n',
  '{"type":"welcome","data":[]}\n',
  '{"type":"welcome","data":{"window":null,"window_bytes":"x","last_seq":-5}}\n',
  '{"type":"ack","data":{"seq":"x"}}\n',
  '{"type":"ack","data":{"seq":99999999999999999999999}}\n',
];

export const SAFETY: readonly Clause[] = [
  {
    id: 'C1',
    title: 'what a call sent arrives, though the process is killed in the next instant',
    async run({ fake, client, isFull }) {
      const sidecar = await fake();
      const times = isFull ? 100 : 3;
      for (let nth = 1; nth <= times; nth++) {
        const adapter = await client(sidecar);
        adapter.call('die', `last words ${nth}`, 'kill').catch(() => {});
        demand((await adapter.exited) === 'SIGKILL', `it ended otherwise: ${adapter.stderr()}`);
        await until(
          () => sidecar.records().length >= nth,
          () => `${sidecar.records().length} of ${nth} arrived`,
          2000,
        );
      }
      return `${times} of ${times}`;
    },
  },
  {
    id: 'C2',
    title: 'no call fails, whatever it is given',
    async run({ fake, client, isFull }) {
      const count = isFull ? 10_000 : 400;
      const sidecar = await fake();
      const adapter = await client(sidecar, { quiet: true });
      const absent = await client(await fake({ isAbsent: true }), { quiet: true });
      await Promise.all([adapter.calls(fuzz(1, count)), absent.calls(fuzz(2, Math.min(count, 1000)))]);
      await adapter.call('set_context', 'job_id', null);
      await adapter.call('event', 'info', 'it lives');
      await until(
        () => sidecar.lines().some((line) => line.includes('it lives')),
        'nothing arrives after the fuzz',
      );
      equal(sidecar.torn(), [], 'torn frames');
      for (const record of sidecar.records()) {
        const faults = faultsOf(record);
        demand(faults === '', `breaks the schema: ${faults} in ${JSON.stringify(record).slice(0, 300)}`);
      }
      await statsOf(adapter);
      await statsOf(absent);
      for (const [nth, nonsense] of NONSENSE.entries()) {
        const other = await client(await fake({ says: nonsense }), { ack: 'disk', source: `other-${nth}` });
        await other.calls(repeat(5, ['event', 'info', 'to whom it may concern']));
        await other.call('flush', 0.1);
        const { encode } = await statsOf(other);
        equal(encode, 0, `dropped by what ${JSON.stringify(nonsense.slice(0, 70))} says`);
        other.kill();
      }
      return `${count} calls`;
    },
  },
  {
    id: 'C3',
    title: 'no call waits, whatever the network does',
    async run(world) {
      const count = sizeOf(world, { fast: 2000, r: 300, full: 20_000, fullR: 3000 });
      const [p999Ms, maxMs] = [world.most(5, 1500), world.most(50, 1500)];
      const times = await slowest(world, count);
      for (const [state, { p999, max }] of Object.entries(times)) {
        demand(
          p999 <= p999Ms * 1000 && max <= maxMs * 1000,
          `${state}: p99.9 ${p999.toFixed()} µs, max ${max.toFixed()} µs`,
        );
      }
      const worst = (pick: (of: { p999: number; max: number }) => number) =>
        Math.max(...Object.values(times).map(pick));
      return `worst p99.9 ${worst(({ p999 }) => p999).toFixed()} µs, worst ${worst(({ max }) => max).toFixed()} µs, of ${count} calls in each of ${Object.keys(times).length} states`;
    },
  },
  {
    id: 'C4',
    title: 'memory is bounded while there is no sidecar',
    async run(world) {
      const { fake, client } = world;
      const chunk = world.language === 'r' ? 1000 : 10_000;
      const count = sizeOf(world, { fast: 40_000, r: 2000, full: 1_000_000, fullR: 100_000 });
      const adapter = await client(await fake({ isAbsent: true }), { quiet: true });
      const warm = world.language === 'r' ? 8 : 3;
      for (let nth = 0; nth < warm; nth++) await adapter.call('burst', chunk);
      const before = Number(statusOf(adapter, 'VmRSS'));
      for (let sent = 0; sent < count; sent += chunk) await adapter.call('burst', chunk);
      const grownKib = Number(statusOf(adapter, 'VmRSS')) - before;
      const { queued_bytes: queuedBytes = 0 } = await statsOf(adapter);
      demand(queuedBytes <= 2 ** 20, `the backlog holds ${queuedBytes} bytes`);
      demand(grownKib <= world.most(8192, 8192), `${grownKib} KiB more after ${count} records`);
      return `${grownKib} KiB more after ${count} records`;
    },
  },
  {
    id: 'C5',
    title: 'at 80 % of the backlog only important records are taken, at 100 % none',
    async run({ fake, client }) {
      const limit = 100_000;
      const adapter = await client(await fake({ isAbsent: true }), { buffer_bytes: limit, quiet: true });
      // Long ones first, and then the shortest that there are, so that nothing longer fits in.
      const fill = async (level: string) => {
        for (const message of ['x'.repeat(200), '']) {
          for (let nth = 0; (await adapter.call('event', level, message)).kept === '1'; nth++) {
            demand(nth < 3000, `${level} never ran out of room`);
          }
        }
        return (await statsOf(adapter)).queued_bytes ?? 0;
      };
      const { id: span = '' } = await adapter.call('start', 'early');
      const ordinary = await fill('info');
      demand(
        ordinary > 0.8 * limit - 300 && ordinary <= 0.8 * limit,
        `ordinary records fill ${ordinary} of ${limit} bytes`,
      );
      const kept = async (...command: readonly [Parameters<Adapter['call']>[0], ...Value[]]) =>
        (await adapter.call(...command)).kept;
      equal(await kept('progress', 'job', 50, 'running'), '0', 'progress at 80 %');
      equal(await kept('progress', 'job', 100, 'completed'), '1', 'final progress at 80 %');
      equal(await kept('end', span, 'success'), '1', 'the end of a span at 80 %');
      const important = await fill('warn');
      demand(
        important > limit - 300 && important <= limit,
        `important records fill ${important} of ${limit} bytes`,
      );
      equal(await kept('event', 'fatal', 'x'.repeat(200)), '0', 'at 100 %');
    },
  },
  {
    id: 'C6',
    title: 'every record is accounted for, and losses are told once',
    async run({ fake, client }) {
      const sidecar = await fake({ isAbsent: true });
      const adapter = await client(sidecar, { buffer_bytes: 20_000 });
      await adapter.calls(repeat(200, ['event', 'info', 'x'.repeat(200)]));
      await adapter.call('metric', 'bad', Number.NaN);
      const lost = await statsOf(adapter);
      demand((lost.full ?? 0) > 50 && lost.encode === 1, `dropped ${lost.full} and ${lost.encode}`);
      equal(adapter.stderr().trim().split('\n').length, 1, `lines on stderr: ${adapter.stderr()}`);
      await sidecar.start();
      const told = () => sidecar.records().filter(({ type }) => type === 'sdk');
      const endMs = Date.now() + 20_000;
      while (told().length === 0 && Date.now() < endMs) {
        await adapter.call('event', 'info', 'again');
        await adapter.call('sleep', 0.1);
      }
      await adapter.call('flush', 5);
      const stats = await statsOf(adapter);
      equal(told().length, 1, 'records of type sdk');
      equal(told()[0].data.dropped.full, stats.full, 'the loss that is told');
      equal(faultsOf(told()[0]), '', 'schema of the sdk record');
      await until(() => sidecar.records().length >= (stats.sent ?? 0), 'what was sent did not arrive');
      equal(sidecar.records().length, stats.sent, 'records that arrived');
      equal(adapter.stderr().trim().split('\n').length, 2, `lines on stderr: ${adapter.stderr()}`);
    },
  },
  {
    id: 'C7',
    title:
      'an argument that logs while it is read, and a bridge from the host’s logging, do not run in circles',
    async run({ fake, client, language }) {
      const sidecar = await fake();
      const adapter = await client(sidecar, language === 'c' ? { before_send: 'edit' } : {});
      await adapter.call('event', 'info', 'outer', { field: SPECIAL.logging });
      await until(() => sidecar.records().length >= 1, 'the outer record did not arrive');
      const { encode } = await statsOf(adapter);
      equal([sidecar.records().length, encode], [1, 1], 'records, and the inner one counted');
      if (language === 'perl') return;
      const bridged = await client(await fake({ isAbsent: true }), { buffer_bytes: 500, quiet: true });
      for (let nth = 0; nth < 10; nth++) await bridged.call('bridge', 'from the logging framework');
      const stats = await statsOf(bridged);
      demand((stats.accepted ?? 0) >= 10, `the bridge passed on ${stats.accepted}`);
      demand((stats.accepted ?? 0) <= 55, `the bridge multiplied ten lines to ${stats.accepted}`);
    },
  },
  {
    id: 'C8',
    title: 'signals, locale, random numbers, environment, folder stay the host’s',
    async run({ start, fake, language, tool }) {
      const sidecar = await fake();
      const adapter = start();
      // Valgrind itself blocks signals, now and then.
      const masks = ['SigIgn', 'SigCgt', ...(tool === 'valgrind' ? [] : ['SigBlk'])];
      // Without those from 32 on, which libraries of threads keep to themselves.
      const signals = () =>
        masks.map((name) => BigInt(`0x${statusOf(adapter, name)}`) & 0x7fffffffn).map(String);
      await adapter.call('seed', 7);
      const { value: wanted } = await adapter.call('random');
      await adapter.call('seed', 7);
      const [state, mask] = [(await adapter.call('state')).state, signals()];
      await adapter.call('init', {
        source: 'conformance',
        host: '127.0.0.1',
        port: sidecar.port,
        ack: 'memory',
      });
      if (language === 'typescript') await adapter.call('ready');
      const { id: span = '' } = await adapter.call('start', 'a span');
      await adapter.call('event', 'info', 'an event', { n: 1 });
      await adapter.call('end', span, 'success');
      await sidecar.stop('reset');
      await adapter.calls(repeat(20, ['event', 'info', 'into a dead connection']));
      await adapter.call('flush', 0.1);
      equal(signals(), mask, 'signals ignored, caught and blocked');
      equal((await adapter.call('state')).state, state, 'the state of the process');
      await adapter.call('close');
      equal(signals(), mask, 'signals after close');
      equal((await adapter.call('state')).state, state, 'the state of the process after close');
      equal((await adapter.call('random')).value, wanted, 'the next random number');
    },
  },
];
