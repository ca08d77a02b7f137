/** Forks, threads, tasks, descriptors. */
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type Clause, demand, equal, sizeOf, statsOf, until } from '../suite.ts';

const NO_FORK = { java: 'Java has no fork', typescript: 'Node.js has no fork' };

/** Sockets of a process beyond its standard streams, as `socket:[inode]`. */
export function socketsOf(pid: number): string[] {
  const found = readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [{ fd: Number(fd), to: readlinkSync(`/proc/${pid}/fd/${fd}`) }];
    } catch {
      return []; // closed meanwhile
    }
  });
  const standard = found.flatMap(({ fd, to }) => (fd <= 2 ? [to] : []));
  return found.flatMap(({ fd, to }) =>
    fd > 2 && to.startsWith('socket:') && !standard.includes(to) ? [to] : [],
  );
}

export const PROCESS: readonly Clause[] = [
  {
    id: 'C17',
    title: 'a forked child has a connection of its own, the context, and nothing of the backlog',
    exempt: NO_FORK,
    async run(world) {
      const { fake, client } = world;
      const sidecar = await fake();
      const adapter = await client(sidecar);
      const children = world.isFull ? 8 : 4;
      const each = sizeOf(world, { fast: 200, r: 30, full: 1000, fullR: 300 });
      await adapter.call('set_context', 'region', 'eu');
      const { id: span } = await adapter.call('start', 'parent');
      equal((await adapter.call('fork', children, each, 'event')).failed, '0', 'children that failed');
      await adapter.call('event', 'info', 'after', { n: 0 });
      const events = () => sidecar.records().filter(({ type }) => type === 'event');
      const count = (children + 1) * each + 1;
      await until(
        () => events().length >= count,
        () => `${events().length} of ${count} arrived`,
      );
      const names = events().map(({ data }) => `${data.message} ${data.context.n}`);
      equal([names.length, new Set(names).size, sidecar.torn()], [count, count, []], 'records');
      equal(
        new Set(events().map(({ data, span_id }) => `${data.context.region} ${span_id}`)).size,
        1,
        'contexts and spans',
      );
      equal(events()[0].span_id, span, 'the span');
      const sizes = sidecar.connections.map(({ bytes }) => bytes().length);
      equal(
        sizes.filter((size) => size > 0).length,
        children + 1,
        `connections with records (${sizes} bytes)`,
      );

      const absent = await fake({ isAbsent: true });
      const parent = await client(absent, { quiet: true });
      for (let n = 0; n < 5; n++) await parent.call('event', 'info', 'of the parent', { n });
      await absent.start();
      await parent.call('fork', 2, 0, 'event');
      await parent.call('fork', 2, 0, 'idle');
      for (let nth = 0; nth < 20 && (await parent.call('flush', 0.5)).done !== '1'; nth++) {}
      await until(() => absent.records().length >= 5, 'the parent’s backlog did not arrive');
      await pause(50);
      equal(
        absent.records().map(({ data }) => data.context.n),
        [0, 1, 2, 3, 4],
        'the parent’s backlog, once',
      );
      return `${children} children of ${each} records`;
    },
  },
  {
    id: 'C18',
    title: 'a fork that logs nothing does nothing',
    exempt: NO_FORK,
    async run({ fake, client }) {
      const sidecar = await fake();
      const adapter = await client(sidecar);
      await adapter.call('event', 'info', 'before');
      await adapter.call('start', 'open');
      equal((await adapter.call('fork', 4, 0, 'idle')).failed, '0', 'children that failed');
      await adapter.call('event', 'info', 'after');
      await until(() => sidecar.records().length >= 3, 'the parent’s connection is dead');
      equal(
        [sidecar.connections.length, sidecar.records().length, adapter.stderr()],
        [1, 3, ''],
        'connections, records, stderr',
      );
      equal((await statsOf(adapter)).connects, 1, 'connections of the parent');
    },
  },
  {
    id: 'C19',
    title: 'programs that are started do not inherit the connection',
    async run({ fake, client, later }) {
      const sidecar = await fake();
      const adapter = await client(sidecar);
      await adapter.call('event', 'info', 'connected');
      await until(() => sidecar.records().length === 1, 'nothing arrived');
      const sockets = socketsOf(adapter.pid);
      demand(sockets.length > 0, 'no socket is found');
      const folder = mkdtempSync(join(tmpdir(), 'conformance-exec-'));
      later(() => rmSync(folder, { recursive: true, force: true }));
      await adapter.call('run_child', 'sh', '-c', `ls -l /proc/$$/fd > '${folder}/open'`);
      const open = readFileSync(join(folder, 'open'), 'utf8');
      equal(
        sockets.filter((socket) => open.includes(socket)),
        [],
        'sockets that the child has, too',
      );
    },
  },
  {
    id: 'C20',
    title: 'threads share a client without tearing frames',
    exempt: {
      perl: 'the contract asks it of Python, Java and C',
      r: 'R has no threads',
      typescript: 'Node.js runs one thread',
    },
    async run({ fake, client, isFull }) {
      const sidecar = await fake();
      const adapter = await client(sidecar, { buffer_bytes: 2 ** 26 });
      const [threads, each] = isFull ? [8, 10_000] : [8, 400];
      await adapter.call('threads', threads, each);
      await adapter.call('flush', 10);
      const count = threads * each;
      await until(
        () => sidecar.lines().length >= count,
        () => `${sidecar.lines().length} of ${count} arrived`,
        60_000,
      );
      equal(sidecar.torn(), [], 'torn frames');
      const next = new Map<string, number>();
      for (const { data } of sidecar.records()) {
        equal(data.context.n, next.get(data.message) ?? 0, `the order of ${data.message}`);
        next.set(data.message, data.context.n + 1);
      }
      equal((await statsOf(adapter)).sent, count, 'sent');
      return `${threads} threads of ${each} records`;
    },
  },
  {
    id: 'C21',
    title: 'a thread’s or task’s span is not seen by its siblings',
    exempt: { perl: 'its context is lexical: one stack a process', r: 'R has no threads and no tasks' },
    async run({ fake, client, language }) {
      const sidecar = await fake();
      const adapter = await client(sidecar);
      await adapter.call('siblings');
      const names = language === 'typescript' ? 2 : 4;
      await until(
        () => sidecar.records().length >= names * 5,
        () => `${sidecar.records().length} of ${names * 5} arrived`,
      );
      const starts = new Map(
        sidecar
          .records()
          .flatMap(({ data, span_id }) => (data.phase === 'start' ? [[data.name, span_id]] : [])),
      );
      for (const { type, data, span_id } of sidecar.records()) {
        if (type === 'event')
          equal(span_id, starts.get(data.message), `the span of an event of ${data.message}`);
        demand(data.parent_span_id === undefined, `${data.name} is a child of a sibling`);
      }
    },
  },
];
