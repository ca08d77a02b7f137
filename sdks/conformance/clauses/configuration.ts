/** Options, being off, resource sampling, cost, dependencies. */
import { readFileSync } from 'node:fs';
import type { Adapter } from '../adapter.ts';
import { bareSendUs } from '../bare-send.ts';
import { COST_US, type Language } from '../languages.ts';
import { type Clause, demand, equal, sizeOf, until, type World } from '../suite.ts';
import { socketsOf } from './process.ts';

const file = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

/** What of its manifest says that it needs nothing, and from which version on. */
const NEEDS: Readonly<Record<Language, () => boolean>> = {
  perl: () =>
    /MIN_PERL_VERSION\W+5\.0?16/.test(file('perl/Makefile.PL')) &&
    !/\b(JSON::XS|Moose|Moo|LWP|Try::Tiny)\b/.test(file('perl/Makefile.PL')),
  python: () =>
    /requires-python = ">=3\.9"/.test(file('python/pyproject.toml')) &&
    !/^dependencies = \[.+\]/m.test(file('python/pyproject.toml')),
  c: () =>
    !/#include <(?!monitoring)[a-z]+\/(?!(time|types|socket|uio|resource|wait|tcp|in)\.h)/.test(
      file('c/include/monitoring.h').replace(/netinet\//g, 'sys/'),
    ),
  r: () =>
    /R \(>= 4\.0/.test(file('r/DESCRIPTION')) &&
    !/^(Imports|LinkingTo):(?!\s*(utils|stats|parallel|tools|,|\s)+$)/m.test(file('r/DESCRIPTION')),
  java: () =>
    /<(maven\.compiler\.)?release>11</.test(file('java/pom.xml')) &&
    !/<scope>(compile|runtime)<|<dependency>(?![\s\S]*?<scope>test|[\s\S]*?<optional>true)/.test(
      file('java/pom.xml'),
    ),
  typescript: () => {
    const { engines, dependencies } = JSON.parse(file('typescript/package.json'));
    return engines.node === '>=18' && dependencies === undefined;
  },
};

/** What of the contract's figures is the kernel's: a send that wakes nobody up. */
const SEND_US = 1.6;

/** What an event costs at the median, and whether that is more than the contract allows on this machine. */
async function costOfEvent(world: World): Promise<{ cost: string; isOver: boolean }> {
  const { fake, client, language } = world;
  const sidecar = await fake();
  const adapter = await client(sidecar);
  const count = sizeOf(world, { fast: 2000, r: 500, full: 20_000, fullR: 3000 });
  await adapter.call('burst', count);
  const { p50 = '' } = await adapter.call('burst', count);
  // Into a full backlog nothing is written: what is left is the record itself.
  const nowhere = await client(await fake({ isAbsent: true }), { buffer_bytes: 1000, quiet: true });
  await nowhere.call('burst', count);
  const { p50: encoding = '' } = await nowhere.call('burst', count);
  const bytes = 1 + Buffer.byteLength(sidecar.lines().at(-1) ?? '');
  const bareUs = await bareSendUs((await fake()).port, { bytes, count, paceUs: Number(encoding) });
  const limit = COST_US[language] + Math.max(0, bareUs - SEND_US);
  const [total, alone, bare, most] = [Number(p50), Number(encoding), bareUs, limit].map((us) =>
    us.toFixed(1),
  );
  return {
    cost: `${total} µs, of them ${alone} µs without the socket; a bare send as often: ${bare} µs; at most ${most} µs`,
    isOver: Number(p50) > limit * world.most(1, 20),
  };
}

export const CONFIGURATION: readonly Clause[] = [
  {
    id: 'C35',
    title: 'options of arguments over the environment over defaults',
    async run({ fake, start, language, later }) {
      const sidecar = await fake({ hasSessions: true });
      const address = { MONITORING_HOST: '127.0.0.1', MONITORING_PORT: String(sidecar.port) };
      const begin = async (env: Record<string, string>, options: Record<string, string> = {}) => {
        const adapter = start({ ...address, ...env });
        later(() => adapter.kill());
        await adapter.call('init', options);
        if (language === 'typescript') await adapter.call('ready');
        return adapter;
      };
      // A language without threads sends what it could not send at once with a later call.
      const log = async (adapter: Adapter, level: string, message: string) => {
        await adapter.call('event', level, message);
        await adapter.call('flush', 5);
      };
      const latest = async (count: number) => {
        await until(
          () => sidecar.records().length >= count,
          () => `${sidecar.records().length} of ${count} arrived`,
        );
        return sidecar.records()[count - 1];
      };
      const env = {
        MONITORING_SOURCE: 'of-env',
        MONITORING_TAGS: 'team=core,tier=1',
        MONITORING_JOB_ID: 'env-job',
        MONITORING_LEVEL: 'warn',
        MONITORING_TOKEN: 'secret',
        MONITORING_ACK: 'memory',
        OTEL_SERVICE_NAME: 'of-otel',
      };
      const first = await begin(env);
      await log(first, 'info', 'below the level');
      await log(first, 'error', 'above it');
      const { source, job_id: job, data } = await latest(1);
      equal(
        [source, job, data.message, data.context],
        ['of-env', 'env-job', 'above it', { team: 'core', tier: '1' }],
        'of the environment',
      );
      const hello = sidecar.controls().find(({ type }) => type === 'hello');
      equal(
        [hello.data.token, hello.data.ack, typeof hello.data.session],
        ['secret', 'memory', 'string'],
        'hello',
      );
      const second = await begin(env, { source: 'of-argument', level: 'info', job_id: 'own-job' });
      await log(second, 'info', 'above it now');
      const over = await latest(2);
      equal([over.source, over.job_id], ['of-argument', 'own-job'], 'of arguments');
      const third = await begin({ OTEL_SERVICE_NAME: 'of-otel' });
      await log(third, 'info', 'by another name');
      equal((await latest(3)).source, 'of-otel', 'OTEL_SERVICE_NAME');
      const packed = await begin({ MONITORING_PROTOCOL: 'msgpack', MONITORING_SOURCE: 'packed' });
      await log(packed, 'info', 'packed');
      equal((await latest(4)).source, 'packed', 'MONITORING_PROTOCOL');
      const first8 = sidecar.connections.at(-1)?.bytes()[0] ?? 0;
      demand((first8 & 0xf0) === 0x80, `MONITORING_PROTOCOL=msgpack begins with ${first8.toString(16)}`);
      const small = await begin({
        ...address,
        MONITORING_PORT: '1',
        MONITORING_BUFFER_BYTES: '1000',
        MONITORING_QUIET: '1',
      });
      for (let nth = 0; nth < 20; nth++) await small.call('event', 'info', 'x'.repeat(100));
      const { full, queued_bytes: bytes } = await small.call('stats');
      demand(
        Number(full) > 10 && Number(bytes) <= 1000,
        `MONITORING_BUFFER_BYTES: ${full} dropped, ${bytes} bytes queued`,
      );
      equal(small.stderr(), '', 'MONITORING_QUIET');
      const debug = await begin({ MONITORING_DEBUG: '1' });
      await log(debug, 'info', 'told');
      await latest(5);
      demand(/connected/.test(debug.stderr()), 'MONITORING_DEBUG does not tell of the connection');
    },
  },
  {
    id: 'C36',
    title: 'off, or before init: no socket, no thread, next to no cost',
    async run({ fake, start, language, most: mostOf }) {
      const sidecar = await fake();
      const costs: number[] = [];
      for (const env of [{ MONITORING_DISABLED: '1' }, { OTEL_SDK_DISABLED: 'true' }, undefined]) {
        const adapter = start({ MONITORING_PORT: String(sidecar.port), ...env });
        const threads = () =>
          /Threads:\s*(\d+)/.exec(readFileSync(`/proc/${adapter.pid}/status`, 'utf8'))?.[1];
        await adapter.call('burst', 2000);
        const before = [threads(), socketsOf(adapter.pid).length];
        if (env !== undefined) await adapter.call('init', { source: 'off' });
        const { p50 } = await adapter.call('burst', 2000);
        await adapter.call('end', (await adapter.call('start', 'a span')).id ?? '', 'success');
        await adapter.call('flush', 1);
        equal([threads(), socketsOf(adapter.pid).length], before, 'threads and sockets');
        await adapter.call('close');
        costs.push(Number(p50));
      }
      equal(sidecar.connections.length, 0, 'connections');
      const most = Math.max(...costs);
      const limit = { r: 50, perl: 6 }[language as string] ?? 3;
      demand(most <= limit * mostOf(1, 20), `${most} µs a call`);
      return `${most.toFixed(2)} µs a call`;
    },
  },
  {
    id: 'C37',
    title: 'a second init with the same arguments is the same client',
    async run({ fake, start, language }) {
      const sidecar = await fake();
      const adapter = start();
      const { same } = await adapter.call('init', { source: 'twice', host: '127.0.0.1', port: sidecar.port });
      equal(same, '1', 'whether it is the same');
      if (language === 'typescript') await adapter.call('ready');
      await adapter.call('event', 'info', 'one');
      await until(() => sidecar.records().length === 1, 'nothing arrived');
      equal(sidecar.connections.length, 1, 'connections');
    },
  },
  {
    id: 'C38',
    title: 'the process’s own use of resources, if asked for',
    async run({ fake, client }) {
      const sidecar = await fake();
      const adapter = await client(sidecar, { sample_s: 1 });
      await adapter.call('sample');
      await adapter.call('burst', 200);
      await adapter.call('sleep', 1.2);
      await adapter.call('sample');
      await adapter.call('event', 'info', 'later');
      const samples = () => sidecar.records().filter(({ type }) => type === 'resource');
      await until(() => samples().length > 0, 'no record of type resource', 3000);
      const { cpu, memory, per, pid } = samples().at(-1).data;
      equal(
        [typeof cpu, typeof memory, per, pid],
        ['number', 'number', 'process', adapter.pid],
        'its members',
      );
      demand(cpu >= 0 && memory > 0.5 && memory < 10_000, `cpu ${cpu}, memory ${memory}`);
    },
  },
  {
    id: 'C39',
    title: 'what an event with three members costs',
    async run(world) {
      // A machine that is shared may be slow for a while.
      for (let attempt = 1; ; attempt++) {
        const { cost, isOver } = await costOfEvent(world);
        if (!isOver) return cost;
        demand(attempt < 3, cost);
      }
    },
  },
  {
    id: 'C40',
    title: 'nothing is needed beyond the language’s core',
    async run({ language }) {
      demand(NEEDS[language](), 'its manifest names a dependency, or another version');
    },
  },
];
