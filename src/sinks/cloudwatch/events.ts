import { jsonOf, type Message } from '../../message.ts';
import { LIMITS } from './limits.ts';
import { splitUp, truncated, wellFormed } from './oversize.ts';

/** What is done with a record that is longer than an event may be. */
export type Oversize = 'truncate' | 'split' | 'dead_letter';

/** One event of a call; a message makes one, or several if it is split. */
export interface LogEvent {
  /** Where it comes from. */
  readonly message: Message;
  /** Epoch milliseconds, whole. */
  readonly timestamp: number;
  readonly text: string;
  /** What it counts for in a call: its text in UTF-8, and 26. */
  readonly bytes: number;
}

/** The events of messages, in their order, and the messages that can have none, with the reason. */
export interface Events {
  readonly events: readonly LogEvent[];
  readonly refused: ReadonlyMap<Message, string>;
}

/** Makes events that CloudWatch Logs takes at `nowMs`, epoch milliseconds. */
export function eventsOf(messages: readonly Message[], oversize: Oversize, nowMs: number): Events {
  const events: LogEvent[] = [];
  const refused = new Map<Message, string>();
  for (const message of messages) {
    const timestamp = Math.floor(message.timeMs);
    const reason = outOfWindow(timestamp, nowMs);
    if (reason !== undefined) refused.set(message, reason);
    else {
      const texts = textsOf(message, oversize);
      if (texts.length === 0) refused.set(message, TOO_LONG);
      for (const text of texts) events.push(eventOf(message, timestamp, text));
    }
  }
  return { events, refused };
}

/** Reasons of dead letters, from a small set. */
export const TOO_OLD = 'older than the 14 days that CloudWatch Logs takes';
export const TOO_NEW = 'more than the 2 hours ahead that CloudWatch Logs takes';
export const EXPIRED = 'older than the retention of its log group';
const TOO_LONG = `longer than the ${LIMITS.messageBytes} bytes that CloudWatch Logs takes`;

function outOfWindow(timestamp: number, nowMs: number): string | undefined {
  if (timestamp > nowMs + LIMITS.maxAheadMs) return TOO_NEW;
  // Also what is no number.
  return timestamp >= nowMs - LIMITS.maxAgeMs ? undefined : TOO_OLD;
}

function textsOf(message: Message, oversize: Oversize): readonly string[] {
  const text = jsonOf(message);
  if (Buffer.byteLength(text) <= LIMITS.messageBytes) return [text];
  if (oversize === 'dead_letter') return [];
  const clean = wellFormed(text);
  if (oversize === 'split') return splitUp(message, clean, LIMITS.messageBytes);
  return [truncated(message, clean, LIMITS.messageBytes)];
}

function eventOf(message: Message, timestamp: number, text: string): LogEvent {
  const bytes = Buffer.byteLength(text);
  const clean = bytes === text.length ? text : wellFormed(text);
  return { message, timestamp, text: clean, bytes: bytes + LIMITS.eventOverheadBytes };
}
