/**
 * tail-sample: decides on whole traces once it is known how they went.
 *
 * A trace is kept if anything in it failed (an event of level error or above; a status error, failed or failure)
 * or took longer than `slow` (a span, or the trace by its messages' times). Of the others the fraction `sample`
 * is kept, told by the trace id, so that every sidecar decides alike. Until a trace is decided its messages wait
 * here; one that is to be kept goes on at once, with all that follows.
 *
 * The others are dropped when their root span ends or when nothing came for `wait`. A trace with an open span is
 * kept then: silence in a span is a slow span. What comes later goes the trace's way, but a failure is always
 * kept. Messages without a trace pass.
 *
 *   sample       fraction of the traces with nothing remarkable. Default: 0.1
 *   slow         a duration; a trace that takes so long is kept. Default: 5s
 *   wait         a duration; a trace from which nothing came for so long is decided. One that goes on is held
 *                longer, until it is slow. Default: 30s
 *   max_traces   undecided traces held; past it, the one silent for longest is decided by what is known of it.
 *                Default: 10000
 *   max_bytes    the same for their messages. Default: 64MiB
 *   max_decided  decisions remembered for what comes late. Default: 100000 (10 to 20 MB)
 *
 *   operators:
 *     - use: tail-sample
 *       sample: 0.05
 *       slow: 2s
 *
 * On a reload that changes this operator and at the end, undecided traces are decided by what is known.
 */
import {
  createKeyedQueue,
  dataOf,
  duration,
  fractionOf,
  type Message,
  type Operator,
  type OperatorContext,
  severityOf,
  size,
} from 'monitoring-sidecar';
import { Observable, type Subscription } from 'rxjs';
import { z } from 'zod';

const count = z.int().min(1).max(10_000_000);

const options = z.strictObject({
  sample: z.number().min(0).max(1).default(0.1),
  slow: duration().prefault('5s'),
  wait: duration().prefault('30s'),
  max_traces: count.default(10_000),
  max_bytes: size().prefault('64MiB'),
  max_decided: count.default(100_000),
});

type Options = z.output<typeof options>;

/** An undecided trace. */
interface Trace {
  readonly messages: Message[];
  bytes: number;
  firstMs: number;
  lastMs: number;
  /** When the last message came, by our clock. */
  touchedMs: number;
  readonly open: Set<string>;
}

const SEVERE = severityOf('error');
const FAILED: ReadonlySet<unknown> = new Set(['error', 'failed', 'failure']);
const WARN_EVERY_MS = 60_000;

const tailSample: Operator<Options> = (settings, context) => (message$) =>
  new Observable((subscriber) => {
    const { sample, slow, wait, max_traces, max_bytes } = settings;
    const { scheduler } = context;
    const pass = (message: Message) => subscriber.next(message);
    /** Silent for longest first. */
    const traces = createKeyedQueue<string, Trace>();
    const decided = createDecisions(settings.max_decided);
    const warn = createWarning(context);
    let held = 0;
    let heldBytes = 0;
    let timer: Subscription | undefined;
    context.holding(() => held);

    const decide = (id: string, trace: Trace, isKept: boolean) => {
      traces.delete(id);
      decided.set(id, isKept);
      held -= trace.messages.length;
      heldBytes -= trace.bytes;
      if (isKept) trace.messages.forEach(pass);
    };

    const decideSilent = () => {
      timer = undefined;
      const nowMs = scheduler.now();
      for (const [id, trace] of traces) {
        const silentMs = nowMs - trace.touchedMs;
        // A negative silence is a clock set back: the true one is unknown, so it is long enough.
        if (silentMs >= 0 && silentMs < wait) return arm(wait - silentMs);
        decide(id, trace, trace.open.size > 0);
      }
    };
    const arm = (dueMs: number) => {
      timer ??= scheduler.schedule(decideSilent, dueMs);
    };

    const decideEarly = () => {
      for (const [id, trace] of traces) {
        if (traces.size <= max_traces && heldBytes <= max_bytes) return;
        warn();
        decide(id, trace, trace.open.size > 0);
      }
    };

    const hold = (message: Message): Trace => {
      const trace = traces.get(message.traceId) ?? createTrace(message);
      traces.set(message.traceId, trace);
      follow(trace, message, scheduler.now());
      held++;
      heldBytes += message.bytes;
      arm(wait);
      return trace;
    };

    const next = (message: Message) => {
      const id = message.traceId;
      if (id === '' || fractionOf(id) < sample) return pass(message);
      const isKept = decided.get(id);
      const remarkable = isRemarkable(message, slow);
      if (isKept !== undefined) {
        if (remarkable) decided.set(id, true);
        if (isKept || remarkable) pass(message);
        return;
      }
      const trace = hold(message);
      if (remarkable || trace.lastMs - trace.firstMs >= slow) decide(id, trace, true);
      else if (isRootEnd(message) && trace.open.size === 0) decide(id, trace, false);
      else decideEarly();
    };

    subscriber.add(() => timer?.unsubscribe());
    subscriber.add(
      message$.subscribe({
        next,
        error: (error) => subscriber.error(error),
        complete: () => {
          for (const [id, trace] of traces) decide(id, trace, trace.open.size > 0);
          subscriber.complete();
        },
      }),
    );
  });

tailSample.options = options;
export default tailSample;

const createTrace = ({ timeMs }: Message): Trace => ({
  messages: [],
  bytes: 0,
  firstMs: timeMs,
  lastMs: timeMs,
  touchedMs: 0,
  open: new Set(),
});

function follow(trace: Trace, message: Message, nowMs: number): void {
  trace.messages.push(message);
  trace.bytes += message.bytes;
  trace.firstMs = Math.min(trace.firstMs, message.timeMs);
  trace.lastMs = Math.max(trace.lastMs, message.timeMs);
  trace.touchedMs = nowMs;
  if (message.type !== 'span') return;
  const { phase } = dataOf(message);
  if (phase === 'start') trace.open.add(message.spanId);
  else if (phase === 'end') trace.open.delete(message.spanId);
}

function isRemarkable(message: Message, slowMs: number): boolean {
  if (message.severity >= SEVERE) return true;
  const { status, duration_us } = dataOf(message);
  if (typeof status === 'string' && FAILED.has(status.toLowerCase())) return true;
  return message.type === 'span' && typeof duration_us === 'number' && duration_us >= slowMs * 1000;
}

function isRootEnd(message: Message): boolean {
  if (message.type !== 'span') return false;
  const { phase, parent_span_id } = dataOf(message);
  return phase === 'end' && (parent_span_id ?? '') === '';
}

/** What was decided of traces; past `max` the oldest decision is forgotten. */
function createDecisions(max: number) {
  const kept = createKeyedQueue<string, boolean>();
  return {
    get: (id: string) => kept.get(id),
    set(id: string, isKept: boolean) {
      kept.set(id, isKept);
      for (const [oldest] of kept) {
        if (kept.size <= max) break;
        kept.delete(oldest);
      }
    },
  };
}

/** Counts the traces decided early, and says so at once, then once a minute. */
function createWarning({ name, log, scheduler }: OperatorContext): () => void {
  let warnedMs = Number.NEGATIVE_INFINITY;
  let early = 0;
  return () => {
    early++;
    const nowMs = scheduler.now();
    if (Math.abs(nowMs - warnedMs) < WARN_EVERY_MS) return;
    log.warn(
      { operator: name, traces: early },
      `${name} is full: traces are decided early (max_traces, max_bytes)`,
    );
    warnedMs = nowMs;
    early = 0;
  };
}
