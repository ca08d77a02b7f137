// AssemblyScript: tables of values that recur, by their bytes. A table has a power of two of slots, each of
// `ENTRY_HEADER` bytes, with the length plus one in them, and its width of bytes.
import { word } from './json';

/** Bytes of a slot before the value. */
export const ENTRY_HEADER: i32 = 16;

/** Whether `length` bytes at both places are the same. */
function same(a: i32, b: i32, length: i32): bool {
  let at = 0;
  for (; at + 16 <= length; at += 16) {
    if (v128.any_true(v128.xor(v128.load(a + at), v128.load(b + at)))) return false;
  }
  for (; at < length; at++) if (load<u8>(a + at) !== load<u8>(b + at)) return false;
  return true;
}

/** A hash of the first and the last eight bytes and the length: names and ids differ there. */
function hashOf(start: i32, length: i32): u64 {
  const head = word(start, length < 8 ? length : 8);
  const end: u64 = length < 8 ? 0 : load<u64>(start + length - 8);
  let hash = head * 0x9e3779b97f4a7c15;
  hash = (hash ^ (hash >> 32) ^ end ^ <u64>length) * 0xd6e8feb86659fd93;
  hash = (hash ^ (hash >> 32)) * 0xd6e8feb86659fd93;
  return hash ^ (hash >> 32);
}

/** A value is in one of so many slots, from that of its hash on. */
const WAYS: i32 = 4;

/**
 * The slot of `length` bytes at `start`, at least one; the complement if they were not there before. Where all of their
 * slots have others, they replace the first.
 */
export function slotOf(start: i32, length: i32, table: i32, slots: i32, width: i32): i32 {
  const first = <i32>hashOf(start, length) & (slots - 1);
  let slot = first;
  for (let way = 0; way < WAYS; way++) {
    slot = (first + way) & (slots - 1);
    const known = table + slot * (ENTRY_HEADER + width);
    const size = load<i32>(known);
    if (size === length + 1 && same(known + ENTRY_HEADER, start, length)) return slot;
    // Slots are never emptied: it is in none behind a free one.
    if (size === 0) break;
    if (way === WAYS - 1) slot = first;
  }
  const entry = table + slot * (ENTRY_HEADER + width);
  store<i32>(entry, length + 1);
  memory.copy(entry + ENTRY_HEADER, start, length);
  return ~slot;
}
