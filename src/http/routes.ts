import { type Context as Call, Hono } from 'hono';
import { MAX_FILE_BYTES } from '../config/document.ts';
import type { Log } from '../context.ts';
import { type Access, access, isStranger } from './access.ts';
import { refuse } from './answer.ts';
import { guard, PLAN_PATH } from './guard.ts';
import { job, jobs, trace } from './jobs.ts';
import { messages } from './messages.ts';
import { query, series } from './metrics.ts';
import { createPages, isPage } from './pages.ts';
import { BadQuery } from './params.ts';
import type { HttpSources } from './sources.ts';
import { stream } from './stream.ts';

interface Route {
  /** Default: GET, and HEAD. */
  readonly method?: 'POST';
  readonly path: string;
  /** What it shows, for the index and the answer to an unknown path. */
  readonly shows: string;
  answer(call: Call, sources: HttpSources): Response | Promise<Response>;
}

/** Everything that is answered beside the page, as docs/openapi.yaml describes it. */
export const ROUTES: readonly Route[] = [
  { path: '/', shows: 'this list', answer: (call) => call.text(INDEX) },
  { path: '/healthz', shows: 'whether the process is alive', answer: (call) => call.json({ status: 'ok' }) },
  { path: '/readyz', shows: 'whether it takes and delivers messages, and warnings', answer: ready },
  { path: '/metrics', shows: 'metrics in the Prometheus text format', answer: metrics },
  { path: '/api/v1/overview', shows: 'what runs, what failed, rates, drops, backends', answer: overview },
  { path: '/api/v1/health', shows: 'backends, ingest and process', answer: health },
  {
    path: '/api/v1/jobs',
    shows: 'jobs, newest first: ?limit=50 &state=failed &source= &text= &since=1h &cursor=…',
    answer: jobs,
  },
  { path: '/api/v1/jobs/:id', shows: 'one job: its services, times and messages', answer: job },
  { path: '/api/v1/traces/:id', shows: 'one trace, likewise', answer: trace },
  {
    path: '/api/v1/why/:id',
    shows: 'what happened to a message, to those of a job, or to source:seq',
    answer: why,
  },
  {
    path: '/api/v1/metrics/series',
    shows: 'metrics that programs sent: ?name= &source= …',
    answer: series,
  },
  {
    path: '/api/v1/metrics/query',
    shows: 'values over time: ?name= &source= &tag=key:value &from=1h &to= &step=10s',
    answer: query,
  },
  {
    path: '/api/v1/messages',
    shows: 'recent messages, newest first: ?source= &type= &level= &text= …',
    answer: messages,
  },
  {
    path: '/api/v1/stream',
    shows: 'what happens, as server-sent events: ?topics=overview,tail …',
    answer: stream,
  },
  { path: '/api/v1/config', shows: 'the running configuration and the last reload', answer: config },
  {
    method: 'POST',
    path: PLAN_PATH,
    shows: 'POST a configuration: what would change if the file held it',
    answer: plan,
  },
];

const INDEX = `monitoring-sidecar\n\n${ROUTES.map(({ path, shows }) => `  ${path.padEnd(20)}  ${shows}\n`).join('')}`;

/** Where and for whom. */
export interface Serving {
  /** As in a URL, the one that the server is bound to. */
  readonly host: string;
  /** Other machines can reach it. */
  readonly isRemote: boolean;
  readonly access: Access;
  /** Folder of the built page. */
  readonly pages: string;
}

/** All routes behind the guard, and the page for browsers. */
export function createRoutes(serving: Serving, sources: HttpSources, log: Log): Hono {
  const app = new Hono();
  const pages = createPages(serving.pages);
  app.use(guard(serving.host, serving.isRemote));
  app.use(access(serving.access, serving.isRemote));
  // Before the routes: a browser's `/metrics` is a page.
  app.use(async (call, next) => (isPage(call) ? pages(call) : next()));
  for (const { method = 'GET', path, answer } of ROUTES)
    app.on(method, path, (call) => answer(call, sources));
  app.notFound(async (call) => {
    const found = await pages(call);
    if (found !== undefined) return found;
    const routes = ROUTES.map(({ path }) => path);
    return call.json({ error: 'there is nothing at this path', hint: 'see routes', routes }, 404);
  });
  app.onError((error, call) => {
    if (error instanceof BadQuery) return refuse(call, 400, error.problem);
    log.error({ err: error, path: call.req.path }, 'an HTTP request could not be answered');
    return refuse(call, 500, { error: 'the sidecar failed to answer', hint: 'its log says why' });
  });
  return app;
}

function ready(call: Call, sources: HttpSources): Response {
  const readiness = sources.ready();
  const { ready } = readiness;
  return call.json(isStranger(call) ? { ready } : readiness, ready ? 200 : 503);
}

async function metrics(call: Call, sources: HttpSources): Promise<Response> {
  const text = await sources.metrics.text();
  return call.body(text, 200, { 'Content-Type': sources.metrics.contentType });
}

function overview(call: Call, sources: HttpSources): Response {
  return call.json(sources.overview());
}

function health(call: Call, sources: HttpSources): Response {
  return call.json(sources.health());
}

function why(call: Call, sources: HttpSources): Response {
  const id = call.req.param('id') ?? '';
  const found = sources.why.find(id);
  if (found !== undefined) return call.json(found);
  return refuse(call, 404, {
    error: `no message "${id}" is known`,
    hint: sources.why.memory(),
  });
}

async function plan(call: Call, sources: HttpSources): Promise<Response> {
  const text = await textOf(call, MAX_FILE_BYTES);
  if (text === undefined) {
    return refuse(call, 413, {
      error: 'the configuration is too large',
      hint: `at most ${MAX_FILE_BYTES} bytes`,
    });
  }
  const answer = await sources.plan(text);
  if (!('errors' in answer)) return call.json(answer);
  const problem = { error: 'this configuration would be rejected', hint: 'see errors' };
  return call.json({ ...problem, errors: answer.errors }, 422);
}

/** The body, however its length is told; `undefined`: it has more than `maxBytes`. */
async function textOf(call: Call, maxBytes: number): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  // What is left of it is for the connection to read: it has to hear the answer.
  for await (const chunk of call.req.raw.body?.values({ preventCancel: true }) ?? []) {
    bytes += chunk.length;
    if (bytes > maxBytes) return undefined;
    chunks.push(chunk);
  }
  return new TextDecoder().decode(Buffer.concat(chunks));
}

function config(call: Call, sources: HttpSources): Response {
  return call.json(sources.config());
}
