import type { Message } from '../message.ts';
import { append, type Chain, createChain, type Link, prepend, unlink } from './chain.ts';
import type { Entry } from './line.ts';

/** What is shed first has the lowest rank; a type the sidecar does not know ranks as an event. */
const RANK_OF_TYPE: ReadonlyMap<string, number> = new Map([
  ['progress', 0],
  ['resource', 1],
  ['metric', 2],
  ['span', 3],
]);
const EVENT = 4;
const CRITICAL = 5;

interface Level {
  readonly priority: number;
  /** Entries in order of arrival; only the ends may not have been looked into yet. */
  readonly arrivals: Chain<Entry>;
  /** By rank: the entries with at least one message of it, in order of arrival. */
  readonly ranks: readonly Chain<Entry>[];
}

/** Says that `messages` were shed of the entry, which keeps `kept`; none means that it is gone. */
export type OnShed = (entry: Entry, kept: readonly Message[], messages: readonly Message[]) => void;

/** Who is shed first: the highest priority number, then by type, then the oldest. */
export interface ShedOrder {
  append(entry: Entry): void;
  prepend(entry: Entry): void;
  remove(entry: Entry): void;
  /** Sheds until `bytes` are free or nothing is left: critical messages alone, or all others. */
  shed(bytes: number, critical: boolean, onShed: OnShed): void;
}

/** A message is looked at only while the lane sheds, and then a bounded number of times. */
export function createShedOrder(isCritical: (message: Message) => boolean): ShedOrder {
  const levels: Level[] = [];

  const rankOf = (message: Message) =>
    isCritical(message) ? CRITICAL : (RANK_OF_TYPE.get(message.type) ?? EVENT);

  const levelOf = (priority: number): Level => {
    const found = levels.find((level) => level.priority === priority);
    if (found !== undefined) return found;
    const ranks = Array.from({ length: CRITICAL + 1 }, () => createChain<Entry>());
    const level = { priority, arrivals: createChain<Entry>(), ranks };
    levels.push(level);
    levels.sort((a, b) => b.priority - a.priority);
    return level;
  };

  const rank = (level: Level, entry: Entry, add: typeof append) => {
    const links: (Link<Entry> | undefined)[] = new Array(CRITICAL + 1).fill(undefined);
    for (const message of entry.job.batch.messages) {
      const at = rankOf(message);
      links[at] ??= add(level.ranks[at] as Chain<Entry>, entry);
    }
    entry.ranks = links;
  };

  /** Ranks what arrived at the end, and the retries that came back to the front, since the last shedding. */
  const rankNew = (level: Level) => {
    const arrived: Entry[] = [];
    for (let at = level.arrivals.last; at && !at.value.ranks; at = at.before) arrived.push(at.value);
    for (const entry of arrived.reverse()) rank(level, entry, append);
    const returned: Entry[] = [];
    for (let at = level.arrivals.first; at && !at.value.ranks; at = at.after) returned.push(at.value);
    for (const entry of returned.reverse()) rank(level, entry, prepend);
  };

  const unrank = (level: Level, entry: Entry, at: number) => {
    const link = entry.ranks?.[at];
    if (link === undefined || entry.ranks === undefined) return;
    unlink(level.ranks[at] as Chain<Entry>, link);
    entry.ranks[at] = undefined;
  };

  const remove = (entry: Entry) => {
    if (entry.arrival === undefined) return;
    const level = levelOf(entry.job.priority);
    unlink(level.arrivals, entry.arrival);
    entry.arrival = undefined;
    for (let at = 0; at <= CRITICAL; at++) unrank(level, entry, at);
  };

  const shedRank = (level: Level, at: number, bytes: number, onShed: OnShed): number => {
    let freed = 0;
    const chain = level.ranks[at] as Chain<Entry>;
    for (let entry = chain.first?.value; entry && freed < bytes; entry = chain.first?.value) {
      const kept: Message[] = [];
      const shed: Message[] = [];
      let remain = false;
      for (const message of entry.job.batch.messages) {
        const matches = rankOf(message) === at;
        if (matches && freed < bytes) {
          shed.push(message);
          freed += message.bytes;
        } else {
          kept.push(message);
          remain ||= matches;
        }
      }
      if (kept.length === 0) remove(entry);
      else if (!remain) unrank(level, entry, at);
      onShed(entry, kept, shed);
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
        if (left <= 0) return;
        rankNew(level);
        for (let at = critical ? CRITICAL : 0; at <= (critical ? CRITICAL : EVENT); at++) {
          left -= shedRank(level, at, left, onShed);
        }
      }
    },
  };
}
