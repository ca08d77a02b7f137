import { restoreBatch } from '../../batch.ts';
import type { BatchReason } from '../../context.ts';
import type { Job } from '../job.ts';
import { type Packed, type PackedFacts, pack, unpack } from '../packing.ts';
import type { Slab } from '../slab.ts';

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
export type Head = Omit<PackedItem, 'bytes' | 'packed'> & PackedFacts;

const LENGTH_BYTES = 4;

// Each field by its name: an object that is spread, and then added to, takes as long as the packing.

/** Packs an item into memory of a slab. */
export const packItem = (
  { batch, target, overrides, priority, whenFull, offeredMs, sends, failures, vain, stored }: Item,
  slab: Slab,
): PackedItem => ({
  target,
  overrides,
  priority,
  whenFull,
  offeredMs,
  sends,
  failures,
  vain,
  stored,
  source: batch.source,
  reason: batch.reason,
  bytes: batch.bytes,
  packed: pack(batch.messages, slab),
});

/** The item that was packed, in memory of its own. */
export function unpackItem({ source, reason, bytes: _, packed, ...job }: PackedItem): Item {
  const { messages, lines } = unpack(packed);
  return { ...job, batch: restoreBatch(messages, lines, source, reason) };
}

/** The same; what it was packed in is free. */
export function releaseItem(item: PackedItem): Item {
  const released = unpackItem(item);
  item.packed.free();
  return released;
}

/** An item as bytes, `stored` if it will be synced: length of its head, the head as JSON, what was packed. */
export function encodeItem(item: PackedItem, stored: boolean): Buffer[] {
  const { packed } = item;
  const head: Head = {
    target: item.target,
    overrides: item.overrides,
    priority: item.priority,
    whenFull: item.whenFull,
    offeredMs: item.offeredMs,
    sends: item.sends,
    failures: item.failures,
    vain: item.vain,
    stored,
    source: item.source,
    reason: item.reason,
    count: packed.count,
    sources: packed.sources,
    seqs: packed.seqs,
    types: packed.types,
  };
  const json = Buffer.from(JSON.stringify(head));
  const length = Buffer.allocUnsafe(LENGTH_BYTES);
  length.writeUInt32LE(json.length);
  return [length, json, packed.bytes];
}

/** What of an encoded item is no bytes, and where these begin. Throws if it is none. */
export function decodeHead(payload: Buffer): { readonly head: Head; readonly bytesAt: number } {
  const bytesAt = LENGTH_BYTES + payload.readUInt32LE(0);
  return { head: JSON.parse(payload.toString('utf8', LENGTH_BYTES, bytesAt)) as Head, bytesAt };
}

/** The item that was encoded, in memory of its own. Throws if it is none. */
export function decodeItem(payload: Buffer): Item {
  const { head, bytesAt } = decodeHead(payload);
  const { source, reason, count, sources, seqs, types, ...job } = head;
  const { messages, lines } = unpack({ count, sources, seqs, types, bytes: payload.subarray(bytesAt) });
  return { ...job, batch: restoreBatch(messages, lines, source, reason) };
}
