import { append, type Chain, createChain, prepend, unlink } from '../flow/chain.ts';
import type { Message, Messages } from '../message.ts';
import { type Job, partOf } from './job.ts';
import type { Entry, Part, Parts } from './line.ts';
import { type PackedMessages, pack, unpack, unpackLater } from './packing.ts';
import { createSlab, type Slab } from './slab.ts';

/** What is shed first has the lowest rank; a type the sidecar does not know ranks as an event. */
const RANK_OF_TYPE: ReadonlyMap<string, number> = new Map([
  ['progress', 0],
  ['resource', 1],
  ['metric', 2],
  ['span', 3],
]);
const EVENT = 4;
const CRITICAL = 5;
const RANKS = 6;

interface Level {
  readonly priority: number;
  /** Entries in order of arrival; only at the ends are some that were not looked into yet. */
  readonly arrivals: Chain<Entry>;
  /** By rank: the entries with messages of it, in order of arrival. */
  readonly ranks: readonly Chain<Entry>[];
  /** By rank: memory of what waits. Of each rank the oldest is shed first. */
  readonly slabs: readonly Slab[];
}

/** Says that these messages of the entry were shed; its counts say what is left. Who looks at them does so at once. */
export type OnShed = (entry: Entry, messages: Messages, bytes: number) => void;

/** Who is shed first: the highest priority number, then by type, then the oldest. */
export interface ShedOrder {
  append(entry: Entry): void;
  prepend(entry: Entry): void;
  remove(entry: Entry): void;
  /** Sheds until `bytes` are free or nothing is left: critical messages alone, or all others. */
  shed(bytes: number, critical: boolean, onShed: OnShed): void;
}

/** A message is looked at only while the lane sheds. */
export function createShedOrder(isCritical: (message: Message) => boolean): ShedOrder {
  const levels: Level[] = [];
  /** What the present shedding was the first to look into. */
  let divided: Entry[] = [];

  const levelOf = (priority: number): Level => {
    for (const level of levels) if (level.priority === priority) return level;
    const level = createLevel(priority);
    levels.push(level);
    levels.sort((a, b) => b.priority - a.priority);
    return level;
  };

  const rankOf = (message: Message) =>
    isCritical(message) ? CRITICAL : (RANK_OF_TYPE.get(message.type) ?? EVENT);

  const divide = (level: Level, entry: Entry, add: typeof append) => {
    const { messages } = entry.job.batch;
    const ranks = messages.map(rankOf);
    const byRank: Part[] = [];
    const loads: Message[][] = [];
    for (let at = 0; at < messages.length; at++) {
      const rank = ranks[at] as number;
      const load = loads[rank] ?? [];
      if (load.length === 0) {
        const link = add(level.ranks[rank] as Chain<Entry>, entry);
        byRank[rank] = { messages: load, bytes: 0, shed: 0, link };
        loads[rank] = load;
      }
      load.push(messages[at] as Message);
      (byRank[rank] as Part).bytes += messages[at]?.bytes ?? 0;
    }
    entry.parts = { ranks, byRank };
    // Its parts have the messages, so that what is shed is not kept in memory by what is not.
    entry.job = husk(entry.job);
    divided.push(entry);
  };

  /** Divides what arrived at the end, and the retries that came back to the front, since the last shedding. */
  const divideNew = (level: Level) => {
    const arrived: Entry[] = [];
    for (let at = level.arrivals.last; at && !at.value.parts; at = at.before) arrived.push(at.value);
    for (const entry of arrived.reverse()) divide(level, entry, append);
    const returned: Entry[] = [];
    for (let at = level.arrivals.first; at && !at.value.parts; at = at.after) returned.push(at.value);
    for (const entry of returned.reverse()) divide(level, entry, prepend);
  };

  const remove = (entry: Entry) => {
    if (entry.arrival === undefined) return;
    const level = levelOf(entry.job.priority);
    unlink(level.arrivals, entry.arrival);
    entry.arrival = undefined;
    for (let rank = 0; rank < RANKS; rank++) leaveRank(level, rank, entry.parts?.byRank[rank]);
  };

  const shedRank = (level: Level, rank: number, bytes: number, onShed: OnShed): number => {
    let freed = 0;
    const chain = level.ranks[rank] as Chain<Entry>;
    for (let entry = chain.first?.value; entry && freed < bytes; entry = chain.first?.value) {
      const part = entry.parts?.byRank[rank] as Part;
      const before = part.bytes;
      const messages = shedFrom(part, bytes - freed);
      if (part.bytes === 0) leaveRank(level, rank, part);
      entry.messages -= messages.length;
      entry.bytes -= before - part.bytes;
      if (entry.messages === 0) remove(entry);
      onShed(entry, messages, before - part.bytes);
      if ('end' in messages) messages.end();
      freed += before - part.bytes;
    }
    return freed;
  };

  return {
    append: (entry) => {
      entry.arrival = append(levelOf(entry.job.priority).arrivals, entry);
    },
    prepend: (entry) => {
      entry.arrival = prepend(levelOf(entry.job.priority).arrivals, entry);
    },
    remove,
    shed: (bytes, critical, onShed) => {
      let left = bytes;
      for (const level of levels) {
        if (left <= 0) break;
        divideNew(level);
        for (let rank = critical ? CRITICAL : 0; rank <= (critical ? CRITICAL : EVENT); rank++) {
          left -= shedRank(level, rank, left, onShed);
        }
      }
      // What is left waits until its backend answers, or it is shed in its turn.
      for (const { job, parts } of divided) packAll(levelOf(job.priority), parts);
      divided = [];
    },
  };
}

function createLevel(priority: number): Level {
  const ranks = Array.from({ length: RANKS }, () => createChain<Entry>());
  const slabs = Array.from({ length: RANKS }, createSlab);
  return { priority, arrivals: createChain(), ranks, slabs };
}

function leaveRank(level: Level, rank: number, part: Part | undefined): void {
  if (part?.link === undefined) return;
  unlink(level.ranks[rank] as Chain<Entry>, part.link);
  part.link = undefined;
}

/** Takes the first messages out of a part, until `bytes` are free or it is empty. */
function shedFrom(part: Part, bytes: number): Messages | PackedMessages {
  if (part.bytes <= bytes && !Array.isArray(part.messages)) {
    const messages = unpackLater(part.messages);
    part.messages = [];
    part.bytes = 0;
    part.shed += messages.length;
    return messages;
  }
  const messages = takeAll(part);
  let freed = 0;
  let count = 0;
  if (part.bytes <= bytes) {
    freed = part.bytes;
    count = messages.length;
  }
  for (; count < messages.length && freed < bytes; count++) freed += messages[count]?.bytes ?? 0;
  part.messages = messages.slice(count);
  part.bytes -= freed;
  part.shed += count;
  return count === messages.length ? messages : messages.slice(0, count);
}

function packAll({ slabs }: Level, parts: Parts | undefined): void {
  for (const [rank, part] of parts?.byRank.entries() ?? []) {
    if (part === undefined || !Array.isArray(part.messages) || part.messages.length === 0) continue;
    part.messages = pack(part.messages, slabs[rank] as Slab);
  }
}

/** The messages of a part, which has none from then on. */
function takeAll(part: Part): readonly Message[] {
  const { messages } = part;
  part.messages = [];
  if (Array.isArray(messages)) return messages;
  const unpacked = unpack(messages).messages;
  messages.free();
  return unpacked;
}

/** The job without its messages. */
const husk = (job: Job): Job => ({
  ...job,
  batch: { ...job.batch, messages: [], parts: undefined, ndjson: undefined },
});

/** The entry's job with what was not shed of it, in its old order. The entry has nothing from then on. */
export function remainderOf({ job, parts }: Entry): Job {
  if (parts === undefined) return job;
  const left = parts.byRank.map((part) => (part === undefined ? [] : takeAll(part)));
  const seen = new Uint32Array(RANKS);
  const kept: Message[] = [];
  for (const rank of parts.ranks) {
    const { shed } = parts.byRank[rank] as Part;
    const nth = (seen[rank] as number)++;
    const message = left[rank]?.[nth - shed];
    if (message !== undefined) kept.push(message);
  }
  return partOf(job, kept);
}
