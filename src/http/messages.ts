import type { Context as Call } from 'hono';
import { filterOf, limitOf } from './params.ts';
import type { HttpSources } from './sources.ts';

/** `/api/v1/messages` */
export function messages(call: Call, sources: HttpSources): Response {
  return call.json(sources.messages(filterOf(call), limitOf(call, 50, 500), call.req.query('cursor')));
}
