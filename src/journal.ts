import type { SchedulerLike } from 'rxjs';
import type { Journal, Step } from './context.ts';
import { createSampling } from './journal/sampling.ts';
import { FLOOD_PER_SECOND, KEPT_IN_FLOOD, KEPT_PER_SECOND } from './kept.ts';
import type { Message, Messages } from './message.ts';
import { ownCopyOf } from './message-text.ts';

/** What is remembered, at most. */
export interface JournalLimits {
  /** Messages; 0 turns the journal off. */
  readonly maxMessages: number;
  /** Bytes of their JSON. */
  readonly maxBytes: number;
}

/** Something that happened to messages. */
export interface Fact {
  readonly atMs: number;
  readonly step: Step;
  readonly ids: readonly string[];
  /** The messages themselves, where they were seen first or their way ended badly. */
  readonly messages: readonly Message[] | undefined;
}

/** A journal that can be read. Reading costs O(what is remembered). */
export interface ReadableJournal extends Journal {
  /** What happened to a message, in order. */
  factsOf(id: string): readonly Fact[];
  /**
   * The messages that are remembered, and those of open batches, in order of arrival whichever batch they are in. Those of
   * one millisecond are in order of their ids, so that none moves when its batch closes.
   */
  messages(): readonly Message[];
  setLimits(limits: JournalLimits): void;
  /** When the oldest of what is remembered happened, epoch milliseconds; `undefined` if nothing did. */
  sinceMs(): number | undefined;
}

/** Of messages whose way ends badly so many a second are remembered besides. */
const ENDS_PER_SECOND = 500;
/** Steps of a message that are remembered, on average. */
const STEPS = 12;
/** What the array of facts may have in front of the first that counts, before it is cut. */
const SLACK = 1024;
/** Stands there for facts that were forgotten, so that nothing of them is kept. */
const FORGOTTEN: Fact = {
  atMs: 0,
  step: { kind: 'matched', backend: '', rule: '' },
  ids: [],
  messages: undefined,
};

/** A ring: what is new drives out what is old. */
export function createJournal(initial: JournalLimits, { now }: Pick<SchedulerLike, 'now'>): ReadableJournal {
  const sampling = createSampling({
    kept: KEPT_PER_SECOND,
    flood: FLOOD_PER_SECOND,
    keptInFlood: KEPT_IN_FLOOD,
  });
  let limits = initial;
  let facts: Fact[] = [];
  let waiting: () => readonly Message[] = () => [];
  let first = 0;
  const held = { messages: 0, bytes: 0, ids: 0 };
  const ends = { second: 0, messages: 0 };

  const count = ({ ids, messages = [] }: Fact, sign: 1 | -1) => {
    held.ids += sign * ids.length;
    held.messages += sign * messages.length;
    for (const { bytes } of messages) held.bytes += sign * bytes;
  };

  const isOver = () =>
    held.messages > limits.maxMessages ||
    held.bytes > limits.maxBytes ||
    held.ids > limits.maxMessages * STEPS;

  const add = (fact: Fact) => {
    facts.push(fact);
    count(fact, 1);
    for (let oldest = facts[first]; oldest !== undefined && isOver(); oldest = facts[first]) {
      count(oldest, -1);
      facts[first++] = FORGOTTEN;
    }
    if (first < SLACK || first < facts.length / 2) return;
    facts = facts.slice(first);
    first = 0;
  };

  /** Whether a bad end of messages that are not covered may be remembered all the same. */
  const mayKeepEnd = (nowMs: number, messages: number) => {
    const second = Math.floor(nowMs / 1000);
    if (second !== ends.second) ends.messages = 0;
    ends.second = second;
    ends.messages += messages;
    return ends.messages <= ENDS_PER_SECOND;
  };

  const note = (step: Step, all: Messages) => {
    if (limits.maxMessages === 0) return;
    const oldest = all.at(0);
    const newest = all.at(-1);
    if (oldest === undefined || newest === undefined) return;
    const isNew = step.kind === 'batched';
    if (isNew) sampling.seen(newest.receivedMs, all.length);
    const isBad = step.kind === 'ended' && (step.ending === 'shed' || step.ending === 'dead_lettered');
    const isAny = isBad && mayKeepEnd(now(), all.length);
    // All that most batches cost at full rate.
    if (!isAny && !sampling.covers(oldest.receivedMs) && !sampling.covers(newest.receivedMs)) return;
    const messages = isAny ? all : all.filter(({ receivedMs }) => sampling.covers(receivedMs));
    if (messages.length === 0) return;
    if (isNew) sampling.kept(newest.receivedMs, messages.length);
    const isFirst = isNew || isAny;
    // Copies: a few messages of a batch must not keep all of its text in memory.
    const kept = isFirst ? messages.map(ownCopyOf) : undefined;
    add({ atMs: now(), step, ids: messages.map(({ id }) => id), messages: kept });
  };

  return {
    note,
    factsOf: (id) => facts.slice(first).filter(({ ids }) => ids.includes(id)),
    batching: (list) => {
      waiting = list;
    },
    messages: () => {
      const noted = facts
        .slice(first)
        .flatMap(({ step, messages = [] }) => (step.kind === 'batched' ? messages : []));
      const open = limits.maxMessages === 0 ? [] : waiting().slice(-limits.maxMessages);
      return [...noted, ...open].sort((a, b) => a.receivedMs - b.receivedMs || (a.id < b.id ? -1 : 1));
    },
    setLimits: (next) => {
      limits = next;
      if (isOver()) {
        facts = [];
        first = 0;
        Object.assign(held, { messages: 0, bytes: 0, ids: 0 });
      }
    },
    sinceMs: () => facts[first]?.atMs,
  };
}
