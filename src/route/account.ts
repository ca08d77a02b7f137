import { createKeyedQueue } from '../flow/keyed-queue.ts';
import type { Message } from '../message.ts';
import { detachMessage } from '../message-text.ts';

/** What one operator has taken in and not given back. Exact in number whatever the operator does. */
export interface Account {
  /** `message` goes in; until `settle` it is the one that the operator works on. */
  enter(message: Message): void;
  /** `message` came out. Returns how many came out since `settle` that had not gone in. */
  emitted(message: Message): number;
  /**
   * Squares the account: the operator says that it holds `held` messages, or nothing (`undefined`); what else is missing
   * was dropped.
   */
  settle(held: number | undefined): void;
  /** Empties the account of what was held. */
  abandon(each: (message: Message) => void): void;
  held(): number;
}

/** Of so many messages that were dropped last it is noticed when they come out after all. */
const REMEMBERED = 1024;

/** What an account says of messages. */
export interface AccountEvents {
  /** The operator has dropped it. */
  readonly dropped: (message: Message) => void;
  /** So many came out that had not gone in. */
  readonly added: (count: number) => void;
  /** One that had been taken for dropped came out, as the operator does not say what it holds; told once. */
  readonly late: () => void;
}

/**
 * Tells by ids what became of messages. In a message's own turn that is certain. Of messages held for later only
 * the number is known, so that the oldest stand for those dropped; should one of them come out after all, it
 * is set off against another that was dropped in its place.
 */
export function createAccount({ dropped, added, late }: AccountEvents): Account {
  /** By id; a second message of one id has a key of its own. */
  let pending = createKeyedQueue<unknown, Message>();
  let current: Message | undefined;
  let strangers = 0;
  /** Ids of what was dropped while the operator said nothing, in a ring. */
  const droppedIds: string[] = [];
  let droppedCount = 0;
  let isLate = false;

  const settleCurrent = (message: Message, held: number | undefined) => {
    current = undefined;
    if (held === undefined) droppedIds[droppedCount++ % REMEMBERED] = message.id;
    if (held === undefined || pending.size >= held) return dropped(message);
    // It may be held for long, and its batch's other messages need not be.
    detachMessage(message);
    pending.set(pending.has(message.id) ? {} : message.id, message);
  };

  const settlePending = (held: number) => {
    for (const [key, message] of pending) {
      if (pending.size <= held) return;
      pending.delete(key);
      if (strangers > 0) strangers--;
      else dropped(message);
    }
  };

  return {
    held: () => pending.size,
    enter(message) {
      current = message;
    },
    emitted(message) {
      if (current !== undefined && message.id === current.id) current = undefined;
      else if (pending.size === 0 || !pending.delete(message.id)) {
        strangers++;
        if (!isLate && droppedIds.includes(message.id)) {
          isLate = true;
          late();
        }
      }
      return strangers;
    },
    settle(held) {
      if (current !== undefined) settleCurrent(current, held);
      if (pending.size > 0) settlePending(held ?? 0);
      if (strangers > 0) added(strangers);
      strangers = 0;
    },
    abandon(each) {
      const abandoned = pending;
      pending = createKeyedQueue();
      for (const [, message] of abandoned) each(message);
    },
  };
}
