import type { Context as Call } from 'hono';
import { parseDuration } from '../config/units.ts';
import { compileSource } from '../live/filter.ts';
import { refuse } from './answer.ts';
import { BadQuery, limitOf, textParam, timeParam } from './params.ts';
import type { HttpSources } from './sources.ts';

const HOUR_MS = 3_600_000;

const sourceOf = (call: Call) => {
  const source = textParam(call, 'source');
  return source === undefined ? undefined : compileSource(source);
};

const nothingKept = (call: Call) =>
  refuse(call, 404, {
    error: 'this sidecar keeps no values of metrics',
    hint: 'ask the backend that the metrics go to',
  });

/** `/api/v1/metrics/series` */
export function series(call: Call, { windows }: HttpSources): Response {
  const filter = { isSource: sourceOf(call), name: textParam(call, 'name') };
  const limit = limitOf(call, 50, 500);
  if (windows === undefined) return nothingKept(call);
  return call.json(windows.series(filter, limit, call.req.query('cursor')));
}

/** `/api/v1/metrics/query` */
export async function query(call: Call, { windows, nowMs }: HttpSources): Promise<Response> {
  const name = textParam(call, 'name');
  if (name === undefined) throw new BadQuery('name is missing', '/api/v1/metrics/series lists names');
  const now = nowMs();
  const fromMs = timeParam(call, 'from', now) ?? now - HOUR_MS;
  const toMs = timeParam(call, 'to', now) ?? now;
  if (fromMs >= toMs) throw new BadQuery('there is no time between from and to', 'from comes before to');
  const asked = { name, isSource: sourceOf(call), tags: tagsOf(call), fromMs, toMs, stepMs: stepOf(call) };
  return windows === undefined ? nothingKept(call) : call.json(await windows.query(asked));
}

function stepOf(call: Call): number | undefined {
  const text = textParam(call, 'step');
  if (text === undefined) return undefined;
  const stepMs = parseDuration(text);
  if (stepMs === undefined || stepMs <= 0) throw new BadQuery('step is no duration', 'write 10s, 1m, 1h');
  return stepMs;
}

function tagsOf(call: Call): readonly (readonly [string, string])[] {
  return (call.req.queries('tag') ?? []).map((tag) => {
    const at = tag.indexOf(':');
    if (at < 1) throw new BadQuery('tag is not understood', 'write tag=key:value');
    return [tag.slice(0, at), tag.slice(at + 1)];
  });
}
