import { request } from 'node:http';
import { connect } from 'node:net';
import { asyncScheduler } from 'rxjs';
import type { Context } from '../../src/context.ts';
import { cursorAfter, type JobPlace, readCursor } from '../../src/correlate/cursor.ts';
import type {
  JobFilter,
  JobPage,
  JobSummary,
  JobView,
  Traces,
  TraceView,
  WholeTraces,
} from '../../src/correlate/view.ts';
import type { Access } from '../../src/http/access.ts';
import type { HealthView, OverviewView } from '../../src/http/health-view.ts';
import { type HttpOptions, type HttpServer, openHttp } from '../../src/http/open.ts';
import type { HttpSources } from '../../src/http/sources.ts';

const service = {
  started: '2025-10-20T10:30:00.000Z',
  ended: '2025-10-20T10:30:02.300Z',
  messages: 3,
  errors: 0,
  spans: 1,
};

/** The brief's job. */
export const JOB: JobView = {
  job_id: 'job-12345',
  trace_ids: ['0af7651916cd43dd8448eb211c80319c'],
  state: 'succeeded',
  started: '2025-10-20T10:30:00.000Z',
  ended: '2025-10-20T10:30:47.600Z',
  total_ms: 47_600,
  unattributed_ms: 0,
  messages: 9,
  errors: 0,
  percent: 100,
  sources: ['file-receiver', 'queue-service', 'db-loader'],
  warnings: [],
  failures: [],
  child_job_ids: [],
  spans: [
    {
      span_id: '00f067aa0ba902b7',
      source: 'file-receiver',
      name: 'receive',
      started: '2025-10-20T10:30:00.000Z',
      ended: '2025-10-20T10:30:02.300Z',
      duration_ms: 2300,
      state: 'ok',
      status: 'success',
    },
  ],
  progress: [{ time: '2025-10-20T10:30:47.600Z', source: 'queue-service', percent: 100 }],
  truncated: false,
  services: [
    {
      ...service,
      source: 'file-receiver',
      summary: 'File received, validated, queued',
      time_ms: 2300,
      parents: [],
    },
    {
      ...service,
      source: 'queue-service',
      summary: 'Job dequeued, processing started',
      time_ms: 100,
      parents: ['file-receiver'],
    },
    {
      ...service,
      source: 'db-loader',
      summary: 'Data loaded, 10,000 rows inserted',
      time_ms: 45_200,
      parents: ['queue-service'],
    },
  ],
  timeline: [
    {
      id: '0199fffe-0000-7000-8000-000000000001',
      time: '2025-10-20T10:30:00.000Z',
      source: 'file-receiver',
      type: 'event',
      level: 'info',
      text: 'File received',
    },
  ],
};

export const { services, timeline } = JOB;

export function traceOf(job: JobView): TraceView {
  const { job_id, trace_ids, ...story } = job;
  return { ...story, trace_id: trace_ids[0] ?? '', job_ids: [job_id] };
}

export function summaryOf(job: JobView): JobSummary {
  const { services: _services, timeline: _timeline, ...summary } = job;
  return summary;
}

/** Traces over fixed jobs, in their order. */
export function tracesOf(jobs: readonly JobView[]): Traces {
  const page = (limit: number, after?: JobPlace, { states }: JobFilter = {}): JobPage => {
    const from = jobs.findIndex(({ job_id }) => job_id === after?.id) + 1;
    const left = jobs.slice(from).filter(({ state }) => states?.includes(state) !== false);
    const shown = left.slice(0, limit).map(summaryOf);
    const next = shown.at(-1)?.job_id;
    const hasMore = left.length > limit && next !== undefined;
    return hasMore ? { jobs: shown, next: cursorAfter({ lastMs: 0, id: next }) } : { jobs: shown };
  };
  return {
    jobs: page,
    job: (id) => jobs.find(({ job_id }) => job_id === id),
    trace: (id) => {
      const job = jobs.find(({ trace_ids }) => trace_ids.includes(id));
      return job && traceOf(job);
    },
  };
}

const OVERVIEW: OverviewView = {
  time: '2025-10-20T11:00:00.000Z',
  version: '1',
  uptime_s: 1,
  readiness: { ready: true, reasons: [], warnings: [] },
  jobs: { running: [], failed: [] },
  ingest: { messages: 0, messages_per_s: 0, connections: 0, listening: [] },
  drops: { rejected: 0, shed: 0, dead_lettered: 0, sdk: 0 },
  backends: [],
  last_reload: null,
  rejected_on_disk: false,
};

const HEALTH: HealthView = {
  time: '2025-10-20T11:00:00.000Z',
  window_s: 10,
  backends: [],
  ingest: {
    listening: [],
    connections: 0,
    clients: [],
    messages: 0,
    messages_per_s: 0,
    bytes_per_s: 0,
    rejected: [],
    sources: [],
    sdk_dropped: 0,
  },
  process: {
    version: '1',
    node: 'v20.0.0',
    pid: 1,
    uptime_s: 1,
    rss_bytes: 1,
    heap_used_bytes: 1,
    event_loop_lag_ms: { p50: 0, p99: 0, max: 0 },
  },
};

/** What is in memory is all there is. */
const wholeOf = (traces: Traces): WholeTraces => ({
  jobs: async (limit, text = cursorAfter({ lastMs: 0, id: '' }), filter) => {
    const cursor = readCursor(text);
    return cursor?.from === 'memory'
      ? { ...traces.jobs(limit, cursor.after, filter), from: 'memory' }
      : undefined;
  },
  job: async (id) => ({ view: traces.job(id), from: 'memory' }),
  trace: async (id) => ({ view: traces.trace(id), from: 'memory' }),
});

export function sourcesOf(replaced: Partial<HttpSources> = {}): HttpSources {
  return {
    nowMs: () => Date.parse('2025-10-20T11:00:00.000Z'),
    overview: () => OVERVIEW,
    health: () => HEALTH,
    messages: () => ({ messages: [], remembered: 'nothing is remembered yet' }),
    streams: {
      open: () => {
        throw new Error('no stream is expected');
      },
      end: () => {},
    },
    ready: () => ({ ready: true, reasons: [], warnings: [] }),
    metrics: { contentType: 'text/plain; version=0.0.4; charset=utf-8', text: async () => '# HELP a b\n' },
    traces: tracesOf([JOB]),
    why: { find: () => undefined, memory: () => 'nothing is remembered yet' },
    config: () => ({
      file: 'config/default.yaml',
      hash: 'c0ffee',
      loaded: '2025-10-20T10:00:00.000Z',
      data_dir: '/var/lib/sidecar',
      listening: ['127.0.0.1:17000'],
      config: { tcp: { port: 17000 } },
      last_reload: null,
      rejected_on_disk: false,
      history: [],
    }),
    plan: async () => ({ errors: ['x.yaml:1:1 routing: wrong'] }),
    whole: wholeOf(replaced.traces ?? tracesOf([JOB])),
    ...replaced,
  };
}

/** A context on the real clock that keeps what is logged. */
export function createLogged() {
  const lines: { level: string; fields: object; message: string }[] = [];
  const at = (level: string) => (fields: object, message: string) => {
    lines.push({ level, fields, message });
  };
  const log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  const context: Pick<Context, 'scheduler' | 'log'> = { scheduler: asyncScheduler, log };
  return { context, lines };
}

const opened: HttpServer[] = [];

/** Everybody may read: for tests of something else. */
export const UNGUARDED: Access = { token: () => '', tokenFile: () => '' };
/** No page is built here. */
export const NO_PAGES = '/nonexistent/pages';

/** Opens a server on a free port; `closeAll` closes it. */
export async function open(
  sources = sourcesOf(),
  options: Partial<HttpOptions> = {},
  logged = createLogged(),
) {
  const server = await openHttp(
    { host: '127.0.0.1', port: 0, access: UNGUARDED, pages: NO_PAGES, ...options },
    sources,
    logged.context,
  );
  opened.push(server);
  return server;
}

export async function closeAll(): Promise<void> {
  await Promise.all(opened.splice(0).map((server) => server.close()));
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** One request with any headers, `Host` included, on a connection of its own. */
export function ask(
  address: string,
  path: string,
  { method = 'GET', headers = {} }: { method?: string; headers?: Record<string, string> } = {},
): Promise<Answer> {
  const { hostname, port } = new URL(address);
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  return new Promise((resolve, reject) => {
    const call = request({ host, port, path, method, headers, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        body += chunk;
      });
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
      );
    });
    call.on('error', reject).end();
  });
}

/** Sends bytes and returns everything that comes back until the server closes the connection. */
export function askRaw(address: string, bytes: string): Promise<string> {
  const { hostname, port } = new URL(address);
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(Number(port), hostname, () => socket.write(bytes));
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      answer += chunk;
    });
    socket.on('error', reject).on('close', () => resolve(answer));
  });
}
