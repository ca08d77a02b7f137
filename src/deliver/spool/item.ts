import { ndjsonOf, restoreBatch } from '../../batch.ts';
import type { BatchReason } from '../../context.ts';
import type { Job } from '../job.ts';
import { type Packed, type PackedFacts, pack, ROW_BYTES, unpack } from '../packing.ts';

/** What the spool keeps of a job. */
export type Item = Omit<Job, 'order' | 'spooled'>;

/** An item as it waits in memory: for the disk, or to be taken although it is there. */
export interface PackedItem extends Omit<Item, 'batch'> {
  readonly source: string;
  readonly reason: BatchReason;
  /** Of its lines. */
  readonly bytes: number;
  readonly packed: Packed;
}

/** What of an item is no bytes. */
interface Head extends Omit<PackedItem, 'bytes' | 'packed'>, PackedFacts {
  /** Bytes of the ids. */
  readonly ids: number;
}

const LENGTH_BYTES = 4;

/** Packs an item; its lines are shared with the sinks. */
export function packItem({ batch, ...job }: Item): PackedItem {
  const { source, reason, bytes } = batch;
  return { ...job, source, reason, bytes, packed: pack(batch.messages, ndjsonOf(batch)) };
}

/** The item that was packed. */
export function unpackItem({ source, reason, bytes: _, packed, ...job }: PackedItem): Item {
  return { ...job, batch: restoreBatch(unpack(packed), packed.lines, source, reason) };
}

/** An item as bytes, `stored` if it will be synced: length of its head, the head as JSON, rows, ids, lines. */
export function encodeItem(item: PackedItem, stored: boolean): Buffer[] {
  const { bytes: _, packed, ...job } = item;
  const { rows, ids, lines, ...facts } = packed;
  const head: Head = { ...job, stored, ...facts, ids: ids.length };
  const json = Buffer.from(JSON.stringify(head));
  const length = Buffer.allocUnsafe(LENGTH_BYTES);
  length.writeUInt32LE(json.length);
  return [length, json, rows, ids, lines];
}

/** The item that was encoded, in memory of its own. Throws if it is none. */
export function decodeItem(payload: Buffer): Item {
  const rowsAt = LENGTH_BYTES + payload.readUInt32LE(0);
  const head = JSON.parse(payload.toString('utf8', LENGTH_BYTES, rowsAt)) as Head;
  const { ids: idBytes, count, sources, seqs, types, ...job } = head;
  const idsAt = rowsAt + count * ROW_BYTES;
  const linesAt = idsAt + idBytes;
  const rows = payload.subarray(rowsAt, idsAt);
  const ids = payload.subarray(idsAt, linesAt);
  const lines = Buffer.from(payload.subarray(linesAt));
  return unpackItem({
    ...job,
    bytes: lines.length,
    packed: { count, sources, seqs, types, rows, ids, lines },
  });
}
