import {
  type Json,
  type JsonObject,
  type Message,
  recordOf,
  sentHas,
  sentTextOf,
  withText,
} from './message.ts';

/** Stands before the text of a number; a sender's text that has it, as it is or escaped, is not looked at. */
const MARK = '\ue000';
const HAS_MARK = /\xee\x80\x80|\\ue000/i;

/** Where a number begins that JavaScript may not write as it was: 2^53 has sixteen digits, the first a 9. */
const INEXACT = /[:,[]\s*-?(?:9[\d.]{15}|[\d.]{17}|[\d.]+e)/i;
const STRING_OR_NUMBER = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*/g;
const MARKED = new RegExp(`"${MARK}(-?\\d[\\d.eE+-]*)"`, 'g');

/**
 * The record, in which a number that JavaScript would write otherwise (`2^53 + 1`, `1e400`) is a text that
 * `exactNumber` reads and `withExactRecord` writes as the number that its sender sent. For operators.
 */
export function exactRecordOf(message: Message): JsonObject {
  if (!sentHas(message, INEXACT) || sentHas(message, HAS_MARK)) return recordOf(message);
  const text = sentTextOf(message).replace(STRING_OR_NUMBER, (token) =>
    token[0] === '"' || JSON.stringify(Number(token)) === token ? token : `"${MARK}${token}"`,
  );
  return JSON.parse(text) as JsonObject;
}

/** The digits of a number in a record by `exactRecordOf`, as its sender wrote them; `undefined` for other values. */
export function exactNumber(value: Json): string | undefined {
  return typeof value === 'string' && value.startsWith(MARK) ? value.slice(MARK.length) : undefined;
}

/** `withRecord` for a record by `exactRecordOf`. For operators. */
export function withExactRecord(message: Message, record: JsonObject): Message {
  const json = JSON.stringify(record);
  const exact = sentHas(message, HAS_MARK) ? json : json.replace(MARKED, '$1');
  return withText(message, exact, exact === json ? record : undefined);
}
