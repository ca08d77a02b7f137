import { append, type Chain, createChain, type Link, prepend, unlink } from '../flow/chain.ts';
import type { Message } from '../message.ts';
import type { Heap, Slotted } from './heap.ts';
import type { Job } from './job.ts';
import type { Packed } from './packing.ts';
import type { MergeLimits } from './sink.ts';

/** A waiting job and its places in the queue's structures. */
export interface Entry {
  job: Job;
  /** What was not shed of it: messages, and their bytes. */
  messages: number;
  bytes: number;
  /** A retry is not sent before, epoch milliseconds; 0: at any time. */
  retryAtMs: number;
  line: Line | undefined;
  inLine: Link<Entry> | undefined;
  /** Its place among what may be shed. */
  arrival: Link<Entry> | undefined;
  parts: Parts | undefined;
}

/** An entry's messages by rank, made when it is first looked into: each message is looked at once. */
export interface Parts {
  /** The rank of each message, in the batch's order. */
  readonly ranks: readonly number[];
  readonly byRank: readonly (Part | undefined)[];
}

export interface Part {
  /** What is left of the rank, in order, and its bytes. Packed if that is a while ago. */
  messages: Message[] | Packed;
  bytes: number;
  /** How many of the rank, the first ones, were shed. */
  shed: number;
  /** Its place in the level's chain of the rank, as long as anything is left. */
  link: Link<Entry> | undefined;
}

/** The jobs of one priority that wait for one target, in order. */
export interface Line extends Slotted {
  readonly key: string;
  readonly priority: number;
  readonly entries: Chain<Entry>;
  /** What one send of it may carry. */
  limits: MergeLimits;
  messages: number;
  bytes: number;
  /** Batches with a critical message: they do not wait for company. */
  urgent: number;
  dueMs: number;
  heap: Heap<Line> | undefined;
}

export function createLine(key: string, priority: number, limits: MergeLimits): Line {
  const entries = createChain<Entry>();
  return {
    key,
    priority,
    entries,
    limits,
    messages: 0,
    bytes: 0,
    urgent: 0,
    dueMs: 0,
    slot: -1,
    heap: undefined,
  };
}

/** Queues an entry behind all others of the line. */
export function joinBack(line: Line, entry: Entry): void {
  entry.line = line;
  entry.inLine = append(line.entries, entry);
  count(line, entry, 1);
}

/** Queues an entry before all others of the line. */
export function joinFront(line: Line, entry: Entry): void {
  entry.line = line;
  entry.inLine = prepend(line.entries, entry);
  count(line, entry, 1);
}

/** Takes an entry out of its line; its order may change, so the line must be in no heap. */
export function takeOut(entry: Entry): void {
  const { line, inLine } = entry;
  if (line === undefined || inLine === undefined) return;
  unlink(line.entries, inLine);
  entry.line = undefined;
  entry.inLine = undefined;
  count(line, entry, -1);
}

/** Takes out the head and what follows it as long as all of it fits into one send. A retry goes alone. */
export function takeRun(line: Line): Entry[] {
  const { limits } = line;
  const run: Entry[] = [];
  let messages = 0;
  let bytes = 0;
  for (let entry = line.entries.first?.value; entry; entry = line.entries.first?.value) {
    const { whenFull, spooled, stored } = entry.job;
    messages += entry.messages;
    bytes += entry.bytes;
    const first = run[0]?.job;
    const fits = messages <= limits.maxMessages && bytes <= limits.maxBytes;
    const isAlike =
      whenFull === first?.whenFull &&
      stored === first.stored &&
      (spooled === undefined) === (first.spooled === undefined);
    if (first && !(fits && first.sends === 0 && isAlike)) break;
    takeOut(entry);
    run.push(entry);
  }
  return run;
}

/** Whether a send would be as large as it may. */
export const isFull = ({ messages, bytes, limits }: Line): boolean =>
  messages >= limits.maxMessages || bytes >= limits.maxBytes;

/** The lower priority number first, then the older head. */
export function isBefore(a: Line, b: Line): boolean {
  if (a.priority !== b.priority) return a.priority < b.priority;
  return (a.entries.first?.value.job.order ?? 0) < (b.entries.first?.value.job.order ?? 0);
}

/** The fewer failures of its head first, then as above. */
export function hasFailedLess(a: Line, b: Line): boolean {
  const failures = failuresOf(a) - failuresOf(b);
  return failures === 0 ? isBefore(a, b) : failures < 0;
}

const failuresOf = ({ entries }: Line) => entries.first?.value.job.failures ?? 0;

function count(line: Line, { job, messages, bytes }: Entry, sign: 1 | -1): void {
  line.messages += sign * messages;
  line.bytes += sign * bytes;
  if (job.batch.reason === 'critical') line.urgent += sign;
}
