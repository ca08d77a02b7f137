import type { Context as Call } from 'hono';
import type { LiveFilter } from '../live/filter.ts';
import { MOMENTS, parseMoment } from '../moment.ts';
import { severityOf } from '../severity.ts';
import type { Problem } from './answer.ts';

/** A question that cannot be answered; what the answer says of it. */
export class BadQuery extends Error {
  override readonly name = 'BadQuery';
  readonly problem: Problem;
  constructor(error: string, hint: string) {
    super(error);
    this.problem = { error, hint };
  }
}

/** Longest text of a filter. */
const MAX_TEXT = 256;

/** `limit`, from 1 to `most`. Throws `BadQuery`. */
export function limitOf(call: Call, usual: number, most: number): number {
  const limit = call.req.query('limit') ?? String(usual);
  const isUsable = /^\d{1,5}$/.test(limit) && Number(limit) >= 1 && Number(limit) <= most;
  if (!isUsable) throw new BadQuery('limit is not a usable number', `give one from 1 to ${most}`);
  return Number(limit);
}

/** A parameter of text; absent and '' are the same. Throws `BadQuery`. */
export function textParam(call: Call, name: string): string | undefined {
  const text = call.req.query(name);
  if (text === undefined || text === '') return undefined;
  if (text.length > MAX_TEXT) throw new BadQuery(`${name} is too long`, `at most ${MAX_TEXT} characters`);
  return text;
}

/** A point in time, RFC 3339 or a duration before `nowMs`, as epoch milliseconds. Throws `BadQuery`. */
export function timeParam(call: Call, name: string, nowMs: number): number | undefined {
  const text = textParam(call, name);
  if (text === undefined) return undefined;
  const ms = parseMoment(text, nowMs);
  if (ms === undefined) throw new BadQuery(`${name} is no time`, MOMENTS);
  return ms;
}

/** The filter of messages. Throws `BadQuery`. */
export function filterOf(call: Call): LiveFilter {
  const level = textParam(call, 'level');
  if (level !== undefined && severityOf(level) === 0) {
    throw new BadQuery('there is no such level', 'use one of trace, debug, info, warn, error, fatal');
  }
  return {
    source: textParam(call, 'source'),
    types: textParam(call, 'type')?.split(','),
    level,
    text: textParam(call, 'text'),
    job: textParam(call, 'job'),
    trace: textParam(call, 'trace'),
  };
}
