import type { BatchReason } from '../context.ts';
import type { Fact, ReadableJournal } from '../journal.ts';
import { KEPT_PER_SECOND } from '../kept.ts';
import { isoTime, type Message } from '../message.ts';
import type { BackendStory, MessageView, Why, WhyMatches, WhyState, WhyView } from './view.ts';

/** Of many messages so many are listed. */
const MAX_MATCHES = 50;

/** What a backend's spool has given up since then, without knowing which messages these were. */
type UnreadSince = (
  backend: string,
  sinceMs: number,
) => readonly { readonly reason: string; readonly messages: number }[];

/** The journal as it is shown. */
export function createWhy(journal: ReadableJournal, unreadSince: UnreadSince = () => []): Why {
  return {
    find: (id) => {
      const facts = journal.factsOf(id);
      const noted = facts.flatMap(({ messages = [] }) => messages).find((one) => one.id === id);
      if (noted !== undefined) return storyOf(noted, facts, unreadSince);
      const all = journal.messages();
      const waiting = all.find((one) => one.id === id);
      if (waiting === undefined) return matchesOf(all.filter(wantedBy(id)));
      return storyOf(waiting, facts, unreadSince);
    },
    memory: () => {
      const sinceMs = journal.sinceMs();
      if (sinceMs === undefined) return 'nothing is remembered yet';
      return `what is remembered begins ${isoTime(sinceMs)}; above ${KEPT_PER_SECOND} messages a second it is a part of them, and what was shed or became a dead letter`;
    },
  };
}

/** A job, a trace, or `source:seq`. */
function wantedBy(id: string): (message: Message) => boolean {
  const [, source, seq] = /^(.+):(\d+)$/.exec(id) ?? [];
  return (message) =>
    (id !== '' && (message.jobId === id || message.traceId === id)) ||
    (message.source === source && message.seq === Number(seq) && message.seq > 0);
}

function matchesOf(found: readonly Message[]): WhyMatches | undefined {
  if (found.length === 0) return undefined;
  return { matches: found.slice(-MAX_MATCHES).map(viewOf), total: found.length };
}

const viewOf = ({ id, source, type, timeMs, receivedMs, jobId, traceId, seq }: Message): MessageView => ({
  id,
  source,
  type,
  timestamp: isoTime(timeMs),
  received_at: isoTime(receivedMs),
  ...(jobId !== '' && { job_id: jobId }),
  ...(traceId !== '' && { trace_id: traceId }),
  ...(seq !== 0 && { seq }),
});

const CLOSED_FOR: Readonly<Record<BatchReason, string>> = {
  count: 'it had as many messages as it may',
  age: 'its first message had waited long enough',
  bytes: 'it was as large as it may',
  critical: 'it had a critical message',
  flush: 'its client asked for an answer, or the input or the rules changed',
};

function storyOf(message: Message, facts: readonly Fact[], unreadSince: UnreadSince): WhyView {
  const batched = facts.find(({ step }) => step.kind === 'batched');
  const backends = new Set(facts.flatMap(({ step }) => ('backend' in step ? step.backend : [])));
  return {
    message: viewOf(message),
    ...(batched?.step.kind === 'batched' && {
      batch: {
        id: batched.step.batch,
        size: batched.step.size,
        closed: isoTime(batched.atMs),
        because: CLOSED_FOR[batched.step.reason],
      },
    }),
    backends: [...backends].map((backend) =>
      backendStory(
        backend,
        facts.filter(({ step }) => 'backend' in step && step.backend === backend),
        unreadSince,
      ),
    ),
  };
}

function backendStory(backend: string, facts: readonly Fact[], unreadSince: UnreadSince): BackendStory {
  const rules: string[] = [];
  const attempts: BackendStory['attempts'][number][] = [];
  const story: { -readonly [Key in keyof BackendStory]?: BackendStory[Key] } = {};
  let state: WhyState = 'waiting';
  let because = 'it is on its way';
  for (const { atMs, step } of facts) {
    const time = isoTime(atMs);
    if (step.kind === 'matched') {
      rules.push(step.rule);
      state = 'in_operators';
      because = 'the rule’s operators hold it, or have made another message of it';
    } else if (step.kind === 'queued') {
      story.queued = time;
      story.target = step.target;
      state = 'waiting';
      because = 'it waits in the backend’s queue or spool, or is being sent';
    } else if (step.kind === 'tried') {
      const { attempt, verdict, ms, error, place } = step;
      attempts.push({ time, attempt, result: verdict, ms, ...(error !== '' && { error }) });
      if (place !== '') story.place = place;
      state = 'retrying';
      because = `it is sent again: ${error}`;
    } else if (step.kind === 'ended') {
      story.ended = time;
      state = step.ending as WhyState;
      because = reasonOf(step.ending, step.reason, step.error);
    }
  }
  const sinceMs = facts.at(-1)?.atMs;
  if (sinceMs !== undefined && (state === 'waiting' || state === 'retrying')) {
    because += unreadSince(backend, sinceMs).map(perhapsLost).join('');
  }
  return { backend, state, because, rules, attempts, ...story };
}

const perhapsLost = ({ reason, messages }: ReturnType<UnreadSince>[number]): string =>
  `, or it is among ${messages.toLocaleString('en-US')} given up since then: ${REASONS[reason] ?? reason}`;

const REASONS: Readonly<Record<string, string>> = {
  ok: 'the backend has taken it',
  not_routed: 'no rule sends its source to this backend',
  filter: 'the rule’s filter does not take it',
  drain_deadline: 'operators of replaced rules held it for too long',
  queue_full: 'the queue was full, and the backend made no progress',
  spool_full: 'the spool was full',
  spool_expired: 'it waited in the spool for too long',
  spool_failed: 'the queue was full, and the disk of the spool refused',
  shutdown: 'the sidecar ended before it could be delivered',
  permanent: 'the backend will never take it',
  retries_exhausted: 'it failed as often as it may',
  operator_failed: 'an operator failed on it',
  operator_restart: 'an operator held it and started afresh, as it failed on another message',
  no_backend: 'the backend is in the configuration no more',
};

function reasonOf(ending: string, reason: string, error = ''): string {
  const [kind = '', name = ''] = reason.replace(/_unwritten$/, '').split(':');
  const said = REASONS[kind] ?? (kind === 'operator' ? `operator ${name} dropped it` : reason);
  const why = error === '' ? said : `${said}: ${error}`;
  const isLost = reason.endsWith('_unwritten');
  if (ending !== 'dead_lettered') return why;
  return `${why}; ${isLost ? 'no dead letter could be kept of it' : 'sidecar dlq shows it'}`;
}
