import type { Step } from '../context.ts';
import type { Message } from '../message.ts';
import { putAside } from './aside.ts';
import { reviewBound } from './bound.ts';
import type { Ticket } from './breaker.ts';
import { finishIfDone } from './closing.ts';
import { ended, halvesOf, type Job, partOf } from './job.ts';
import { bury, emit, type LaneState, type Sending } from './lane-state.ts';
import { backoffMs, errorText, type Verdict, verdictOf } from './retry.ts';
import { sendOnce } from './send.ts';
import { type Partly, Permanent } from './sink.ts';
import { refill } from './spilling.ts';

/** A closing lane has seconds: it does not spend its last ones in a pause longer than this. */
const MAX_CLOSING_PAUSE_MS = 1000;

/** Sends what may be sent now; call it after every change that may allow more. Reentrant calls return at once. */
export function pump(lane: LaneState): void {
  if (lane.pumping) return;
  lane.pumping = true;
  refill(lane);
  while (maySend(lane)) {
    const nowMs = lane.context.scheduler.now();
    const job = lane.breaker.state === 'half-open' ? lane.queue.takeProbe(nowMs) : lane.queue.take(nowMs);
    if (job === undefined) break;
    start(lane, job);
  }
  lane.pumping = false;
  setDueAlarm(lane);
}

function maySend(lane: LaneState): boolean {
  return (
    lane.sending.length < lane.options.concurrency &&
    !lane.pauseAlarm.isSet() &&
    !lane.closed &&
    lane.breaker.permits()
  );
}

function setDueAlarm(lane: LaneState): void {
  const dueMs = maySend(lane) ? lane.queue.dueMs() : undefined;
  if (dueMs === undefined) {
    lane.dueAlarm.clear();
  } else if (!lane.dueAlarm.isSet() || lane.dueMs !== dueMs) {
    lane.dueMs = dueMs;
    lane.dueAlarm.set(dueMs - lane.context.scheduler.now());
  }
}

function start(lane: LaneState, job: Job): void {
  const { sink, options, context } = lane;
  const ticket = lane.breaker.begin();
  const sending: Sending = { job, subscription: undefined };
  const startedMs = context.scheduler.now();
  lane.unansweredSinceMs ??= startedMs;
  lane.sending.push(sending);
  count(lane, job, 1);
  const onProgress = () => {
    lane.unansweredSinceMs = context.scheduler.now();
  };
  const sent$ = sendOnce(sink, job, options.sendTimeoutMs, context.scheduler, onProgress);
  sending.subscription = sent$.subscribe((verdict) => {
    const at = lane.sending.indexOf(sending);
    if (at >= 0) lane.sending.splice(at, 1);
    count(lane, job, -1);
    const sent = { ...job, sends: job.sends + 1 };
    note(lane, sent, verdict, startedMs);
    settle(lane, sent, verdict, ticket);
  });
}

/** Tells the journal of an attempt; of many failures of the same messages the first, second, fourth, eighth … */
function note({ backend, context }: LaneState, job: Job, verdict: Verdict, startedMs: number): void {
  const { journal, scheduler } = context;
  if (journal === undefined) return;
  const { batch, target, sends } = job;
  const isAccepted = verdict.kind === 'accepted';
  if (!isAccepted && (sends & (sends - 1)) !== 0) return;
  const step: Step = {
    kind: 'tried',
    backend,
    attempt: sends,
    verdict: verdict.kind,
    error: isAccepted ? '' : errorText(verdict.error),
    place: isAccepted ? (verdict.place ?? target.key) : '',
    ms: scheduler.now() - startedMs,
  };
  for (const part of batch.parts ?? [batch]) journal.note(step, part.messages);
}

function count(lane: LaneState, { batch, whenFull }: Job, sign: 1 | -1): void {
  lane.sendingBytes += sign * batch.bytes;
  lane.sendingMessages += sign * batch.messages.length;
  if (whenFull === 'block') lane.sendingBlockingBytes += sign * batch.bytes;
}

/** What a verdict does to the job, then to the lane. */
function settle(lane: LaneState, job: Job, verdict: Verdict, ticket: Ticket): void {
  conclude(lane, job, verdict, ticket, lane.context.scheduler.now());
  lane.mayComeBack = true;
  reviewBound(lane, lane.context.scheduler.now());
  pump(lane);
  finishIfDone(lane);
}

function conclude(lane: LaneState, job: Job, verdict: Verdict, ticket: Ticket, nowMs: number): void {
  if (verdict.kind !== 'accepted') {
    lane.lastError = errorText(verdict.error);
    lane.lastErrorMs = nowMs;
  }
  switch (verdict.kind) {
    case 'accepted': {
      // What failed before and is taken now shows that the backend is back, not only that other targets were never gone.
      const isBack = lane.breaker.state === 'half-open' && job.failures > 0;
      answered(lane, ticket, nowMs);
      accepted(lane, job, nowMs);
      if (isBack) lane.queue.retryNow(nowMs);
      break;
    }
    case 'permanent':
      answered(lane, ticket, nowMs);
      refused(lane, job, verdict.error, nowMs);
      break;
    case 'partly':
      partly(lane, job, verdict.error, ticket, nowMs);
      break;
    case 'throttled': {
      const again = putAside(lane, inVain(job, verdict.error), nowMs);
      lane.retries++;
      lane.queue.putBack([again], 0, nowMs);
      pause(lane, verdict.retryAfterMs, nowMs);
      lane.breaker.answered(ticket);
      tellIfStuck(lane, again, nowMs);
      break;
    }
    case 'transient': {
      const failure = { ...inVain(job, verdict.error), failures: job.failures + 1 };
      const again = putAside(lane, failure, nowMs);
      failed(lane, again, verdict.error, nowMs);
      lane.breaker.failed(ticket, verdict.error);
      tellIfStuck(lane, again, nowMs);
    }
  }
}

const inVain = (job: Job, error: unknown): Job => ({
  ...job,
  vain: { sends: (job.vain?.sends ?? 0) + 1, error: errorText(error) },
});

/** One line a minute: any number of targets may be stuck. */
const STUCK_EVERY_MS = 60_000;

/** Tells the log of a target that takes nothing while the breaker, which tells of the whole backend, stays closed. */
function tellIfStuck(lane: LaneState, { vain, target }: Job, nowMs: number): void {
  const { backend, options, context, breaker } = lane;
  if (vain === undefined || vain.sends < options.breaker.failures || breaker.state !== 'closed') return;
  if (nowMs - lane.stuckLoggedMs < STUCK_EVERY_MS) return;
  lane.stuckLoggedMs = nowMs;
  context.log.warn(
    { backend, target: target.key, attempts: vain.sends, error: vain.error },
    'Messages wait, as their target does not take them',
  );
}

/** The backend asked for it: nothing new is sent meanwhile. Of several pauses the longest holds. */
function pause(lane: LaneState, pauseMs: number, nowMs: number): void {
  if (lane.pauseAlarm.isSet() && lane.pauseEndsMs >= nowMs + pauseMs) return;
  lane.pauseEndsMs = nowMs + pauseMs;
  lane.pauseAlarm.set(pauseMs);
}

/** The backend took or refused something: it makes progress. */
function answered(lane: LaneState, ticket: number, nowMs: number): void {
  lane.unansweredSinceMs = lane.sending.length > 0 ? nowMs : undefined;
  lane.breaker.answered(ticket);
}

function accepted(lane: LaneState, job: Job, nowMs: number): void {
  lane.queue.release(job, nowMs);
  delivered(lane, job, job.batch.messages);
}

function delivered(lane: LaneState, job: Job, messages: readonly Message[]): void {
  lane.sent += messages.length;
  emit(lane, 'delivered', 'ok', messages, job.stored);
  ended(job, messages.length);
}

/** Each message has one fate: taken, refused for a reason, or still to be sent as the cause says. */
function partly(lane: LaneState, job: Job, error: Partly, ticket: Ticket, nowMs: number): void {
  const { taken, refused, unsent } = fatesOf(job.batch.messages, error);
  if (unsent.length === job.batch.messages.length) {
    // No progress: whatever its cause, it must neither spin nor nest.
    const verdict = verdictOf(error.cause ?? error);
    conclude(lane, job, verdict.kind === 'partly' ? { kind: 'transient', error } : verdict, ticket, nowMs);
    return;
  }
  answered(lane, ticket, nowMs);
  if (taken.length > 0) delivered(lane, job, taken);
  for (const [reason, messages] of refused) bury(lane, job, 'permanent', reason, messages);
  if (unsent.length === 0) lane.queue.release(job, nowMs);
  else if (error.cause === undefined) lane.queue.putBack([partOf(job, unsent)], 0, nowMs);
  else conclude(lane, { ...partOf(job, unsent), vain: undefined }, verdictOf(error.cause), ticket, nowMs);
}

function fatesOf(messages: readonly Message[], { refused, unsent }: Partly) {
  const fates = { taken: [] as Message[], refused: new Map<string, Message[]>(), unsent: [] as Message[] };
  for (const message of messages) {
    const reason = refused.get(message);
    if (reason !== undefined) {
      const alike = fates.refused.get(reason);
      if (alike === undefined) fates.refused.set(reason, [message]);
      else alike.push(message);
    } else (unsent.has(message) ? fates.unsent : fates.taken).push(message);
  }
  return fates;
}

/** Halves the batch until the poison stands alone: at most 2·⌈log₂ n⌉ + 1 sends for one poison message. */
function refused(lane: LaneState, job: Job, error: unknown, nowMs: number): void {
  const isDivisible = !(error instanceof Permanent && error.scope === 'batch');
  if (isDivisible && job.batch.messages.length > 1) {
    lane.queue.putBack(halvesOf(job), 0, nowMs);
    return;
  }
  lane.queue.release(job, nowMs);
  bury(lane, job, 'permanent', error);
}

function failed(lane: LaneState, job: Job, error: unknown, nowMs: number): void {
  const { retry } = lane.options;
  if (job.failures >= retry.maxAttempts) {
    lane.queue.release(job, nowMs);
    bury(lane, job, 'retries_exhausted', error);
    return;
  }
  const maxMs = lane.deadlineMs === undefined ? retry.maxMs : Math.min(retry.maxMs, MAX_CLOSING_PAUSE_MS);
  const pauseMs = backoffMs(job.failures, { ...retry, maxMs }, lane.context.random);
  lane.retries++;
  lane.queue.putBack([job], nowMs + pauseMs, nowMs);
}
