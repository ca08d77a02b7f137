import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { BehaviorSubject, Subject, VirtualTimeScheduler } from 'rxjs';
import { correlate } from '../../src/correlate/correlate.ts';
import { createTraceStore } from '../../src/correlate/store.ts';
import type { Codec } from '../../src/ingest/codec.ts';
import { codec } from '../../src/ingest/codecs/ndjson.ts';
import { type NormaliseOptions, normalise } from '../../src/ingest/normalise.ts';
import type { Frame } from '../../src/ingest/record.ts';
import { createScan } from '../../src/ingest/scan.ts';
import { jsonOf, type Message } from '../../src/message.ts';

const NOW_MS = Date.parse('2026-01-02T03:04:05.678Z');
const LIMITS = { maxTraces: 1000, maxMessages: 10_000, maxMessagesPerTrace: 1000, maxBytes: 1e8 };

/** Two connections into one flow; `onMessage` is called while a block is still being read. */
function createFlow(onMessage: (message: Message, read: (text: string) => void) => void) {
  const scheduler = new VirtualTimeScheduler();
  scheduler.now = () => NOW_MS;
  const frame$ = new Subject<Frame>();
  const options$ = new BehaviorSubject<NormaliseOptions>({ host: 'h', tags: {} });
  const none = () => {};
  const log = { debug: none, info: none, warn: none, error: none };
  const counters = { received: none, rejected: none, batched: none, added: none, operatorFailed: none };
  const scan = createScan();
  const open = (): Codec =>
    codec.open({
      maxFrameBytes: 1e6,
      scan,
      receivedMs: NOW_MS,
      emit: (frame) => frame$.next(frame),
      reject: none,
      isHopeless: () => false,
    });
  const [one, other] = [open(), open()];
  const messages: Message[] = [];
  frame$
    .pipe(
      normalise(options$, { scheduler, log, counters, random: () => 0.25 }),
      correlate(createTraceStore(LIMITS)),
    )
    .subscribe((message) => {
      messages.push(message);
      onMessage(message, (text) => other.push(Buffer.from(text)));
    });
  return { push: (text: string) => one.push(Buffer.from(text)), texts: () => messages.map(jsonOf) };
}

const line = (size: number, ids: string, odd = '') =>
  `{"source":"s","timestamp":"2026-01-02T03:04:05.678Z","type":"event"${ids},"data":{"m":"${'é'.repeat(size / 2)}"}${odd}}\n`;

const recordOf = (maxSize: number) =>
  fc
    .record({
      size: fc.integer({ min: 0, max: maxSize }),
      job: fc.constantFrom('', 'j1', 'j2'),
      trace: fc.constantFrom('', 'a'.repeat(32), 'b'.repeat(32)),
      odd: fc.constantFrom('', '', '', ',"timestamp":5', ' '),
    })
    .map(({ size, job, trace, odd }) =>
      line(size, `${job && `,"job_id":"${job}"`}${trace && `,"trace_id":"${trace}"`}`, odd),
    );

/** Small ones outgrow the room that is left for what is added to them. */
const recordsOf = (minLength: number, maxLength: number) =>
  fc
    .constantFrom(20, 3000)
    .chain((maxSize) => fc.array(recordOf(maxSize), { minLength, maxLength, size: 'max' }));

/** Records' numbers in a run are different ids; all but these is the same whichever way they came. */
const withoutIds = (texts: string[]) => texts.map((text) => text.replace(/"id":"[^"]*"/, ''));

test('lines made in the buffer of their input are those that are made one by one', () => {
  fc.assert(
    fc.property(recordsOf(1, 300), (records) => {
      const alone = createFlow(() => {});
      for (const text of records) alone.push(text);
      const block = createFlow(() => {});
      block.push(records.join(''));
      block.push(records.join(''));
      expect(block.texts().slice(0, records.length)).toEqual(alone.texts());
      expect(block.texts()).toHaveLength(2 * records.length);
    }),
    { numRuns: 150 },
  );
});

test('what correlation adds to a line spares the input behind it', () => {
  for (let size = 600; size >= 0; size -= 2) {
    const first = line(size, `,"job_id":"j1","trace_id":"${'a'.repeat(32)}"`);
    const records = [first, ...Array(100).fill(line(size, ',"job_id":"j1"'))];
    const [alone, block] = [createFlow(() => {}), createFlow(() => {})];
    for (const text of records) alone.push(text);
    block.push(records.join(''));
    expect(block.texts()).toEqual(alone.texts());
  }
});

test('a block that is read while another is being read does not touch it', () => {
  fc.assert(
    fc.property(recordsOf(20, 300), recordsOf(1, 200), fc.nat(19), (records, others, at) => {
      const isPlain = (text: string) => !text.includes('_id":');
      const [mine, theirs] = [records.filter(isPlain), others.filter(isPlain)];
      fc.pre(mine.length > at);
      let count = 0;
      const flow = createFlow((_, read) => {
        if (count++ === at) read(theirs.join(''));
      });
      flow.push(mine.join(''));
      const alone = createFlow(() => {});
      for (const text of [...mine.slice(0, at + 1), ...theirs, ...mine.slice(at + 1)]) alone.push(text);
      expect(withoutIds(flow.texts()).sort()).toEqual(withoutIds(alone.texts()).sort());
    }),
    { numRuns: 150 },
  );
});
