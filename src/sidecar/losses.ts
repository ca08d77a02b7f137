import type { SchedulerLike } from 'rxjs';
import type { Outcome } from '../deliver/outcome.ts';

/** Messages that did not come to a backend; nowhere, or dead letters without its doing. */
export interface Loss {
  readonly backend: string;
  readonly reason: string;
  readonly messages: number;
}

/** Counts what is lost. */
export interface Losses {
  /** Takes every outcome. */
  note(outcome: Outcome): void;
  /** Of the last minute. */
  recent(): readonly Loss[];
  /** What a backend's spool has given up unread since then: nobody knows which messages these were. */
  unreadSince(backend: string, sinceMs: number): readonly Loss[];
}

const RECENT_S = 60;
/** Seconds that are told apart; what was lost in older ones counts as lost in the oldest of them. */
const MAX_SECONDS = 3600;

interface Count {
  readonly backend: string;
  readonly reason: string;
  readonly isUnread: boolean;
  /** By second since the epoch. */
  readonly bySecond: Map<number, number>;
}

export function createLosses({ now }: Pick<SchedulerLike, 'now'>): Losses {
  const counts = new Map<string, Count>();
  const secondNow = () => Math.floor(now() / 1000);

  const add = ({ bySecond }: Count, messages: number) => {
    const second = secondNow();
    bySecond.set(second, (bySecond.get(second) ?? 0) + messages);
    if (bySecond.size <= MAX_SECONDS) return;
    const [[oldest, lost] = [0, 0], [next, others] = [0, 0]] = bySecond;
    bySecond.set(next, lost + others);
    bySecond.delete(oldest);
  };

  /** What was lost in the seconds that are meant. */
  const within = (wanted: readonly Count[], isMeant: (second: number) => boolean) =>
    wanted.flatMap(({ backend, reason, bySecond }) => {
      let messages = 0;
      for (const [second, lost] of bySecond) if (isMeant(second)) messages += lost;
      return messages === 0 ? [] : { backend, reason, messages };
    });

  return {
    note: ({ backend, ending, reason, messages, unread = 0 }) => {
      if (ending !== 'shed' && !(ending === 'dead_lettered' && isOurs(reason))) return;
      const key = `${backend} ${reason}`;
      const count = counts.get(key) ?? { backend, reason, isUnread: unread > 0, bySecond: new Map() };
      counts.set(key, count);
      add(count, messages.length + unread);
    },
    recent: () => {
      const last = secondNow();
      return within([...counts.values()], (second) => second > last - RECENT_S && second <= last);
    },
    unreadSince: (backend, sinceMs) => {
      const unread = [...counts.values()].filter((count) => count.isUnread && count.backend === backend);
      return within(unread, (second) => (second + 1) * 1000 > sinceMs);
    },
  };
}

/** Why messages become dead letters that no backend refused. */
const OPERATOR_FAILED = 'operator_failed';

/** Whether messages of this reason are dead letters that could not be kept. */
export const isUnwritten = (reason: string) => reason.endsWith('_unwritten');
const isOurs = (reason: string) => reason === OPERATOR_FAILED || isUnwritten(reason);

const WHY: Readonly<Record<string, string>> = {
  queue_full: 'as its queue is full',
  spool_full: 'as its spool is full',
  spool_expired: 'as they had waited in its spool for too long',
  spool_corrupt: 'as its spool is damaged',
  spool_failed: 'as its queue is full and the disk of its spool refuses',
  shutdown: 'as they could not be delivered before it was closed',
  drain_deadline: 'as operators of replaced rules held them for too long',
};

/** A loss as a warning. */
export function warningOf({ backend, reason, messages }: Loss): string {
  const why = isUnwritten(reason) ? 'and no dead letter is kept' : WHY[reason];
  const count = messages.toLocaleString('en-US');
  if (reason === OPERATOR_FAILED) {
    return `backend ${backend}: an operator failed ${count} times in the last minute; the messages are dead letters`;
  }
  const what = messages === 1 ? '1 message was' : `${count} messages were`;
  return `backend ${backend}: ${what} given up in the last minute, ${why ?? `reason ${reason}`}`;
}
