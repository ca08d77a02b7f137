import { createHeap } from './heap.ts';
import type { Job } from './job.ts';
import {
  createLine,
  type Entry,
  isBefore,
  isFull,
  joinBack,
  joinFront,
  type Line,
  takeOut,
  takeRun,
} from './line.ts';
import { BUSY_BYTES, type MergeLimits } from './sink.ts';

/** In which order jobs are sent. */
export interface Lines {
  append(entry: Entry, nowMs: number): void;
  /** Puts a retry before its line, whose key must be taken. */
  prepend(entry: Entry): void;
  remove(entry: Entry, nowMs: number): void;
  /** Says that an entry's batch is now this much less. */
  shrink(entry: Entry, messages: number, bytes: number): void;
  /** Takes out the next entries, all of one target, which may share a send; none if there are none due. */
  take(nowMs: number): Entry[];
  /** Takes out everything, oldest first. */
  clear(): Entry[];
  /** A taken key may be taken again. */
  release(key: string, nowMs: number): void;
  /** When the next line comes due: 0 now, `undefined` never. */
  dueMs(): number | undefined;
  /** Whether lines wait up to `maxAgeMs` for company. */
  setPatient(on: boolean, nowMs: number): void;
  retryNow(nowMs: number): void;
  heads(): Iterable<Entry>;
}

/**
 * Lowest priority number first, then oldest first; one target's jobs of one priority never overtake each other, and
 * no two of one key are out at once. O(log lines) an operation, O(1) with one target.
 *
 * States of a line: ready (in heap `ready`) → taken (its key busy, in no heap) → ready, or later (in heap `later`,
 * waiting for company or for a retry's time) → ready. A line without entries is forgotten.
 */
export function createLines(merge: MergeLimits, maxAgeMs: number, busyAgeMs = maxAgeMs): Lines {
  const levels = new Map<number, Map<string, Line>>();
  const busy = new Set<string>();
  const ready = createHeap(isBefore);
  const later = createHeap<Line>((a, b) => a.dueMs < b.dueMs);
  let patient = maxAgeMs > 0;
  let latestMs = 0;
  let isBusy = false;

  const lineOf = ({ priority, target: { key } }: Job): Line => {
    let level = levels.get(priority);
    if (level === undefined) {
      level = new Map();
      levels.set(priority, level);
    }
    let line = level.get(key);
    if (line === undefined) {
      line = createLine(key, priority);
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
    return patient && fresh && line.urgent === 0 && !isFull(line, merge)
      ? job.offeredMs + (isBusy ? busyAgeMs : maxAgeMs)
      : 0;
  };

  const place = (line: Line, nowMs: number) => {
    leave(line);
    const head = line.entries.first?.value;
    if (head === undefined || busy.has(line.key)) return;
    line.dueMs = dueOf(line, head, nowMs);
    line.heap = line.dueMs > nowMs ? later : ready;
    line.heap.push(line);
  };

  const forgetIfEmpty = (line: Line) => {
    if (line.entries.first === undefined) levels.get(line.priority)?.delete(line.key);
  };

  /** Makes lines due whose time has come; all retries if the clock was set back, as it no longer tells theirs. */
  const promote = (nowMs: number) => {
    if (nowMs < latestMs) retryNow(nowMs);
    latestMs = nowMs;
    for (let line = later.first(); line && line.dueMs <= nowMs; line = later.first()) place(line, nowMs);
  };

  const retryNow = (nowMs: number) => {
    for (const line of later.items()) {
      const head = line.entries.first?.value;
      if (head !== undefined) head.retryAtMs = 0;
      place(line, nowMs);
    }
  };

  return {
    append: (entry, nowMs) => {
      const line = lineOf(entry.job);
      joinBack(line, entry);
      if (line.heap !== ready) place(line, nowMs);
    },
    prepend: (entry) => joinFront(lineOf(entry.job), entry),
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
        if (head === undefined || busy.has(line.key) || dueOf(line, head, nowMs) > nowMs) {
          // Of a busy key, and placed when that is released; or not due any more, as part of it was shed.
          place(line, nowMs);
          continue;
        }
        busy.add(line.key);
        isBusy = line.bytes >= BUSY_BYTES;
        const run = takeRun(line, merge);
        forgetIfEmpty(line);
        return run;
      }
      return [];
    },
    clear: () => {
      const entries: Entry[] = [];
      for (const level of levels.values()) {
        for (const line of level.values()) {
          leave(line);
          for (let at = line.entries.first; at !== undefined; at = at.after) entries.push(at.value);
        }
      }
      levels.clear();
      return entries.sort((a, b) => a.job.order - b.job.order);
    },
    release: (key, nowMs) => {
      busy.delete(key);
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
    heads: function* () {
      for (const level of levels.values()) {
        for (const line of level.values()) if (line.entries.first) yield line.entries.first.value;
      }
    },
  };
}
