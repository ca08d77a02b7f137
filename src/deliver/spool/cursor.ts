import { crc32 } from 'node:zlib';

/** How far each segment is acknowledged, by name; absent: not at all. */
export type Cursor = ReadonlyMap<string, number>;

/** A cursor as a file: checksum, space, JSON. */
export function encodeCursor(cursor: Cursor): Buffer {
  const json = JSON.stringify([...cursor]);
  return Buffer.from(`${crc32(json)} ${json}\n`);
}

/** The cursor of a file; one that is damaged says nothing, and what was acknowledged is delivered once more. */
export function decodeCursor(bytes: Buffer): Cursor {
  const [, checksum, json = ''] = /^(\d+) (.*)\n$/s.exec(bytes.toString()) ?? [];
  if (checksum === undefined || crc32(json) !== Number(checksum)) return new Map();
  return new Map(JSON.parse(json) as [string, number][]);
}
