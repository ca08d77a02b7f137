import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createTraceStore } from '../../src/correlate/store.ts';
import type { Story } from '../../src/correlate/story.ts';
import { jsonOf, type Message } from '../../src/message.ts';
import { showChunks } from '../ingest/lines.ts';
import { START_MS } from './records.ts';

const TIME = new Date(START_MS).toISOString();

/** By number: of a job, a trace (0: none) and a source, what it is, and when. */
type Sent = readonly [job: number, trace: number, source: number, what: number, ms: number];

/** What a line may be, beside those of the ends of jobs below. */
const WHAT = [
  { type: 'event', data: { level: 'info', message: 'm' } },
  { type: 'event', data: { level: 'error', message: 'm' } },
  { type: 'metric', data: { name: 'n', value: 1 } },
  { type: 'progress', data: { percent: 10, status: 'loading' } },
  { type: 'progress', data: { percent: 100, status: 'complete' } },
  { type: 'span', span_id: '00000000000000aa', data: { phase: 'end', name: 'a', duration_us: 1000 } },
];

const lineOf = ([job, trace, source, what, ms]: Sent) =>
  JSON.stringify({
    source: `s${source}`,
    timestamp: new Date(START_MS + ms).toISOString(),
    ...(trace > 0 && { trace_id: trace.toString(16).padStart(32, '0') }),
    ...(job > 0 && { job_id: `j${job}` }),
    ...WHAT[what],
  });

/**
 * What a store makes of lines of one second after the other, while they are the ones that were scanned last, or not; of
 * the stories and messages of those ids.
 */
function storedOf(
  seconds: readonly (readonly string[])[],
  isLast: boolean,
  maxTraces: number,
  isWanted: (id: string) => boolean = () => true,
) {
  const limits = { maxTraces, maxMessages: 1000, maxMessagesPerTrace: 10, maxBytes: 1e9 };
  const store = createTraceStore(limits, { kept: 20, folded: 40 });
  const messages: Message[] = [];
  const chunks = seconds.map((lines, second) => ({ atMs: START_MS + second * 1000, lines }));
  showChunks(chunks, false, (message) => {
    messages.push(message);
    if (isLast) store.add(message);
  });
  if (!isLast) messages.forEach(store.add);
  const wanted = messages.filter(({ jobId, traceId }) => isWanted(jobId) || isWanted(traceId));
  const traces = new Set(wanted.map(({ traceId }) => traceId));
  const linked = wanted.map(({ jobId, traceId, ...message }) => [
    ...[jobId, traceId],
    Object.keys(JSON.parse(jsonOf({ jobId, traceId, ...message }))),
  ]);
  const { bytes: _, ...stats } = store.stats();
  return {
    jobs: store
      .jobs()
      .filter(({ id }) => isWanted(id))
      .map(seen),
    traces: [...traces].flatMap((id) => store.trace(id) ?? []).map(seen),
    linked,
    stats,
  };
}

/** A story without the objects that it shares with others. */
const seen = ({ linked, messages, ...story }: Story) => ({
  ...story,
  linked: linked?.id,
  messages: messages.length,
});

test('messages are filed the same whether or not they are the ones that were scanned last', () => {
  // So many that they share slots of the scan's tables, and so few that they are forgotten.
  const few = fc.integer({ min: 0, max: 6 });
  const many = fc.integer({ min: 0, max: 60_000 });
  const rest = [few, fc.nat({ max: WHAT.length - 1 }), fc.nat({ max: 999 })] as const;
  const record = fc.oneof(fc.tuple(few, few, ...rest), fc.tuple(many, many, ...rest));
  // Most of them are floods.
  const second = fc.array(record, { minLength: 30, maxLength: 200 });
  const seconds = fc.array(second, { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(seconds, fc.constantFrom(4, 10, 1000), (each, maxTraces) => {
      const lines = each.map((records) => records.map(lineOf));
      expect(storedOf(lines, true, maxTraces)).toEqual(storedOf(lines, false, maxTraces));
    }),
    { numRuns: 200 },
  );
});

/** Of an object whose status is that, with its first letter or that of the key written as an escape. */
function escaped([isKey, status]: readonly [boolean, string]): string {
  const hex = (text: string) => `\\u00${text.charCodeAt(0).toString(16)}${text.slice(1)}`;
  return isKey ? `{"${hex('status')}":"${status}"}` : `{"status":"${hex(status)}"}`;
}

test('in a flood the end of a job is seen whether or not its record is the one that was scanned last', () => {
  const words = [
    'complete',
    'Succeeded',
    'done',
    'finished',
    'ok',
    'FAILED',
    'error',
    'aborted',
    'cancelled',
  ];
  const word = fc.constantFrom(...words);
  const status = fc.oneof(
    word,
    fc.constantFrom('loading', 'processing', '', 100, null),
    // In what is not scanned, all that looks like an escape is looked into.
    fc.string({ maxLength: 8 }).filter((text) => !text.includes('\\')),
  );
  const percent = fc.oneof(fc.constantFrom(100, 10, 1, 99.5, 100.5, '100', null), fc.integer());
  const data = fc.oneof(fc.record({ status }), fc.record({ percent }), fc.record({ status, percent }));
  const text = fc.oneof(
    data.map((each) => JSON.stringify(each)),
    fc.tuple(fc.boolean(), word).map(escaped),
  );
  const reportOf = (job: number, data: string) =>
    `{"source":"s","timestamp":"${TIME}","type":"progress","job_id":"j${job}","data":${data}}`;
  const noise = Array.from({ length: 50 }, () => reportOf(0, '{}'));
  const reports = fc.array(fc.tuple(fc.integer({ min: 1, max: 4 }), text), { minLength: 40, maxLength: 60 });
  fc.assert(
    fc.property(reports, (each) => {
      const lines = [...noise, ...each.map(([job, data]) => reportOf(job, data))];
      expect(storedOf([lines], true, 1000)).toEqual(storedOf([lines], false, 1000));
    }),
    { numRuns: 100 },
  );
});

test('ids that the scan forgets, and puts in other slots, keep their stories', () => {
  const few = fc.integer({ min: 0, max: 3 });
  const record = fc.tuple(few, few, few, fc.nat({ max: WHAT.length - 1 }), fc.nat({ max: 999 }));
  const rounds = fc.array(fc.array(record, { minLength: 20, maxLength: 40 }), { minLength: 2, maxLength: 3 });
  /** So many others, each twice, that the scan's tables hold few of the ids before them. */
  const others = (round: number) =>
    Array.from({ length: 16_000 }, (_, n) => {
      const id = 100 + round * 8_000 + (n >> 1);
      return lineOf([id, id, n % 3, n % 5 === 0 ? 1 : 0, n % 1000]);
    });
  const others3 = [0, 1, 2].map(others);
  const isWanted = (id: string) => /^j\d$|^0{31}|7f$|99$/.test(id);
  fc.assert(
    fc.property(rounds, (each) => {
      const lines = each.flatMap((records, round) => [...records.map(lineOf), ...others3[round]!]);
      expect(storedOf([lines], true, 100_000, isWanted)).toEqual(storedOf([lines], false, 100_000, isWanted));
    }),
    { numRuns: 4 },
  );
});

test('ids that share a slot are told apart', () => {
  const rounds = Array.from(
    { length: 40_000 },
    (_, n) => [1 + (n % 20_000), 1 + (n % 20_000), 1, 0, 0] as const,
  );
  const { stats, jobs } = storedOf([rounds.map(lineOf)], true, 100_000);
  expect(stats).toMatchObject({ jobs: 20_000, traces: 20_000 });
  expect(jobs.every(({ links, parts }) => links.length === 1 && parts.length <= 1)).toBe(true);
});
