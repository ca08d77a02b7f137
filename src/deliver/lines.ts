import { createHeap } from './heap.ts';
import type { Job } from './job.ts';
import {
  createLine,
  type Entry,
  hasFailedLess,
  isBefore,
  isFull,
  joinBack,
  joinFront,
  type Line,
  takeOut,
  takeRun,
} from './line.ts';
import type { QueueOptions } from './queue.ts';
import { BUSY_BYTES } from './sink.ts';

/** What of a queue's options is about sending. */
export type LinesOptions = Omit<QueueOptions, 'isCritical'>;

/**
 * So many keys are kept though nothing of them waits. A map that gains and loses a key with each send leaves a trail of
 * old tables, and V8 keeps what was in them until its next full collection.
 */
const KEPT_KEYS = 64;

/** In which order jobs are sent. */
export interface Lines {
  append(entry: Entry, nowMs: number): void;
  /** Puts a retry before its line; `release` of its key must follow. */
  prepend(entry: Entry): void;
  remove(entry: Entry, nowMs: number): void;
  /** Says that an entry's batch is now this much less. */
  shrink(entry: Entry, messages: number, bytes: number): void;
  /** Takes out the next entries, all of one target, which may share a send; none if there are none due. */
  take(nowMs: number): Entry[];
  /** The same for a probe: those of the line that failed least, whatever their priority, and retries before their time. */
  takeProbe(nowMs: number): Entry[];
  /** Takes out everything, in no order. */
  clear(): Entry[];
  /** Gives back one taking of a key. */
  release(key: string, nowMs: number): void;
  /** When the next line comes due: 0 now, `undefined` never. */
  dueMs(): number | undefined;
  /** Whether lines wait up to `maxAgeMs` for company. */
  setPatient(on: boolean, nowMs: number): void;
  retryNow(nowMs: number): void;
  heads(): Iterable<Entry>;
  headsOf(key: string): readonly Entry[];
  /** All entries, in no order. */
  entries(): Entry[];
}

/**
 * Lowest priority number first, then oldest first; one target's jobs of one priority are taken in their order, and no
 * more than `perTarget` of one key are out at once; where several have been out, one fewer, as one that hangs must leave
 * a send to the others. O(log lines) an operation, O(1) with one target.
 *
 * States of a line: ready (in heap `ready`) → taken (in no heap while its key is busy) → ready, or later (in heap
 * `later`, waiting for company or for a retry's time) → ready. A line without entries is forgotten if there are many. `limitsOf` says
 * anew with every job that joins a line what one send of it may carry; until then `merge` holds.
 */
export function createLines({
  merge,
  limitsOf,
  maxAgeMs,
  busyAgeMs = maxAgeMs,
  perTarget = 1,
}: LinesOptions): Lines {
  const levels = new Map<number, Map<string, Line>>();
  /** How many of a key are out. */
  const out = new Map<string, number>();
  const ready = createHeap(isBefore);
  const later = createHeap<Line>((a, b) => a.dueMs < b.dueMs);
  let patient = maxAgeMs > 0;
  let latestMs = 0;
  /** Whether the last send was a large one. */
  let isLarge = false;

  const isBusy = (key: string) => {
    const isOneOfMany = out.size > 1 && perTarget > 1;
    return (out.get(key) ?? 0) >= (isOneOfMany ? perTarget - 1 : perTarget);
  };

  const lineOf = ({ priority, target: { key } }: Job): Line => {
    let level = levels.get(priority);
    if (level === undefined) {
      level = new Map();
      levels.set(priority, level);
    }
    let line = level.get(key);
    if (line === undefined) {
      line = createLine(key, priority, merge);
      level.set(key, line);
    }
    return line;
  };

  const leave = (line: Line) => {
    line.heap?.remove(line);
    line.heap = undefined;
  };

  const dueOf = (line: Line, { job, retryAtMs }: Entry, nowMs: number) => {
    if (retryAtMs > 0) return retryAtMs;
    const fresh = job.sends === 0 && job.offeredMs <= nowMs;
    return patient && fresh && line.urgent === 0 && !isFull(line)
      ? job.offeredMs + (isLarge ? busyAgeMs : maxAgeMs)
      : 0;
  };

  const place = (line: Line, nowMs: number) => {
    leave(line);
    const head = line.entries.first?.value;
    if (head === undefined || isBusy(line.key)) return;
    line.dueMs = dueOf(line, head, nowMs);
    line.heap = line.dueMs > nowMs ? later : ready;
    line.heap.push(line);
  };

  const forgetIfEmpty = (line: Line) => {
    const level = levels.get(line.priority);
    if (line.entries.first === undefined && (level?.size ?? 0) > KEPT_KEYS) level?.delete(line.key);
  };

  /** Makes lines due whose time has come; all retries if the clock was set back, as it no longer tells theirs. */
  const promote = (nowMs: number) => {
    if (nowMs < latestMs) retryNow(nowMs);
    latestMs = nowMs;
    for (let line = later.first(); line && line.dueMs <= nowMs; line = later.first()) place(line, nowMs);
  };

  const retryNow = (nowMs: number) => {
    for (const level of levels.values()) for (const line of level.values()) forgetRetryTimes(line);
    for (const line of later.items()) place(line, nowMs);
  };

  const takeFrom = (line: Line, nowMs: number) => {
    leave(line);
    out.set(line.key, (out.get(line.key) ?? 0) + 1);
    isLarge = line.bytes >= BUSY_BYTES;
    const run = takeRun(line);
    forgetIfEmpty(line);
    place(line, nowMs);
    return run;
  };

  const entries = () => {
    const all: Entry[] = [];
    for (const level of levels.values()) {
      for (const line of level.values()) {
        for (let at = line.entries.first; at !== undefined; at = at.after) all.push(at.value);
      }
    }
    return all;
  };

  const mayProbe = (line: Line, nowMs: number) => {
    const head = line.entries.first?.value;
    if (head === undefined || isBusy(line.key)) return false;
    return head.job.sends > 0 || dueOf(line, head, nowMs) <= nowMs;
  };

  return {
    append: (entry, nowMs) => {
      const line = lineOf(entry.job);
      joinBack(line, entry);
      if (limitsOf !== undefined) line.limits = limitsOf(entry.job);
      if (line.heap !== ready) place(line, nowMs);
    },
    prepend: (entry) => {
      const line = lineOf(entry.job);
      leave(line);
      joinFront(line, entry);
    },
    remove: (entry, nowMs) => {
      const { line } = entry;
      if (line === undefined) return;
      // Out of the heap first: its order is its head's.
      leave(line);
      takeOut(entry);
      forgetIfEmpty(line);
      place(line, nowMs);
    },
    shrink: ({ line }, messages, bytes) => {
      if (line === undefined) return;
      line.messages -= messages;
      line.bytes -= bytes;
    },
    take: (nowMs) => {
      promote(nowMs);
      for (let line = ready.first(); line !== undefined; line = ready.first()) {
        leave(line);
        const head = line.entries.first?.value;
        if (head === undefined || isBusy(line.key) || dueOf(line, head, nowMs) > nowMs) {
          // Of a busy key, and placed when that is released; or not due any more, as part of it was shed.
          place(line, nowMs);
          continue;
        }
        return takeFrom(line, nowMs);
      }
      return [];
    },
    takeProbe: (nowMs) => {
      let least: Line | undefined;
      for (const level of levels.values()) {
        for (const line of level.values()) {
          if (!mayProbe(line, nowMs)) {
            // See `take`.
            if (line.heap === ready) place(line, nowMs);
          } else if (least === undefined || hasFailedLess(line, least)) least = line;
        }
      }
      return least === undefined ? [] : takeFrom(least, nowMs);
    },
    clear: () => {
      const all = entries();
      for (const level of levels.values()) for (const line of level.values()) leave(line);
      levels.clear();
      return all;
    },
    release: (key, nowMs) => {
      const left = (out.get(key) ?? 1) - 1;
      if (left === 0 && out.size > KEPT_KEYS) out.delete(key);
      else out.set(key, left);
      for (const level of levels.values()) {
        const line = level.get(key);
        if (line !== undefined) place(line, nowMs);
      }
    },
    dueMs: () => (ready.first() === undefined ? later.first()?.dueMs : 0),
    setPatient: (on, nowMs) => {
      if (patient === (on && maxAgeMs > 0)) return;
      patient = !patient;
      for (const line of later.items()) place(line, nowMs);
    },
    retryNow,
    entries,
    headsOf: (key) =>
      Array.from(levels.values(), (level) => level.get(key)?.entries.first?.value ?? []).flat(),
    heads: function* () {
      for (const level of levels.values()) {
        for (const line of level.values()) if (line.entries.first) yield line.entries.first.value;
      }
    },
  };
}

/** Retries stand before all others of their line. */
function forgetRetryTimes({ entries }: Line): void {
  for (let at = entries.first; at !== undefined && at.value.job.sends > 0; at = at.after)
    at.value.retryAtMs = 0;
}
