import type { JsonObject } from '../message.ts';
import type { Frame } from './record.ts';
import type { Rejection } from './rejections.ts';
import type { Scan } from './scan.ts';

/** Deepest nesting of a JSON record: recursive code further on (JSON.stringify, jsonb) must never meet its limit. */
export const MAX_JSON_DEPTH = 512;

const LF = 0x0a;
const CR = 0x0d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** The record that `bytes`, valid UTF-8, hold, or why they hold none; `undefined` if they are blank. */
export function readRecord(bytes: Buffer, scan: Scan, receivedMs: number): Frame | Rejection | undefined {
  // Line breaks, which JSON allows between tokens only, have to become spaces.
  const isOneLine = !bytes.includes(LF) && !bytes.includes(CR);
  const record = isOneLine && scan.load(bytes, receivedMs) ? scan.read(0, bytes.length) : undefined;
  return record ?? parseRecord(bytes.toString(), receivedMs);
}

/** The record that JSON text holds, or why it holds none; `undefined` if it is blank. */
export function parseRecord(text: string, receivedMs: number): Frame | Rejection | undefined {
  const bare = isBraced(text) ? text : trim(text);
  if (!isBraced(bare)) return bare === '' ? undefined : reasonOf(bare);
  let value: JsonObject;
  try {
    value = JSON.parse(bare);
  } catch {
    return 'json';
  }
  // n levels take 2n characters, so that the usual record is never walked
  if (bare.length > 2 * MAX_JSON_DEPTH && isDeeper(value, MAX_JSON_DEPTH)) return 'too_deep';
  return { value, text: oneLine(bare), receivedMs };
}

function oneLine(text: string): string {
  return text.includes('\r') || text.includes('\n') ? text.replace(/[\r\n]+/g, ' ') : text;
}

function isBraced(text: string): boolean {
  return text.charCodeAt(0) === OPEN_BRACE && text.charCodeAt(text.length - 1) === CLOSE_BRACE;
}

/** Told by the first character alone: throwing costs microseconds, and the sender decides how often. */
function reasonOf(text: string): Rejection {
  return /^[["\d\-tfn]/.test(text) ? 'not_object' : 'json';
}

/** Strips JSON's whitespace; `String.trim` would strip a byte order mark and more. */
function trim(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

/** Whether a byte or character code is whitespace in JSON: tab, LF, CR, space. */
export function isBlank(code: number | undefined): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((child) => isDeeper(child, levels - 1));
}
