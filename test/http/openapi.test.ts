import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { ROUTES } from '../../src/http/routes.ts';
import { closeAll, type RunningSidecar, startSidecar, TEST_MS, tokenOf, until, write } from '../processes.ts';
import { sumOf } from '../prometheus.ts';
import { answerFaults, EXAMPLES, faultsOf, OPERATIONS } from './openapi.ts';

jest.setTimeout(TEST_MS);

describe('the document', () => {
  test('describes every route, and no other', () => {
    // The index at `/` is for people.
    const routes = ROUTES.map(({ method = 'GET', path }) => `${method} ${path}`).filter(
      (one) => one !== 'GET /',
    );
    expect([...OPERATIONS].sort()).toEqual(routes.sort());
  });

  test.each(EXAMPLES)('has an example of %s that is one', (name, example) => {
    expect(faultsOf(name, example)).toEqual([]);
  });

  test('is strict: what it does not describe, or what is missing, is a fault', () => {
    expect(faultsOf('Problem', { error: 'x', hint: 'y', more: 1 })).toHaveLength(1);
    expect(faultsOf('Problem', { error: 'x' })).toHaveLength(1);
    const [, job] = EXAMPLES.find(([name]) => name === 'JobView')!;
    expect(faultsOf('JobView', { ...(job as object), more: 1 })).toHaveLength(1);
  });
});

const YAML = `
routing: {default: [{backend: files}]}
backends:
  files: {type: filesystem, base_path: $OUT}
batch: {max_age: 50ms}
`;

/** A job of two services with spans, progress, a metric, and a failure; and a line that is none. */
const at = (ms: number) => new Date(Date.now() + ms).toISOString();
const TRACE = '0af7651916cd43dd8448eb211c80319c';
const record = (source: string, type: string, data: object, more: object = {}) =>
  `${JSON.stringify({ source, timestamp: at(0), type, job_id: 'job-1', trace_id: TRACE, data, ...more })}\n`;
const LINES = [
  record('queue', 'event', { level: 'info', message: 'dequeued', context: { password: 'hunter2' } }),
  record('queue', 'span', { phase: 'start', name: 'process' }, { span_id: '00000000000000a1' }),
  ...[0, 30, 60].map((percent) =>
    record('queue', 'progress', { job_id: 'job-1', percent, status: 'running' }),
  ),
  record('loader', 'metric', { name: 'rows', value: 5, unit: 'rows', tags: { table: 'orders' } }),
  record('loader', 'resource', { cpu: 12, memory_mb: 40 }),
  record('loader', 'event', { level: 'error', message: 'cannot load' }),
  record(
    'loader',
    'span',
    {
      phase: 'end',
      name: 'load',
      parent_span_id: '00000000000000a1',
      start_us: Date.now() * 1000,
      duration_us: 900,
      status: 'error',
    },
    { span_id: '00000000000000a2' },
  ),
  `${JSON.stringify({ source: 'shell', timestamp: at(0), type: 'sdk', data: { dropped: { full: 3, encode: 1, odd: 0.5 } } })}\n`,
  '{"source":1}\n',
].join('');

let sidecar: RunningSidecar;

beforeAll(async () => {
  sidecar = await startSidecar({ yaml: YAML });
  const socket = connect(sidecar.port, '127.0.0.1');
  socket.write(
    `{"source":"queue","timestamp":"${at(0)}","type":"hello","data":{"v":1,"session":"${'a'.repeat(32)}","sdk":"python/0.1.0"}}\n${LINES}`,
  );
  await until(
    async () => (await sidecar.get('/api/v1/messages')).messages.length > 0,
    'messages are remembered',
  );
  write(sidecar.path, `${YAML}nonsense: 1\n`);
  await until(async () => (await sidecar.get('/api/v1/config')).rejected_on_disk, 'an edit is rejected');
});

afterAll(closeAll);

async function ask(at: string, init: RequestInit = {}) {
  const headers = { Authorization: `Bearer ${tokenOf(sidecar.listening)}`, ...init.headers };
  const response = await fetch(`http://${sidecar.listening.http}${at}`, { ...init, headers });
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of all shapes
  return { status: response.status, body: (await response.json()) as any };
}

describe('what a sidecar answers is as it is described', () => {
  test.each([
    ['/healthz', '/healthz', 200],
    ['/readyz', '/readyz', 200],
    ['/api/v1/overview', '/api/v1/overview', 200],
    ['/api/v1/jobs', '/api/v1/jobs?state=failed,running&source=l*&text=LOAD&since=1h&limit=1', 200],
    ['/api/v1/jobs', '/api/v1/jobs?since=never', 400],
    ['/api/v1/jobs/{id}', '/api/v1/jobs/job-1?limit=2', 200],
    ['/api/v1/jobs/{id}', '/api/v1/jobs/none', 404],
    ['/api/v1/jobs/{id}', '/api/v1/jobs/job-1?limit=0', 400],
    ['/api/v1/traces/{id}', `/api/v1/traces/${TRACE}`, 200],
    ['/api/v1/traces/{id}', '/api/v1/traces/none', 404],
    ['/api/v1/messages', '/api/v1/messages?limit=2', 200],
    ['/api/v1/messages', '/api/v1/messages?level=loud', 400],
    ['/api/v1/why/{id}', '/api/v1/why/job-1', 200],
    ['/api/v1/why/{id}', '/api/v1/why/none', 404],
    ['/api/v1/health', '/api/v1/health', 200],
    ['/api/v1/config', '/api/v1/config', 200],
    ['/api/v1/metrics/query', '/api/v1/metrics/query', 400],
    ['/api/v1/metrics/query', '/api/v1/metrics/query?name=rows&tag=x', 400],
    ['/api/v1/metrics/query', '/api/v1/metrics/query?name=rows&from=999999999999d', 400],
    ['/api/v1/metrics/query', '/api/v1/metrics/query?name=rows&from=0000-01-01T00:00:00Z', 200],
    ['/api/v1/stream', '/api/v1/stream?topics=gossip', 400],
  ])('%s: %s', async (path, asked, status) => {
    const answer = await ask(asked);
    expect([answer.status, answerFaults(path, 'get', answer.status, answer.body)]).toEqual([status, []]);
  });

  test.each(OPERATIONS.filter((one) => one.startsWith('GET /api/')))(
    '%s without a token',
    async (operation) => {
      const path = operation.replace('GET ', '');
      const answer = await ask(path, { headers: { Authorization: '' } });
      const described = path.replace(/:(\w+)/, '{$1}');
      expect([answer.status, answerFaults(described, 'get', 401, answer.body)]).toEqual([401, []]);
    },
  );

  test('a message’s way, a plan that would be taken, and one that would not', async () => {
    const { body } = await ask('/api/v1/messages?type=event&level=error');
    const { id } = body.messages[0];
    const why = await ask(`/api/v1/why/${id}`);
    expect(answerFaults('/api/v1/why/{id}', 'get', why.status, why.body)).toEqual([]);
    for (const [text, status] of [
      [`${YAML.replace('50ms', '60ms')}`, 200],
      ['x: 1', 422],
    ] as const) {
      const plan = await ask('/api/v1/plan', { method: 'POST', body: text.replace('$OUT', sidecar.folder) });
      expect([plan.status, answerFaults('/api/v1/plan', 'post', plan.status, plan.body)]).toEqual([
        status,
        [],
      ]);
    }
  });

  test('series and values of metrics', async () => {
    for (const [path, asked] of [
      ['/api/v1/metrics/series', '/api/v1/metrics/series?source=loader'],
      ['/api/v1/metrics/query', '/api/v1/metrics/query?name=rows&tag=table:orders&step=10s'],
    ] as const) {
      const answer = await ask(asked);
      expect(answerFaults(path, 'get', answer.status, answer.body)).toEqual([]);
    }
  });

  test('every event of a stream', async () => {
    const topics = `overview,health,config,jobs,job:job-1,trace:${TRACE},tail`;
    const end = new AbortController();
    const response = await fetch(
      `http://${sidecar.listening.http}/api/v1/stream?topics=${topics}&at=backend`,
      {
        headers: { Authorization: `Bearer ${tokenOf(sidecar.listening)}` },
        signal: end.signal,
      },
    );
    const schemas: Record<string, string> = {
      hello: 'StreamHello',
      overview: 'Overview',
      health: 'Health',
      config: 'ConfigView',
      jobs: 'JobsEvent',
      job: 'StoryEvent',
      trace: 'StoryEvent',
      tail: 'TailEvent',
    };
    const seen = new Set<string>();
    const socket = connect(sidecar.port, '127.0.0.1').end(LINES);
    let text = '';
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      const blocks = (text + chunk).split('\n\n');
      text = blocks.pop()!;
      for (const block of blocks) {
        const [, event = '', data = ''] = /^event: (\w+)\nid: \S+\ndata: (.*)$/.exec(block) ?? [];
        expect([event, faultsOf(schemas[event]!, JSON.parse(data))]).toEqual([event, []]);
        seen.add(event);
      }
      if (seen.size === Object.keys(schemas).length) break;
    }
    socket.destroy();
    end.abort();
    expect([...seen].sort()).toEqual(Object.keys(schemas).sort());
  });
});

describe('what is told', () => {
  test('has no secrets', async () => {
    for (const path of ['/api/v1/messages?limit=500', '/api/v1/config']) {
      expect(JSON.stringify((await ask(path)).body)).not.toContain('hunter2');
    }
  });

  test('pages of messages and of a timeline follow one another without a gap', async () => {
    const pagesOf = async (path: string, items: string) => {
      const ids: string[] = [];
      for (let cursor = ''; ; ) {
        const { body } = await ask(`${path}${path.includes('?') ? '&' : '?'}limit=2${cursor}`);
        ids.push(...body[items].map(({ id }: { id: string }) => id));
        if (body.next === undefined) return ids;
        cursor = `&cursor=${encodeURIComponent(body.next)}`;
      }
    };
    const all = async (path: string, items: string) =>
      (await ask(path)).body[items].map(({ id }: { id: string }) => id);
    // No page may change under the next one.
    await until(async () => {
      const metrics = await sidecar.metrics();
      return (
        sumOf(metrics, 'sidecar_connections') === 1 &&
        sumOf(metrics, 'sidecar_received_total') === sumOf(metrics, 'sidecar_batched_messages_total') &&
        sumOf(metrics, 'sidecar_in_flight') === 0
      );
    }, 'all that was sent is delivered');
    const timeline = await pagesOf('/api/v1/jobs/job-1', 'timeline');
    expect(timeline).toEqual(await all('/api/v1/jobs/job-1', 'timeline'));
    expect(timeline.length).toBeGreaterThan(8);
    const path = '/api/v1/messages?job=job-1&source=loader';
    expect(await pagesOf(path, 'messages')).toEqual(await all(path, 'messages'));
  });

  test('health knows clients by their SDK, rejects by reason, and what SDKs dropped', async () => {
    const { body } = await ask('/api/v1/health');
    expect(body.ingest).toMatchObject({
      clients: [{ sdk: 'python', version: '0.1.0', connections: 1 }],
      rejected: expect.arrayContaining([{ reason: 'schema', count: expect.any(Number) }]),
    });
    expect(body.ingest.sdk_dropped % 4).toBe(0);
    expect(body.ingest.sdk_dropped).toBeGreaterThan(0);
    const [files] = body.backends;
    expect(files).toMatchObject({ backend: 'files', type: 'filesystem', circuit: 'closed' });
    expect(files.queue.max_bytes).toBeGreaterThan(0);
  });

  test('the history of reloads has the rejected edit, its place and its diff', async () => {
    const { body } = await ask('/api/v1/config');
    const [last, first] = body.history;
    expect(last).toMatchObject({
      result: 'rejected',
      problems: [{ line: expect.any(Number), column: 1, path: 'nonsense' }],
      diff: expect.stringContaining('\n+nonsense: 1\n'),
    });
    expect(first).toMatchObject({ result: 'applied', diff: '', problems: [] });
  });
});
