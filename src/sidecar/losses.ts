import type { SchedulerLike } from 'rxjs';
import type { Outcome } from '../deliver/outcome.ts';

/** Messages that did not come to a backend and are nowhere, in the last minute. */
export interface Loss {
  readonly backend: string;
  readonly reason: string;
  readonly messages: number;
}

/** Counts what is lost. */
export interface Losses {
  /** Takes every outcome. */
  note(outcome: Outcome): void;
  recent(): readonly Loss[];
}

const WINDOW_S = 60;

interface Count {
  readonly backend: string;
  readonly reason: string;
  /** By second since the epoch, those of the last minute. */
  readonly bySecond: Map<number, number>;
}

export function createLosses({ now }: Pick<SchedulerLike, 'now'>): Losses {
  const counts = new Map<string, Count>();
  const secondNow = () => Math.floor(now() / 1000);

  const forget = ({ bySecond }: Count) => {
    const last = secondNow();
    for (const second of bySecond.keys()) {
      if (second <= last - WINDOW_S || second > last) bySecond.delete(second);
    }
  };

  return {
    note: ({ backend, ending, reason, messages, unread = 0 }) => {
      if (ending !== 'shed' && !(ending === 'dead_lettered' && reason.endsWith('_unwritten'))) return;
      const key = `${backend} ${reason}`;
      const count = counts.get(key) ?? { backend, reason, bySecond: new Map() };
      counts.set(key, count);
      const second = secondNow();
      const before = count.bySecond.get(second);
      count.bySecond.set(second, (before ?? 0) + messages.length + unread);
      if (before === undefined) forget(count);
    },
    recent: () =>
      [...counts].flatMap(([key, count]) => {
        forget(count);
        const { backend, reason, bySecond } = count;
        if (bySecond.size === 0) counts.delete(key);
        const messages = [...bySecond.values()].reduce((sum, each) => sum + each, 0);
        return messages === 0 ? [] : { backend, reason, messages };
      }),
  };
}

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
  const why = reason.endsWith('_unwritten') ? 'and no dead letter is kept' : WHY[reason];
  const what = messages === 1 ? '1 message was' : `${messages.toLocaleString('en-US')} messages were`;
  return `backend ${backend}: ${what} given up in the last minute, ${why ?? `reason ${reason}`}`;
}
