import type { Message } from '../message.ts';

const LF = 0x0a;
const OPEN_BRACE = 0x7b;
/** What follows the sender's part of a line. */
const BEFORE_ID = ',"id":"';
/** Times that `Date` can tell. */
const MAX_TIME_MS = 8.64e15;

const TEXTS = ['id', 'source', 'type', 'traceId', 'spanId', 'jobId'] as const;
const NUMBERS = ['timeMs', 'receivedMs', 'seq', 'severity'] as const;

/**
 * Whether what an operator emitted is a message whose line, length and id are its own, so that nothing behind the
 * operator can fail on it or read beside it. A spread message with `data` is none: the text would not have it.
 */
export function isMessage(value: unknown): value is Message {
  if (typeof value !== 'object' || value === null || 'data' in value) return false;
  const message = value as Message;
  return (
    TEXTS.every((key) => typeof message[key] === 'string') &&
    NUMBERS.every((key) => Math.abs(message[key]) <= MAX_TIME_MS) &&
    hasLine(message)
  );
}

function hasLine({ text, start, bytes, headBytes, id }: Message): boolean {
  if (!Buffer.isBuffer(text)) return false;
  const isInside =
    isPosition(start, text.length) && isPosition(bytes, text.length - start) && isPosition(headBytes, bytes);
  if (!isInside || text[start] !== OPEN_BRACE || text[start + bytes - 1] !== LF) return false;
  const added = `${BEFORE_ID}${id}"`;
  return text.toString('utf8', start + headBytes, start + headBytes + added.length) === added;
}

const isPosition = (value: number, end: number) => Number.isInteger(value) && value >= 0 && value <= end;
