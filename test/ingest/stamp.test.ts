import { expect, test } from '@jest/globals';
import { createIds } from '../../src/ingest/ids.ts';
import { createStamp } from '../../src/ingest/stamp.ts';
import { isoTime } from '../../src/message.ts';

test('is the id and the time of every record, beyond what one millisecond holds and with the clock set back', () => {
  const ids = createIds(Math.random);
  const stamp = createStamp(ids, ',"host":"größer"');
  const other = createStamp(ids, '');
  for (let n = 0; n < 20_000; n++) {
    const receivedMs = n < 10_000 ? 5000 : n < 10_010 ? 4000 : 5000 + (n >> 4);
    const id = ids.next(receivedMs);
    const text = stamp.bytes(id, receivedMs).toString();
    // No `expect` a turn: it would take a minute.
    if (text !== `,"id":"${id}","received_at":"${isoTime(receivedMs)}","host":"größer"`)
      throw new Error(text);
    if (n % 7 === 0) expect(other.bytes(id, receivedMs).toString()).toContain(id);
  }
});
