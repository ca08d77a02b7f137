import { Readable } from 'node:stream';
import { afterEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { asyncScheduler } from 'rxjs';
import type { JobState, JobView } from '../../src/correlate/view.ts';
import { createMetrics } from '../../src/metrics.ts';
import { sumOf } from '../prometheus.ts';
import {
  ask,
  closeAll,
  createLogged,
  JOB,
  open,
  sourcesOf,
  summaryOf,
  traceOf,
  tracesOf,
} from './serving.ts';

afterEach(closeAll);

const json = (body: string): unknown => JSON.parse(body);
const JSON_TYPE = 'application/json';

describe('health', () => {
  test('/healthz answers while the loop is alive', async () => {
    const { address } = await open(
      sourcesOf({ ready: () => ({ ready: false, reasons: ['x'], warnings: [] }) }),
    );
    const answer = await ask(address, '/healthz');
    expect([answer.status, json(answer.body)]).toEqual([200, { status: 'ok' }]);
    expect(answer.headers['content-type']).toBe(JSON_TYPE);
  });

  test('/readyz is 200 with warnings, 503 with reasons, as of now', async () => {
    let readiness = {
      ready: true,
      reasons: [] as string[],
      warnings: ['tcp.host 0.0.0.0 is open to the network'],
    };
    const { address } = await open(sourcesOf({ ready: () => readiness }));
    const first = await ask(address, '/readyz');
    expect([first.status, json(first.body)]).toEqual([200, readiness]);
    readiness = { ready: false, reasons: ['shutting down'], warnings: [] };
    const second = await ask(address, '/readyz');
    expect([second.status, json(second.body)]).toEqual([503, readiness]);
  });
});

describe('/metrics', () => {
  test('is the exposition, with its content type', async () => {
    const metrics = createMetrics({ version: '1' }, asyncScheduler);
    metrics.received('queue-service', 'event');
    const { address } = await open(sourcesOf({ metrics }));
    const answer = await ask(address, '/metrics');
    metrics.close();
    expect(answer.status).toBe(200);
    expect(answer.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(sumOf(answer.body, 'sidecar_received_total', { source: 'queue-service', type: 'event' })).toBe(1);
  });

  test('a scrape that fails is a logged 500, and the server lives', async () => {
    const logged = createLogged();
    const failing = { contentType: 'text/plain', text: () => Promise.reject(new Error('secret detail')) };
    const { address } = await open(sourcesOf({ metrics: failing }), {}, logged);
    const answer = await ask(address, '/metrics');
    expect([answer.status, json(answer.body)]).toEqual([
      500,
      { error: 'the sidecar failed to answer', hint: 'its log says why' },
    ]);
    expect(answer.headers['cache-control']).toBe('no-store');
    expect(logged.lines).toMatchObject([{ level: 'error', fields: { path: '/metrics' } }]);
    expect((await ask(address, '/healthz')).status).toBe(200);
  });
});

describe('jobs', () => {
  const states: JobState[] = ['running', 'failed', 'succeeded'];
  const many: JobView[] = Array.from({ length: 120 }, (_, i) => ({
    ...JOB,
    job_id: `j${i}`,
    state: states[i % 3]!,
  }));

  test('are listed without their services and messages', async () => {
    const { address } = await open();
    const answer = await ask(address, '/api/v1/jobs');
    expect([answer.status, json(answer.body)]).toEqual([200, { jobs: [summaryOf(JOB)], from: 'memory' }]);
  });

  test('come in pages of 50 or `limit`, up to the last', async () => {
    const { address } = await open(sourcesOf({ traces: tracesOf(many) }));
    const page = async (query: string) =>
      json((await ask(address, `/api/v1/jobs${query}`)).body) as {
        jobs: { job_id: string }[];
        next?: string;
      };
    expect((await page('')).jobs).toHaveLength(50);
    const seen: string[] = [];
    let query = '?limit=40';
    for (let pages = 1; ; pages++) {
      const { jobs, next } = await page(query);
      seen.push(...jobs.map(({ job_id }) => job_id));
      if (next === undefined) {
        expect(pages).toBe(3);
        break;
      }
      query = `?limit=40&cursor=${encodeURIComponent(next)}`;
    }
    expect(seen).toEqual(many.map(({ job_id }) => job_id));
  });

  test('are filtered by state', async () => {
    const { address } = await open(sourcesOf({ traces: tracesOf(many) }));
    const { body } = await ask(address, '/api/v1/jobs?state=failed&limit=500');
    const { jobs } = json(body) as { jobs: { state: string }[] };
    expect(jobs).toHaveLength(40);
    expect(new Set(jobs.map(({ state }) => state))).toEqual(new Set(['failed']));
  });

  test.each(['0', '501', '-1', '1e3', '', 'ten', '10 OR 1', '９'])('refuse limit=%s', async (limit) => {
    const { address } = await open();
    const answer = await ask(address, `/api/v1/jobs?limit=${encodeURIComponent(limit)}`);
    expect([answer.status, json(answer.body)]).toEqual([
      400,
      { error: 'limit is not a usable number', hint: 'give one from 1 to 500' },
    ]);
  });

  test.each(['', 'dead', 'Failed', '__proto__', 'length'])('refuse state=%s', async (state) => {
    const { address } = await open();
    const answer = await ask(address, `/api/v1/jobs?state=${state}`);
    expect(answer.status).toBe(400);
    expect(json(answer.body)).toMatchObject({ hint: expect.stringContaining('queued, running, succeeded') });
  });

  test.each(['12', '2025', 'Oct 20 2025', '2025-10-20T10:30:00', '2025-02-30T00:00:00Z', '999999999999d'])(
    'refuse since=%s',
    async (since) => {
      const { address } = await open();
      const answer = await ask(address, `/api/v1/jobs?since=${encodeURIComponent(since)}`);
      expect([answer.status, json(answer.body)]).toEqual([
        400,
        { error: 'since is no time', hint: 'write 30m, 2h, 1d, or 2025-10-20T10:30:00Z' },
      ]);
    },
  );

  test('one by its id; an unknown one is a 404 that says what to do', async () => {
    const { address } = await open();
    const found = await ask(address, '/api/v1/jobs/job-12345');
    expect([found.status, json(found.body)]).toEqual([200, { ...JOB, from: 'memory' }]);
    const lost = await ask(address, '/api/v1/jobs/job-1');
    expect(lost.status).toBe(404);
    expect(json(lost.body)).toEqual({
      error: 'no job "job-1" is known',
      hint: expect.stringContaining('/api/v1/jobs lists them'),
    });
  });

  test('any id finds its job', async () => {
    let asked = '';
    const job = (id: string) => {
      asked = id;
      return JOB;
    };
    const traces = { ...tracesOf([]), job };
    const { address } = await open(sourcesOf({ traces }));
    const anyId = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 64 });
    await fc.assert(
      fc.asyncProperty(
        anyId.filter((text) => text !== '.' && text !== '..'),
        async (wanted) => {
          const answer = await ask(address, `/api/v1/jobs/${encodeURIComponent(wanted)}`);
          expect([answer.status, asked]).toEqual([200, wanted]);
        },
      ),
      { numRuns: 100, examples: [['a/b'], ['%'], ['%2F'], ['<script>'], ['a?b#c'], ['\\'], ['🛰']] },
    );
  });

  test('a broken escape is looked up as it stands', async () => {
    const { address } = await open();
    const answer = await ask(address, '/api/v1/jobs/%zz');
    expect([answer.status, json(answer.body)]).toMatchObject([404, { error: 'no job "%zz" is known' }]);
  });
});

describe('traces', () => {
  test('one by its id; an unknown one is a 404', async () => {
    const { address } = await open();
    const found = await ask(address, `/api/v1/traces/${JOB.trace_ids[0]}`);
    expect([found.status, json(found.body)]).toEqual([200, { ...traceOf(JOB), from: 'memory' }]);
    const lost = await ask(address, '/api/v1/traces/0');
    expect([lost.status, json(lost.body)]).toMatchObject([404, { error: 'no trace "0" is known' }]);
  });
});

describe('config', () => {
  test('shows what runs and what became of the last edit', async () => {
    const view = {
      ...sourcesOf().config(),
      last_reload: {
        time: '2025-10-20T11:00:00.000Z',
        result: 'rejected' as const,
        errors: ['config/x.yaml:12:5 routing.a[0].backend: unknown backend "timescale"'],
      },
    };
    const { address } = await open(sourcesOf({ config: () => view }));
    const answer = await ask(address, '/api/v1/config');
    expect([answer.status, json(answer.body)]).toEqual([200, view]);
  });
});

describe('paths', () => {
  test('/ lists every route in plain text', async () => {
    const { address } = await open();
    const answer = await ask(address, '/');
    expect(answer.headers['content-type']).toBe('text/plain; charset=UTF-8');
    for (const path of [
      '/healthz',
      '/readyz',
      '/metrics',
      '/api/v1/jobs/:id',
      '/api/v1/traces/:id',
      '/api/v1/config',
    ]) {
      expect(answer.body).toContain(`  ${path} `);
    }
  });

  test.each([
    '/nothing',
    '/metrics/',
    '/api',
    '/api/v1/jobs/',
    '/api/v1/jobs/a/b',
    '/..%2f..%2fetc/passwd',
    '/__proto__',
  ])('%s is a 404 that lists the routes', async (path) => {
    const { address } = await open();
    const answer = await ask(address, path);
    expect(answer.status).toBe(404);
    expect(json(answer.body)).toMatchObject({
      error: 'there is nothing at this path',
      hint: expect.any(String),
      routes: expect.arrayContaining(['/healthz', '/api/v1/jobs/:id']),
    });
  });

  test('HEAD answers like GET, without a body', async () => {
    const { address } = await open(
      sourcesOf({ ready: () => ({ ready: false, reasons: ['starting'], warnings: [] }) }),
    );
    for (const [path, status] of [
      ['/', 200],
      ['/healthz', 200],
      ['/readyz', 503],
      ['/api/v1/jobs/x', 404],
      ['/x', 404],
    ] as const) {
      const [head, get] = [await ask(address, path, { method: 'HEAD' }), await ask(address, path)];
      expect([head.status, head.body]).toEqual([status, '']);
      expect(head.headers['content-type']).toBe(get.headers['content-type']);
      expect(head.headers['x-content-type-options']).toBe('nosniff');
    }
  });
});

describe('/api/v1/plan', () => {
  const post = (address: string, body: string, headers: Record<string, string> = {}) =>
    fetch(`${address}/api/v1/plan`, { method: 'POST', body, headers });

  test('is posted to, and answers what would be rejected with its errors', async () => {
    const seen: string[] = [];
    const plan = async (text: string) => {
      seen.push(text);
      return { errors: ['x.yaml:1:1 routing: wrong'] };
    };
    const { address } = await open(sourcesOf({ plan }));
    const answer = await post(address, 'routing: ü');
    expect([answer.status, await answer.json()]).toEqual([
      422,
      {
        error: 'this configuration would be rejected',
        hint: 'see errors',
        errors: ['x.yaml:1:1 routing: wrong'],
      },
    ]);
    expect(seen).toEqual(['routing: ü']);
  });

  /** As `curl -T -` does: no length is told. */
  const stream = (address: string, ...chunks: readonly string[]) =>
    fetch(`${address}/api/v1/plan`, {
      method: 'POST',
      body: Readable.from(chunks, { objectMode: false }),
      duplex: 'half',
    });

  test('takes a body of no told length, and none', async () => {
    const seen: string[] = [];
    const plan = async (text: string) => {
      seen.push(text);
      return { errors: [] };
    };
    const { address } = await open(sourcesOf({ plan }));
    expect((await stream(address, 'routing:', ' ü')).status).toBe(422);
    expect((await ask(address, '/api/v1/plan', { method: 'POST' })).status).toBe(422);
    expect(seen).toEqual(['routing: ü', '']);
  });

  test('is bounded', async () => {
    const { address } = await open();
    expect((await post(address, 'x'.repeat(20_000_000))).status).toBe(413);
    expect((await stream(address, 'x'.repeat(900_000), 'x'.repeat(900_000))).status).toBe(413);
  });

  test('is not read, and not posted to by other sites; nothing else is posted to', async () => {
    const { address } = await open();
    expect((await fetch(`${address}/api/v1/plan`)).status).toBe(405);
    expect((await post(address, 'x', { Origin: 'https://evil.example' })).status).toBe(403);
    expect((await fetch(`${address}/api/v1/config`, { method: 'POST', body: 'x' })).status).toBe(405);
  });
});

describe('/api/v1/why', () => {
  test('is a story, or why there is none', async () => {
    const find = (id: string) => (id === 'a/b' ? { matches: [], total: 0 } : undefined);
    const { address } = await open(sourcesOf({ why: { find, memory: () => 'nothing is remembered yet' } }));
    const found = await ask(address, '/api/v1/why/a%2Fb');
    expect([found.status, json(found.body)]).toEqual([200, { matches: [], total: 0 }]);
    const lost = await ask(address, '/api/v1/why/x');
    expect([lost.status, json(lost.body)]).toMatchObject([404, { error: 'no message "x" is known' }]);
  });
});
