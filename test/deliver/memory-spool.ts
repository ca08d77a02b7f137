import type { SchedulerLike } from 'rxjs';
import type { Job } from '../../src/deliver/job.ts';
import type { OpenSpool } from '../../src/deliver/lane.ts';
import type { Item } from '../../src/deliver/spool/item.ts';
import type { Message } from '../../src/message.ts';
import { numberOf } from './fixtures.ts';

export interface MemorySpool {
  /** For `openLane`; each call is another lane's. */
  readonly open: OpenSpool;
  /** Numbers of messages that are in it or not done with, in order. */
  kept(): number[];
  /** Numbers of messages that were ever in it. */
  readonly seen: number[];
  /** Whether the disk refuses; what waits is given out only then. */
  fail(on: boolean): void;
}

type Loose = Omit<Job, 'order'>;

/** A spool of which only the time is real: an item can be taken `writeMs` after it was appended. */
export function memorySpool(
  scheduler: SchedulerLike,
  writeMs = 1,
  left: readonly Loose[] = [],
  durable = false,
  stored: (messages: readonly Message[]) => void = () => {},
): MemorySpool {
  let failing = false;
  let front: Loose[] = [];
  let pending: Loose[] = [];
  let written: Loose[] = [...left];
  const taken = new Set<Loose>();
  const seen: number[] = [];
  const users: (() => void)[] = [];
  let isTold = left.length > 0;
  let returned: Loose[] = [];
  const numbers = (jobs: Iterable<Item>) => [...jobs].flatMap(({ batch }) => batch.messages.map(numberOf));

  const write = () => {
    if (failing || pending.length === 0) return;
    written = [...written, ...pending.map((job) => ({ ...job, stored: durable }))];
    const now = pending;
    pending = [];
    if (durable) for (const { batch } of now) stored(batch.messages);
    for (const changed of [...users]) changed();
  };

  return {
    seen,
    kept: () => numbers([...front, ...taken, ...written, ...pending]),
    fail: (on) => {
      failing = on;
      write();
    },
    open: (changed) => {
      users.push(changed);
      return {
        append: (job) => {
          seen.push(...numbers([job]));
          pending.push(job);
          scheduler.schedule(write, writeMs);
        },
        take: () => {
          if (users[0] !== changed) return undefined;
          const back = returned.shift();
          if (back !== undefined) return back;
          const job = written.shift();
          if (job === undefined) return failing && !durable ? pending.shift() : undefined;
          taken.add(job);
          return { ...job, spooled: { left: job.batch.messages.length, done: () => taken.delete(job) } };
        },
        dropPending: (bytes) => {
          const dropped: Loose[] = [];
          let freed = 0;
          while (failing && freed < bytes && pending[0] !== undefined) {
            freed += pending[0].batch.bytes;
            dropped.push(pending.shift() as Loose);
          }
          return dropped;
        },
        release: (jobs) => {
          users.splice(users.indexOf(changed), 1);
          if (users.length > 0) {
            returned = [...returned, ...jobs];
            users[0]?.();
          } else front = [...front, ...jobs.filter(({ spooled }) => spooled === undefined)];
        },
        get pendingBytes() {
          return pending.reduce((sum, { batch }) => sum + batch.bytes, 0);
        },
        get isEmpty() {
          return pending.length + written.length + returned.length === 0;
        },
        get isDone() {
          return this.isEmpty && !failing && taken.size === 0;
        },
        get isTold() {
          return isTold;
        },
        set isTold(is) {
          isTold = is;
        },
        get isShort() {
          return users.length === 1 && !failing;
        },
      };
    },
  };
}
