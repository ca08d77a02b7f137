import { type Json, type Message, recordOf } from '../message.ts';

/** Reads one field of a message; `undefined` where it has none. */
export type Field = (message: Message) => Json | undefined;

/** What the sidecar knows of every message without parsing it, and knows better: ids that it found out. */
const ENVELOPE: Readonly<Record<string, (message: Message) => string>> = {
  source: (message) => message.source,
  type: (message) => message.type,
  trace_id: (message) => message.traceId,
  span_id: (message) => message.spanId,
  job_id: (message) => message.jobId,
};

/** Compiles a dotted path into the record, such as `data.context.user`; array elements by index. */
export function field(path: string): Field {
  const known = Object.hasOwn(ENVELOPE, path) ? ENVELOPE[path] : undefined;
  if (known !== undefined) return (message) => known(message) || undefined;
  const keys = path.split('.');
  return (message) => {
    let value: Json | undefined = recordOf(message);
    for (const key of keys) {
      if (value === null || typeof value !== 'object' || !Object.hasOwn(value, key)) return undefined;
      value = (value as { readonly [key: string]: Json | undefined })[key];
    }
    return value;
  };
}
