import { isoTime, type Message } from '../../message.ts';

/** Room for what stands around a part of a text: the envelope with its ids cut to `MAX_VALUE`, and the numbers. */
const MAX_VALUE = 512;

/** The text with U+FFFD for each half of a surrogate pair that stands alone: as long in UTF-8, where it cannot be. */
export const wellFormed = (text: string): string => text.replace(/[\ud800-\udfff]/gu, '\ufffd');

/** Bytes of UTF-8 that a JSON string needs for a UTF-16 unit of well-formed text; a surrogate pair has two halves. */
function weightOf(unit: number): number {
  // `"` and `\`; of the control characters those with an escape of their own: \b \t \n \f \r.
  if (unit === 0x22 || unit === 0x5c) return 2;
  if (unit < 0x20) return unit >= 0x08 && unit <= 0x0d && unit !== 0x0b ? 2 : 6;
  if (unit < 0x80) return 1;
  if (unit < 0x800) return 2;
  return unit >= 0xd800 && unit <= 0xdfff ? 2 : 3;
}

/** Cuts well-formed text into pieces that need at most `maxBytes` (at least 6) as the inside of a JSON string. */
export function piecesOf(text: string, maxBytes: number): string[] {
  const pieces: string[] = [];
  let from = 0;
  let bytes = 0;
  for (let at = 0; at < text.length; ) {
    const unit = text.charCodeAt(at);
    const isPair = unit >= 0xd800 && unit <= 0xdbff;
    const weight = isPair ? 4 : weightOf(unit);
    if (bytes + weight > maxBytes) {
      pieces.push(text.slice(from, at));
      from = at;
      bytes = 0;
    }
    bytes += weight;
    at += isPair ? 2 : 1;
  }
  if (from < text.length) pieces.push(text.slice(from));
  return pieces;
}

/**
 * The start of a record that is too long, as JSON of at most `maxBytes`: the envelope, and in `truncated` the length of
 * the whole text and as much of it as fits.
 */
export function truncated(message: Message, text: string, maxBytes: number): string {
  const bytes = Buffer.byteLength(text);
  const around = (piece: string) => wrapped(message, { truncated: { bytes, text: piece } });
  const [piece = ''] = piecesOf(text, maxBytes - Buffer.byteLength(around('')));
  return around(piece);
}

/**
 * A record that is too long as several JSON texts of at most `maxBytes`: each has the envelope, and in `part` its
 * `number` of `count` and a piece of the text. The pieces one after the other are the whole text.
 */
export function splitUp(message: Message, text: string, maxBytes: number): string[] {
  const around = (number: number, count: number, piece: string) =>
    wrapped(message, { part: { number, count, text: piece } });
  // No part's number and no count is longer than this one.
  const longest = Buffer.byteLength(around(text.length, text.length, ''));
  const pieces = piecesOf(text, maxBytes - longest);
  return pieces.map((piece, at) => around(at + 1, pieces.length, piece));
}

function wrapped(message: Message, members: object): string {
  const { id, source, type, traceId, spanId, jobId, timeMs, receivedMs } = message;
  const optional = { trace_id: traceId, span_id: spanId, job_id: jobId };
  const ids = Object.entries(optional).filter(([, value]) => value !== '');
  return JSON.stringify({
    source: short(source),
    type: short(type),
    timestamp: isoTime(timeMs),
    id,
    received_at: isoTime(receivedMs),
    ...Object.fromEntries(ids.map(([key, value]) => [key, short(value)])),
    ...members,
  });
}

const short = (value: string): string => wellFormed(value.slice(0, MAX_VALUE));
