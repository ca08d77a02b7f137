import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { of, Subject } from 'rxjs';
import type { Connection } from '../../../src/ingest/connection.ts';
import { decode } from '../../../src/ingest/detect.ts';
import { normalise } from '../../../src/ingest/normalise.ts';
import { openSessions } from '../../../src/ingest/session/sessions.ts';
import { jsonOf, type Message } from '../../../src/message.ts';
import { manualTime } from '../../deliver/spool/manual-time.ts';
import { createRecording, OPTIONS } from '../harness.ts';

const S = 'c0'.repeat(16);
const memoryMarks = async () => ({ loaded: [], save: async () => {}, close: async () => {} });

/** Everything that becomes of a connection's bytes, synchronously. */
async function converse(chunks: readonly Buffer[], token = '') {
  const time = manualTime();
  const { context, rejected } = createRecording(time);
  const sessions = await openSessions(memoryMarks, context);
  const chunk$ = new Subject<Buffer>();
  const messages: Message[] = [];
  const said: Buffer[] = [];
  let isRefused = false;
  let afterRefusal = 0;
  const connection: Connection = {
    id: 1,
    remote: 'test',
    chunk$,
    clockMs: time.now,
    say: (bytes) => said.push(bytes),
    hold: () => {},
    finish: () => {},
    introduce: () => {},
    refuse(reply) {
      isRefused = true;
      if (reply !== undefined) said.push(Buffer.from(reply));
      chunk$.complete();
    },
  };
  const counters = { ...context.counters, received: () => {} };
  decode(
    () => ({ ...OPTIONS, token }),
    context,
    sessions,
  )(connection)
    .pipe(normalise(of({ host: 'h', tags: { t: '1' } }), { ...context, counters }))
    .subscribe((message) => {
      if (isRefused) afterRefusal++;
      messages.push(message);
    });
  for (const chunk of chunks) chunk$.next(Buffer.from(chunk));
  chunk$.complete();
  return { messages, said: Buffer.concat(said).toString(), isRefused, afterRefusal, rejected };
}

const at = '2025-10-20T10:30:45.123Z';
const hello = (data: object) => ({ source: 's', timestamp: at, type: 'hello', data });
const event = (seq: unknown, more: object = {}) => ({
  source: 's',
  timestamp: at,
  type: 'event',
  seq,
  data: {},
  ...more,
});
const ndjson = (...records: readonly object[]) =>
  records.map((record) => Buffer.from(`${JSON.stringify(record)}\n`));

test('a record of a session has its id, its number and the name of its session, once', async () => {
  const own = event(3, { session: 'mine' });
  const nested = event(4, { data: { session: 'no name', text: '"session"' } });
  const odd = event(5, { timestamp: 1_760_956_245, host: 'other', tags: { u: '2' } });
  const { messages, said } = await converse(
    ndjson(
      hello({ session: S, ack: 'disk' }),
      event(1),
      event(2),
      event(1),
      own,
      nested,
      odd,
      event(undefined),
    ),
  );
  expect(said).toMatch(/^\{"type":"welcome".*\}\n$/);
  const delivered = messages.map((message) => JSON.parse(jsonOf(message)));
  expect(delivered.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, undefined]);
  expect(delivered.map(({ session }) => session)).toEqual([S, S, 'mine', S, S, S]);
  expect(delivered.map(({ id }) => id[14])).toEqual(['8', '8', '8', '8', '8', '7']);
  expect(delivered.map(({ host }) => host)).toEqual(['h', 'h', 'h', 'h', 'other', 'h']);
  expect(delivered[4]).toMatchObject({ timestamp: '2025-10-20T10:30:45.000Z', tags: { u: '2', t: '1' } });
  expect(messages.map(({ id }) => id)).toEqual(delivered.map(({ id }) => id));
  for (const message of messages) expect(jsonOf(message).match(/"session":"(mine|c0)/g)).toHaveLength(1);
});

const data = fc.record(
  {
    v: fc.constantFrom(0, 1, 2, 9, 'x'),
    session: fc.constantFrom(S, S.toUpperCase(), 'x', 7),
    ack: fc.constantFrom('memory', 'disk', 'x', null),
    token: fc.constantFrom('t', 'x', 1),
  },
  { requiredKeys: [] },
);
const anyRecord = fc.oneof(
  { weight: 2, arbitrary: data.map(hello) },
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 6 }).map((seq) => event(seq)) },
  fc.constantFrom(-1, 1.5, '1', 2 ** 60, null, [1]).map((seq) => event(seq)),
  fc.constantFrom('ping', 'bye', 'hello', 'ack').map((type) => ({ source: 's', timestamp: at, type })),
  fc.constant(event(1, { data: 'no object' })),
);
const packr = new Packr({ useRecords: false });
const framed = (body: Buffer) => {
  const header = Buffer.alloc(4);
  header.writeUInt32BE(body.length);
  return Buffer.concat([header, body]);
};
const FRAMINGS = {
  ndjson: (record: object) => Buffer.from(`${JSON.stringify(record)}\n`),
  msgpack: (record: object) => packr.pack(record),
  framed: (record: object) => framed(Buffer.from(JSON.stringify(record))),
};

test('whatever a client says, it is answered only after a hello, and nothing is taken twice or after an end', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof({ weight: 9, arbitrary: anyRecord }, fc.uint8Array({ maxLength: 9 })), {
        maxLength: 20,
      }),
      fc.constantFrom('ndjson' as const, 'msgpack' as const, 'framed' as const),
      fc.constantFrom('', 't'),
      fc.array(fc.nat(500), { maxLength: 5 }),
      async (steps, framing, token, cuts) => {
        const frames = steps.map((step) =>
          step instanceof Uint8Array ? Buffer.from(step) : FRAMINGS[framing](step),
        );
        const bytes = Buffer.concat(frames);
        const ends = [...new Set([...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])];
        ends.sort((a, b) => a - b);
        const chunks = ends.map((end, n) => bytes.subarray(ends[n - 1] ?? 0, end));
        const { messages, said, afterRefusal } = await converse(chunks, token);
        const [first] = steps;
        const isHello = first !== undefined && 'type' in first && first.type === 'hello';
        const isJunk = first instanceof Uint8Array;
        if (first !== undefined && !isJunk && !isHello && token === '') expect(said).toBe('');
        if (!isJunk && !isHello && token !== '') expect(messages).toEqual([]);
        expect(afterRefusal).toBe(0);
        const ids = messages.map(({ id }) => id);
        expect(new Set(ids).size).toBe(ids.length);
        const seqs = messages.filter(({ id }) => id[14] === '8').map(({ seq }) => seq);
        expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b));
      },
    ),
    { numRuns: 400 },
  );
});
