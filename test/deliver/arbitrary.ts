import fc from 'fast-check';
import { createMessage, type Message } from '../../src/message.ts';

/** Texts of all kinds. */
export const text = fc.oneof(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'binary' }), fc.constant(''));
const uuid = fc.uuid();
const ms = fc.integer({ min: 0, max: 4e12 });

/** Messages as the ingest side makes them: `head` and `tail` are JSON; text that is no Unicode was replaced there. */
export const messages: fc.Arbitrary<Message> = fc
  .record({
    id: uuid,
    source: text,
    type: text,
    timeMs: ms,
    receivedMs: ms,
    traceId: text,
    spanId: text,
    jobId: text,
    seq: fc.nat(),
    severity: fc.nat({ max: 6 }),
    data: fc.dictionary(text, fc.jsonValue()),
    host: text,
  })
  .map(({ data, host, ...fields }) =>
    createMessage({
      ...fields,
      head: JSON.stringify({ data }).slice(0, -1),
      tail: host === '' ? '' : `,"host":${JSON.stringify(host)}`,
      parsed: undefined,
    }),
  );
