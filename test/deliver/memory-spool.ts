import type { SchedulerLike } from 'rxjs';
import type { Job } from '../../src/deliver/job.ts';
import type { OpenSpool } from '../../src/deliver/lane.ts';
import type { Item } from '../../src/deliver/spool/item.ts';
import type { Aside } from '../../src/deliver/spool/spool.ts';
import type { Message } from '../../src/message.ts';
import { numberOf } from './fixtures.ts';

export interface MemorySpool {
  /** For `openLane`; each call is another lane's. */
  readonly open: OpenSpool;
  /** Numbers of messages that are in it or not done with, in order. */
  kept(): number[];
  /** Bytes that were passed by. */
  passedBytes(): number;
  /** Numbers of messages that were ever in it. */
  readonly seen: number[];
  /** Whether the disk refuses; what waits is given out only then. */
  fail(on: boolean): void;
}

type Loose = Omit<Job, 'order'>;

/** So many are read at once. */
const PIECE = 10;

/** A spool of which only the time is real: an item can be taken `writeMs` after it was appended. */
export function memorySpool(
  scheduler: SchedulerLike,
  writeMs = 1,
  left: readonly Loose[] = [],
  durable = false,
  stored: (messages: readonly Message[]) => void = () => {},
): MemorySpool {
  let failing = false;
  let passedBytes = 0;
  let front: Loose[] = [];
  let pending: Loose[] = [];
  const written: Loose[] = [...left];
  const taken = new Set<Loose>();
  /** Where a job was when it was written. */
  const places = new Map<Loose, number>(left.map((job, place) => [job, place]));
  /** By target. */
  const back = new Map<string, Loose[]>();
  const seen: number[] = [];
  const users: (() => void)[] = [];
  let isTold = left.length > 0;
  let returned: Loose[] = [];
  const numbers = (jobs: Iterable<Item>) => [...jobs].flatMap(({ batch }) => batch.messages.map(numberOf));

  const write = () => {
    if (failing || pending.length === 0) return;
    for (const job of pending) {
      const one = { ...job, stored: durable };
      places.set(one, places.size);
      written.push(one);
    }
    const now = pending;
    pending = [];
    if (durable) for (const { batch } of now) stored(batch.messages);
    for (const changed of [...users]) changed();
  };

  const putBack = (job: Loose) => {
    taken.delete(job);
    const list = back.get(job.target.key) ?? [];
    list.push(job);
    back.set(
      job.target.key,
      list.toSorted((a, b) => places.get(a)! - places.get(b)!),
    );
  };
  const takeBack = (aside: Aside) => {
    for (const [target, jobs] of back) if (!aside.has(target) && jobs.length > 0) return jobs.shift();
    return undefined;
  };

  return {
    seen,
    passedBytes: () => passedBytes,
    kept: () => numbers([...front, ...taken, ...[...back.values()].flat(), ...written, ...pending]),
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
        take: (aside = new Set()) => {
          if (users[0] !== changed) return undefined;
          const first = returned.shift();
          if (first !== undefined) return first;
          let job = takeBack(aside) ?? written.shift();
          for (let passed = 0; job !== undefined && aside.has(job.target.key); job = written.shift()) {
            putBack(job);
            passedBytes += job.batch.bytes;
            if (++passed < PIECE) continue;
            scheduler.schedule(changed, 1);
            return undefined;
          }
          if (job === undefined) {
            const at = pending.findIndex(({ target: { key } }) => !back.get(key)?.length && !aside.has(key));
            return failing && !durable && at >= 0 ? pending.splice(at, 1)[0] : undefined;
          }
          taken.add(job);
          const messages = job.batch.messages.length;
          const frame = { target: job.target.key, messages, putBack: () => putBack(job) };
          return { ...job, spooled: { left: messages, done: () => taken.delete(job), frame } };
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
        get passedBytes() {
          return passedBytes;
        },
        get pendingBytes() {
          return pending.reduce((sum, { batch }) => sum + batch.bytes, 0);
        },
        get isEmpty() {
          return [pending, written, returned, ...back.values()].every(({ length }) => length === 0);
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
