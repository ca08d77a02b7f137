import type { Plain } from './values.ts';

/** MessagePack of what `plain` gave. */
export function toMsgpack(value: Plain): Buffer {
  const parts: Buffer[] = [];
  write(value, parts);
  return Buffer.concat(parts);
}

function write(value: Plain, out: Buffer[]): void {
  if (value === null) out.push(Buffer.of(0xc0));
  else if (typeof value === 'boolean') out.push(Buffer.of(value ? 0xc3 : 0xc2));
  else if (typeof value === 'number') out.push(number(value));
  else if (typeof value === 'string') {
    const bytes = Buffer.from(value);
    out.push(head(bytes.length, 0xa0, 31, 0xd9, true), bytes);
  } else if (Array.isArray(value)) {
    out.push(head(value.length, 0x90, 15, 0xdb, false));
    for (const item of value) write(item, out);
  } else {
    const entries = Object.entries(value);
    out.push(head(entries.length, 0x80, 15, 0xdd, false));
    for (const [key, item] of entries) {
      write(key, out);
      write(item, out);
    }
  }
}

/** What begins a text, a list or a map; lists and maps have no form with one byte of length. */
function head(length: number, fixed: number, least: number, code: number, hasByte: boolean): Buffer {
  if (length <= least) return Buffer.of(fixed | length);
  if (hasByte && length < 0x100) return Buffer.of(code, length);
  return length < 0x10000 ? sized(code + 1, 3, (b) => b.writeUInt16BE(length, 1)) : sized(code + 2, 5, (b) => b.writeUInt32BE(length, 1));
}

function sized(code: number, bytes: number, fill: (buffer: Buffer) => void): Buffer {
  const buffer = Buffer.alloc(bytes);
  buffer[0] = code;
  fill(buffer);
  return buffer;
}

function number(value: number): Buffer {
  if (!Number.isInteger(value) || Math.abs(value) > 2 ** 53) return sized(0xcb, 9, (b) => b.writeDoubleBE(value, 1));
  if (value >= 0) {
    if (value < 0x80) return Buffer.of(value);
    if (value < 0x100) return Buffer.of(0xcc, value);
    if (value < 0x10000) return sized(0xcd, 3, (b) => b.writeUInt16BE(value, 1));
    if (value < 0x100000000) return sized(0xce, 5, (b) => b.writeUInt32BE(value, 1));
    return sized(0xcf, 9, (b) => b.writeBigUInt64BE(BigInt(value), 1));
  }
  if (value >= -32) return Buffer.of(value & 0xff);
  if (value >= -0x80) return Buffer.of(0xd0, value & 0xff);
  if (value >= -0x8000) return sized(0xd1, 3, (b) => b.writeInt16BE(value, 1));
  if (value >= -0x80000000) return sized(0xd2, 5, (b) => b.writeInt32BE(value, 1));
  return sized(0xd3, 9, (b) => b.writeBigInt64BE(BigInt(value), 1));
}
