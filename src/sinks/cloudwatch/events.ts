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

/** Messages that get no event, with the reason. */
export type Refused = Map<Message, string>;

/** Reasons of dead letters. */
export const REASONS = {
  tooOld: 'older than the 14 days that CloudWatch Logs takes',
  tooNew: 'more than the 2 hours ahead that CloudWatch Logs takes',
  expired: 'older than the retention of its log group',
  tooLong: `longer than the ${LIMITS.messageBytes} bytes that CloudWatch Logs takes`,
} as const;

/**
 * The events of messages in order of time, those of one time in the order of the messages. What CloudWatch Logs does
 * not take at `nowMs` (epoch milliseconds) is added to `refused`. Lazy, so that no text is made long before it is sent.
 */
export function* eventsOf(
  messages: readonly Message[],
  oversize: Oversize,
  nowMs: number,
  refused: Refused,
): Generator<LogEvent, void, undefined> {
  const taken = messages.filter((message) => {
    const reason = outOfWindow(message.timeMs, nowMs);
    if (reason !== undefined) refused.set(message, reason);
    return reason === undefined;
  });
  for (const message of inOrder(taken)) {
    const texts = textsOf(message, oversize);
    if (texts.length === 0) refused.set(message, REASONS.tooLong);
    for (const text of texts) yield eventOf(message, text);
  }
}

function outOfWindow(timeMs: number, nowMs: number): string | undefined {
  if (timeMs > nowMs + LIMITS.maxAheadMs) return REASONS.tooNew;
  // Also what is no number.
  return Math.floor(timeMs) >= nowMs - LIMITS.maxAgeMs ? undefined : REASONS.tooOld;
}

function inOrder(messages: readonly Message[]): readonly Message[] {
  const isInOrder = messages.every(({ timeMs }, at) => timeMs >= (messages[at - 1]?.timeMs ?? timeMs));
  return isInOrder ? messages : messages.toSorted((a, b) => a.timeMs - b.timeMs);
}

function textsOf(message: Message, oversize: Oversize): readonly string[] {
  const text = jsonOf(message);
  if (Buffer.byteLength(text) <= LIMITS.messageBytes) return [text];
  if (oversize === 'dead_letter') return [];
  const clean = wellFormed(text);
  if (oversize === 'split') return splitUp(message, clean, LIMITS.messageBytes);
  return [truncated(message, clean, LIMITS.messageBytes)];
}

function eventOf(message: Message, text: string): LogEvent {
  const bytes = Buffer.byteLength(text);
  return {
    message,
    timestamp: Math.floor(message.timeMs),
    text: bytes === text.length ? text : wellFormed(text),
    bytes: bytes + LIMITS.eventOverheadBytes,
  };
}
