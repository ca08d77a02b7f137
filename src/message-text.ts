// Where the text of messages lies: with its batch, or elsewhere for whoever keeps it longer.
import { copyOf } from './arena.ts';
import type { Message } from './message.ts';

/** Moves a message's text to memory of its own: for whoever holds on to it without its batch. */
export function detachMessage(message: Message): void {
  const { text, start, bytes } = message;
  // One that an operator has frozen keeps its text where it is.
  if (Object.isFrozen(message)) return;
  message.text = Buffer.from(text.subarray(start, start + bytes));
  message.start = 0;
}

/** A copy of `message` that no batch moves, for whoever keeps it longer than its batch lives; all share one. */
export function ownCopyOf(message: Message): Message {
  if (message.ownCopy !== undefined) return message.ownCopy;
  const { text, start, bytes } = message;
  const copy = { ...message, ...copyOf(text, start, start + bytes) };
  if (!Object.isFrozen(message)) message.ownCopy = copy;
  return copy;
}

/** Bytes of the lines of messages. */
export function bytesOf(messages: readonly Message[]): number {
  let bytes = 0;
  for (const message of messages) bytes += message.bytes;
  return bytes;
}

/** Copies the lines of messages to `target`, from `at` on, one after the other. */
export function copyLines(messages: readonly Message[], target: Buffer, at: number): void {
  let from: Buffer | undefined;
  let first = 0;
  let last = 0;
  let end = at;
  for (const message of messages) {
    // What was written in a row is copied in one piece.
    if (message.text !== from || message.start !== last) {
      if (from !== undefined) end += from.copy(target, end, first, last);
      from = message.text;
      first = message.start;
      last = first;
    }
    last += message.bytes;
  }
  from?.copy(target, end, first, last);
}

/** Copies the lines of messages into a buffer of their own, which from then on has their text. */
export function gatherLines(messages: readonly Message[]): Buffer {
  const gathered = Buffer.allocUnsafe(bytesOf(messages));
  copyLines(messages, gathered, 0);
  try {
    moveTo(gathered, messages);
  } catch {
    // An operator has frozen one: to ask each would cost as much as the rest.
    moveTo(gathered, messages, Object.isFrozen);
  }
  return gathered;
}

/** Says that the text of messages is in `gathered`; of those that stay, it is where it was. */
function moveTo(
  gathered: Buffer,
  messages: readonly Message[],
  stays: (message: Message) => boolean = () => false,
): void {
  let end = 0;
  for (const message of messages) {
    if (!stays(message)) {
      message.text = gathered;
      message.start = end;
    }
    end += message.bytes;
  }
}
