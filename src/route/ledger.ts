import { type Batch, createBatch } from '../batch.ts';
import type { BatchReason, Counters } from '../context.ts';
import { type Ending, type Outcome, outcome } from '../deliver/outcome.ts';
import type { Message } from '../message.ts';
import { bytesOf } from '../message-text.ts';

/** Takes what comes out of a chain. */
export type Destination = (result: Batch | Outcome) => void;

/** What happened in a chain during one synchronous turn, on its way out as batches and outcomes. */
export interface Ledger {
  emit(message: Message): void;
  /** `error`: what went wrong with it; '' if nothing. */
  end(ending: Ending, reason: string, message: Message, error?: string): void;
  add(count: number): void;
  /** Hands everything over and starts empty. `input` itself goes on if it came through unchanged. */
  flush(destination: Destination, reason: BatchReason, input?: Batch): void;
}

interface Ended {
  readonly ending: Ending;
  readonly messages: Message[];
  readonly errors: string[];
}

export function createLedger(backend: string, counters: Counters): Ledger {
  let out: Message[] = [];
  let ended = new Map<string, Ended>();
  let added = 0;
  return {
    emit(message) {
      out.push(message);
    },
    end(ending, reason, message, error = '') {
      let same = ended.get(reason);
      if (same === undefined) {
        same = { ending, messages: [], errors: [] };
        ended.set(reason, same);
      }
      same.messages.push(message);
      same.errors.push(error);
    },
    add(count) {
      added += count;
    },
    flush(destination, reason, input) {
      const [messages, outcomes, count] = [out, ended, added];
      if (count > 0) counters.added(backend, count);
      if (messages.length > 0) out = [];
      if (outcomes.size > 0) ended = new Map();
      added = 0;
      if (input !== undefined && isSame(messages, input.messages)) destination(input);
      else for (const batch of bySource(messages, reason)) destination(batch);
      for (const [why, { ending, messages: gone, errors }] of outcomes) {
        const end = outcome(ending, backend, why, gone);
        destination(errors.some((error) => error !== '') ? { ...end, errors } : end);
      }
    },
  };
}

const isSame = (messages: readonly Message[], others: readonly Message[]) =>
  messages.length === others.length && messages.every((message, at) => message === others[at]);

function bySource(messages: readonly Message[], reason: BatchReason): Batch[] {
  const sources = new Map<string, Message[]>();
  for (const message of messages) {
    const same = sources.get(message.source);
    if (same === undefined) sources.set(message.source, [message]);
    else same.push(message);
  }
  return [...sources.values()].map((each) => createBatch(each, bytesOf(each), reason));
}
