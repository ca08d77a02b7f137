import type { Context as Call } from 'hono';
import { JOB_STATES, type JobState, type TimelineEntry } from '../correlate/view.ts';
import { compileSource } from '../live/filter.ts';
import { refuse } from './answer.ts';
import { BadQuery, limitOf, textParam, timeParam } from './params.ts';
import type { HttpSources } from './sources.ts';

const JOBS = { usual: 50, most: 500 };
const TIMELINE = { usual: 1000, most: 5000 };

/** `/api/v1/jobs` */
export async function jobs(call: Call, sources: HttpSources): Promise<Response> {
  const source = textParam(call, 'source');
  const filter = {
    states: call.req.query('state')?.split(',').map(stateOf),
    isSource: source === undefined ? undefined : compileSource(source),
    text: textParam(call, 'text')?.toLowerCase(),
    sinceMs: timeParam(call, 'since', sources.nowMs()),
  };
  const limit = limitOf(call, JOBS.usual, JOBS.most);
  const page = await sources.whole.jobs(limit, call.req.query('cursor'), filter);
  if (page === undefined)
    throw new BadQuery('cursor is not understood', 'give the `next` of the page before');
  return call.json(page);
}

function stateOf(text: string): JobState {
  const state = JOB_STATES.find((known) => known === text);
  if (state === undefined)
    throw new BadQuery('there is no such state', `use one of ${JOB_STATES.join(', ')}`);
  return state;
}

const FORGOTTEN = 'the sidecar remembers recent ones, and reads others from a postgres backend if it has one';

/** `/api/v1/jobs/:id` */
export async function job(call: Call, sources: HttpSources): Promise<Response> {
  const id = call.req.param('id') ?? '';
  const { view, ...origin } = await sources.whole.job(id);
  if (view !== undefined) return call.json({ ...paged(call, view), ...origin });
  return refuse(call, 404, {
    error: `no job "${id}" is known`,
    hint: `${origin.note ?? FORGOTTEN}; /api/v1/jobs lists them`,
  });
}

/** `/api/v1/traces/:id` */
export async function trace(call: Call, sources: HttpSources): Promise<Response> {
  const id = call.req.param('id') ?? '';
  const { view, ...origin } = await sources.whole.trace(id);
  if (view !== undefined) return call.json({ ...paged(call, view), ...origin });
  return refuse(call, 404, {
    error: `no trace "${id}" is known`,
    hint: `${origin.note ?? FORGOTTEN}; a job names its traces`,
  });
}

/**
 * The view with one page of its timeline; a cursor is the id of the last message shown. A record that was sent again
 * after a crash may be there twice: what counts is its last place, or pages would go round for ever.
 */
function paged<View extends { readonly timeline: readonly TimelineEntry[] }>(call: Call, view: View) {
  const limit = limitOf(call, TIMELINE.usual, TIMELINE.most);
  const cursor = call.req.query('cursor');
  const { timeline: all } = view;
  const start = cursor === undefined ? 0 : all.findLastIndex(({ id }) => id === cursor) + 1;
  const timeline = cursor !== undefined && start === 0 ? [] : all.slice(start, start + limit);
  const next = timeline.at(-1)?.id;
  const hasMore = timeline.length > 0 && start + limit < all.length;
  return { ...view, timeline, ...(hasMore && next !== undefined && { next }) };
}
