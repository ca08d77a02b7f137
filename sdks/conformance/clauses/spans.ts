/** Context, traces, spans, and how they go on in child processes. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clause, demand, equal, statsOf, until } from '../suite.ts';
import { tokensOf } from '../values.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';
const PARENT = `00-${TRACE}-${SPAN}-01`;
const OTHER = '0af7651916cd43dd8448eb211c80319c';

export const SPANS: readonly Clause[] = [
  {
    id: 'C30',
    title: 'argument over active span over set_context over environment over a fresh trace',
    async run({ fake, client }) {
      const sidecar = await fake();
      const adapter = await client(sidecar, {}, { TRACEPARENT: PARENT, MONITORING_JOB_ID: 'env-job' });
      const where = async (message: string, context: Record<string, string> = {}) => {
        await adapter.call('event', 'info', message, context);
        const found = () => sidecar.records().find(({ data }) => data.message === message);
        await until(() => found() !== undefined, `${message} did not arrive`);
        const { trace_id, span_id, job_id } = found();
        return [trace_id, span_id, job_id];
      };
      equal(await where('environment'), [TRACE, SPAN, 'env-job'], 'of the environment');
      await adapter.call('set_context', 'trace_id', OTHER);
      await adapter.call('set_context', 'job_id', 'set-job');
      equal(await where('set'), [OTHER, null, 'set-job'], 'of set_context');
      const { id: outer = '' } = await adapter.call('start', 'outer');
      equal(await where('in a span'), [OTHER, outer, 'set-job'], 'of the active span');
      equal(await where('argument', { job_id: 'own-job' }), [OTHER, outer, 'own-job'], 'of the argument');
      const { id: far = '' } = await adapter.call('start', 'far', null, PARENT);
      equal(await where('in a far span'), [TRACE, far, 'set-job'], 'of the traceparent given');
      await adapter.call('end', far, 'success');
      await adapter.call('end', outer, 'success');
      await adapter.call('set_context', 'job_id', null);
      await adapter.call('set_context', 'trace_id', null);
      equal(await where('environment again'), [TRACE, SPAN, 'env-job'], 'of the environment, again');
      const fresh = await client(sidecar);
      await fresh.call('start', 'fresh');
      await until(
        () => sidecar.records().some(({ data }) => data.name === 'fresh'),
        'the fresh span did not arrive',
      );
      const { trace_id: trace, data } = sidecar.records().find((record) => record.data.name === 'fresh');
      demand(
        /^[0-9a-f]{32}$/.test(trace) && trace !== TRACE && data.parent_span_id === undefined,
        `a fresh trace: ${trace}`,
      );
    },
  },
  {
    id: 'C31',
    title: 'TRACEPARENT is read at init and written in W3C’s form',
    async run({ fake, client }) {
      const sidecar = await fake();
      const traces: unknown[] = [];
      for (const text of [PARENT, PARENT.toUpperCase(), `00-${'0'.repeat(32)}-${SPAN}-01`, 'nonsense', '']) {
        const adapter = await client(sidecar, {}, { TRACEPARENT: text });
        const { id = '' } = await adapter.call('start', 'a span');
        const { value = '' } = await adapter.call('traceparent');
        const [, trace, span] = /^00-([0-9a-f]{32})-([0-9a-f]{16})-01$/.exec(value) ?? [];
        equal(span, id, `the span in ${value}`);
        traces.push(trace === TRACE);
      }
      equal(traces, [true, true, false, false, false], 'whether the trace goes on');
    },
  },
  {
    id: 'C32',
    title: 'a child process goes on with the trace and the job',
    async run({ fake, client, command, later, language }) {
      const sidecar = await fake();
      const folder = mkdtempSync(join(tmpdir(), 'conformance-child-'));
      later(() => rmSync(folder, { recursive: true, force: true }));
      const ready = language === 'typescript' ? 'ready\n' : '';
      const script = `init { ${tokensOf('source')} ${tokensOf('child')} }\n${ready}start sin-child\nclose\n`;
      writeFileSync(join(folder, 'commands'), script);
      const adapter = await client(sidecar);
      await adapter.call('set_context', 'job_id', 'job-1');
      const { id: span = '' } = await adapter.call('start', 'parent');
      const env = await adapter.call('child_env');
      const { value: traceparent = '' } = await adapter.call('traceparent');
      const wanted = ['127.0.0.1', String(sidecar.port), 'job-1', traceparent];
      const names = ['MONITORING_HOST', 'MONITORING_PORT', 'MONITORING_JOB_ID', 'TRACEPARENT'];
      equal(
        names.map((name) => env[name]),
        wanted,
        'child_env',
      );
      const line = `${command.argv.map((word) => `'${word}'`).join(' ')} < '${folder}/commands'`;
      equal((await adapter.call('run_child', 'sh', '-c', line)).status, '0', 'the status of the child');
      await adapter.call('end', span, 'success');
      await until(
        () => sidecar.records().filter(({ source }) => source === 'child').length >= 2,
        'the child’s span did not arrive',
      );
      const parent = sidecar.records().find(({ data }) => data.name === 'parent');
      const child = sidecar.records().find(({ data }) => data.name === 'in-child');
      equal(
        [child.trace_id, child.data.parent_span_id, child.job_id],
        [parent.trace_id, span, 'job-1'],
        'the child’s span',
      );
      const after = await adapter.call('child_env');
      equal(after.TRACEPARENT, undefined, 'TRACEPARENT after the span');
    },
  },
  {
    id: 'C33',
    title: 'a span ends once, and a scope ends it on every way out',
    async run({ fake, client, language }) {
      const sidecar = await fake();
      const adapter = await client(sidecar);
      const { id = '' } = await adapter.call('start', 'by hand');
      equal((await adapter.call('end', id, 'success')).kept, '1', 'the first end');
      equal((await adapter.call('end', id, 'success')).kept, '0', 'the second end');
      equal(
        (await adapter.call('end', 'ffffffffffffffff', 'success')).kept,
        '0',
        'the end of a span that never was',
      );
      equal((await statsOf(adapter)).unknown_spans, 2, 'unknown spans');
      await adapter.call('scoped', 'left', 'return');
      const { rethrown } = await adapter.call('scoped', 'thrown', 'throw');
      if (language !== 'c') equal(rethrown, 'it broke', 'what is thrown on');
      const ends = () => sidecar.records().filter(({ data }) => data.phase === 'end');
      await until(
        () => ends().some(({ data }) => data.name === 'thrown'),
        'the end of the scope did not arrive',
      );
      const [, left] = ends();
      const thrown = ends().find(({ data }) => data.name === 'thrown');
      equal(left.data.status, 'success', 'a scope that is left');
      equal(thrown.data.status, 'error', 'a scope that an error leaves');
      demand(/it broke/.test(thrown.data.status_message), `the error: ${thrown.data.status_message}`);
      equal(ends().filter(({ data }) => data.name === 'by hand').length, 1, 'ends of one span');
    },
  },
  {
    id: 'C34',
    title: 'set_context takes out what is null, and holds 64 keys',
    async run({ fake, client }) {
      const sidecar = await fake();
      const adapter = await client(sidecar);
      for (let nth = 0; nth < 70; nth++) await adapter.call('set_context', `k${nth}`, nth);
      await adapter.call('set_context', 'k1', 'changed');
      await adapter.call('event', 'info', 'full');
      for (let nth = 0; nth < 70; nth++) await adapter.call('set_context', `k${nth}`, null);
      await adapter.call('event', 'info', 'empty');
      await until(() => sidecar.records().length >= 2, 'not all arrived');
      const [full, empty] = sidecar.records();
      equal([Object.keys(full.data.context).length, full.data.context.k1], [64, 'changed'], 'keys');
      equal(empty.data.context, undefined, 'the context when all is taken out');
    },
  },
];
