import type { Json, JsonObject } from '../message.ts';

/** An id as the envelope has it: '' where absent, with a flag for one that is kept but not standard. */
export interface Id {
  readonly id: string;
  readonly standard: boolean;
}

const MAX_ID_LENGTH = 64;
/** 32 lower-case hex digits, not all zero (W3C Trace Context). */
export const TRACE_ID = /^(?!0{32})[0-9a-f]{32}$/;
/** 16 lower-case hex digits, not all zero (W3C Trace Context). */
export const SPAN_ID = /^(?!0{16})[0-9a-f]{16}$/;
const ABSENT: Id = { id: '', standard: true };

function idOf(value: Json | undefined, form: RegExp): Id {
  if (value === undefined || value === null || value === '') return ABSENT;
  if (typeof value !== 'string' || value.length > MAX_ID_LENGTH) return { id: '', standard: false };
  const lower = value.toLowerCase();
  return form.test(lower) ? { id: lower, standard: true } : { id: value, standard: false };
}

/** `trace_id`: 32 lower-case hex digits, not all zero (W3C Trace Context); others up to 64 characters are kept. */
export const traceIdOf = (value: Json | undefined) => idOf(value, TRACE_ID);

/** `span_id`: 16 lower-case hex digits, not all zero (W3C Trace Context); others up to 64 characters are kept. */
export const spanIdOf = (value: Json | undefined) => idOf(value, SPAN_ID);

const MAX_JOB_ID_LENGTH = 256;

const jobText = (value: Json | undefined) => {
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' && value.length <= MAX_JOB_ID_LENGTH ? value : '';
};

const childOf = (data: JsonObject, key: string) => {
  const child = data[key];
  return child !== null && typeof child === 'object' && !Array.isArray(child)
    ? (child as JsonObject)
    : undefined;
};

/** The job id: the envelope's, else `data.job_id`, `data.context.job_id`, `data.tags.job_id`; '' where none. */
export function jobIdOf(envelope: Json | undefined, data: JsonObject): string {
  return (
    jobText(envelope) ||
    jobText(data.job_id) ||
    jobText(childOf(data, 'context')?.job_id) ||
    jobText(childOf(data, 'tags')?.job_id)
  );
}

const SOURCE = /^[^\p{C}\p{Zl}\p{Zp}]{1,128}$/u;

/** Whether a source is 1–128 printable characters. */
export const isSource = (source: string) => SOURCE.test(source);

/** Whether a type may be routed: 1–64 printable characters, known or not. */
export const isType = (type: string) => type.length <= 64 && SOURCE.test(type);

/** What a record has to be changed for to be taken; for one that is refused. */
export function faultOf({ source, type }: JsonObject): string {
  if (source === undefined) return 'it has no source';
  if (typeof source !== 'string' || !isSource(source))
    return 'its source is not 1 to 128 printable characters';
  if (type === undefined) return 'it has no type';
  if (typeof type !== 'string' || !isType(type)) return 'its type is not 1 to 64 printable characters';
  return 'its data is not an object';
}
