import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { SpoolDisk } from './disk.ts';
import { acknowledgedOf } from './segment.ts';
import type { SpoolState } from './state.ts';

/** What of a segment is acknowledged. */
export interface Acknowledged {
  /** All frames that end here or before. */
  readonly upTo: number;
  /** Where those begin that are behind others that are not. */
  readonly beyond: readonly number[];
}

/** What of each segment is acknowledged, by name; absent: nothing. */
export type Cursor = ReadonlyMap<string, Acknowledged>;

const FILE = 'cursor';
/** A cursor is saved so long after an acknowledgement, and no more than a megabyte of it a second. */
const SAVE_MS = 200;
const BYTES_PER_MS = 1000;

/** The cursor of a folder; one that is damaged or not there says nothing, and what was acknowledged is delivered once more. */
export const readCursor = (dir: string, disk: SpoolDisk): Promise<Cursor> =>
  disk.read(join(dir, FILE), 0, Number.POSITIVE_INFINITY).then(decode, () => new Map());

/** Has the cursor saved soon. */
export function saveCursorSoon({ cursorAlarm, cursorBytes }: SpoolState): void {
  if (!cursorAlarm.isSet()) cursorAlarm.set(Math.max(SAVE_MS, cursorBytes / BYTES_PER_MS));
}

/** Saves what is acknowledged, unless that fails: then some of it is delivered again after a restart. */
export async function saveCursor(state: SpoolState): Promise<void> {
  await state.savingCursor;
  const said = state.segments.map((segment) => [segment.name, acknowledgedOf(segment)] as const);
  const bytes = encode(new Map(said.filter(([, { upTo, beyond }]) => upTo > 0 || beyond.length > 0)));
  state.cursorBytes = bytes.length;
  state.savingCursor = state.disk.replace(join(state.dir, FILE), bytes).catch(() => {});
  await state.savingCursor;
}

/** A cursor as a file: checksum, space, JSON. */
function encode(cursor: Cursor): Buffer {
  const json = JSON.stringify(Array.from(cursor, ([name, { upTo, beyond }]) => [name, upTo, ...beyond]));
  return Buffer.from(`${crc32(json)} ${json}\n`);
}

function decode(bytes: Buffer): Cursor {
  const [, checksum, json = ''] = /^(\d+) (.*)\n$/s.exec(bytes.toString()) ?? [];
  if (checksum === undefined || crc32(json) !== Number(checksum)) return new Map();
  const segments = JSON.parse(json) as [string, number, ...number[]][];
  return new Map(segments.map(([name, upTo, ...beyond]) => [name, { upTo, beyond }]));
}
