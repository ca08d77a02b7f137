import { isoTime } from '../message.ts';
import { DIGITS_AT, type Ids } from './ids.ts';

/** What is added to every record: `,"id":"…","received_at":"…"` and members that are always the same. */
export interface Stamp {
  /** Its bytes for `id`, the one that `ids` gave last, of a record received at `receivedMs`; valid until the next call. */
  bytes(id: string, receivedMs: number): Buffer;
}

const HEX = Buffer.from('0123456789abcdef');
const ID_AT = ',"id":"'.length;

/** Kept as bytes, in which from one record to the next most often only three digits of the id change. */
export function createStamp(ids: Ids, always: string): Stamp {
  let bytes = Buffer.alloc(0);
  let stampMs = Number.NaN;
  let stretch = -1;

  const renew = (id: string, receivedMs: number, nowStretch: number) => {
    bytes = Buffer.from(`,"id":"${id}","received_at":"${isoTime(receivedMs)}"${always}`);
    stampMs = receivedMs;
    stretch = nowStretch;
  };

  return {
    bytes(id, receivedMs) {
      const nowStretch = ids.stretch();
      if (receivedMs !== stampMs || nowStretch !== stretch) renew(id, receivedMs, nowStretch);
      const digits = ids.digits();
      const at = ID_AT + DIGITS_AT;
      bytes[at] = HEX[digits >>> 8] as number;
      bytes[at + 1] = HEX[(digits >>> 4) & 15] as number;
      bytes[at + 2] = HEX[digits & 15] as number;
      return bytes;
    },
  };
}
