import type { Context } from '../context.ts';

/** Every reason for which ingest refuses a frame or a connection, with what it means. The set is closed. */
export const REJECTIONS = {
  utf8: 'a frame is not valid UTF-8 and was discarded',
  json: 'a frame is not valid JSON and was discarded',
  not_object: 'a frame is not a JSON object or a MessagePack map and was discarded',
  schema: 'a record is not as it must be and was discarded',
  too_large: 'a frame exceeds max_frame and was discarded',
  too_deep: 'a record is nested too deeply',
  too_many: 'a MessagePack record declares more than 65,536 elements',
  msgpack: 'a frame is not valid MessagePack',
  truncated: 'the connection ended inside a frame, which was discarded',
  bad_length: 'a length prefix exceeds max_frame; the connection is closed',
  bad_lines: 'more than 100 lines and more than half of all were bad within 10 s; the connection is closed',
  auth: 'a client did not say hello with the token of `auth.token`; the connection is closed',
  session: 'a client broke the rules of its session; the connection is closed',
  duplicate: 'a record was sent again and ignored: its session had sent it before',
  frame_timeout: 'a frame was not completed in time; the connection is closed',
  first_byte:
    'the first byte opens none of NDJSON, MessagePack and length-prefixed frames; the connection is closed',
  http: 'this port takes telemetry records, not HTTP; the connection is closed',
  tls_hello:
    'a TLS client called this port, which is plain: set `tls` on the listener, or turn TLS off in the client',
  tls_handshake: 'a TLS handshake failed',
  connection_cap: 'the listener has its maximum of connections; new ones are closed until some end',
  connection_error: 'a connection broke',
  accept_error: 'the system could not hand over a connection; check the limit of open files',
} as const;

/** Why ingest refuses a frame or a connection; the `reason` of `counters.rejected`. */
export type Rejection = keyof typeof REJECTIONS;

/**
 * Counts one refusal and explains it in the log: the first of its reason as a warning, later ones for debugging; a
 * broken connection always for debugging.
 */
export type Reject = (reason: Rejection, cause?: string) => void;

/** A `Reject` for one connection; `remote` says whose. */
export function rejectionsOf(connection: { id: number; remote: string }, context: Context): Reject {
  let explained: Rejection[] = NONE;
  return (reason, cause) => {
    context.counters.rejected(reason);
    const fields = { connection: connection.id, remote: connection.remote, reason, ...(cause && { cause }) };
    const isNew = reason !== 'connection_error' && !explained.includes(reason);
    if (isNew && mayWarn(reason, context)) {
      context.log.warn(fields, `ingest: ${REJECTIONS[reason]}`);
    } else {
      context.log.debug(fields, `ingest: ${REJECTIONS[reason]}`);
    }
    if (isNew) explained = [...explained, reason];
  };
}

/** Counts and explains the refusal of a record, for which no connection is known any more; `cause` says what it lacks. */
export function rejectRecord(cause: string, context: Context): void {
  const reason = 'schema';
  context.counters.rejected(reason);
  const level = mayWarn(reason, context) ? 'warn' : 'debug';
  context.log[level]({ reason, cause }, `ingest: ${REJECTIONS[reason]}`);
}

const NONE: Rejection[] = [];
const WARN_EVERY_MS = 10_000;
const lastWarnedMs = new WeakMap<Context, Map<Rejection, number>>();

/** One warning a reason in ten seconds over all connections: a port scan must not become a log flood. */
function mayWarn(reason: Rejection, context: Context): boolean {
  const warned = lastWarnedMs.get(context) ?? new Map<Rejection, number>();
  lastWarnedMs.set(context, warned);
  const nowMs = context.scheduler.now();
  if (nowMs - (warned.get(reason) ?? Number.NEGATIVE_INFINITY) < WARN_EVERY_MS) return false;
  warned.set(reason, nowMs);
  return true;
}
