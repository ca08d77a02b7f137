import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createTraceStore } from '../../src/correlate/store.ts';
import { jsonOf, type Message } from '../../src/message.ts';
import { showLines } from '../ingest/lines.ts';
import { START_MS } from './records.ts';

const TIME = new Date(START_MS).toISOString();

/** A line of a job and a trace, by number; none where that is 0. */
const lineOf = ([job, trace, source]: readonly [number, number, number]) =>
  JSON.stringify({
    source: `s${source}`,
    timestamp: TIME,
    type: 'event',
    ...(trace > 0 && { trace_id: trace.toString(16).padStart(32, '0') }),
    ...(job > 0 && { job_id: `j${job}` }),
    data: { message: 'm' },
  });

/** What a store makes of lines, while they are the ones that were scanned last, or not. */
function storedOf(lines: readonly string[], isLast: boolean, maxTraces: number) {
  const limits = { maxTraces, maxMessages: 1000, maxMessagesPerTrace: 10, maxBytes: 1e9 };
  const store = createTraceStore(limits, { kept: 20, folded: 40 });
  const messages: Message[] = [];
  showLines(lines, false, (message) => {
    messages.push(message);
    if (isLast) store.add(message);
  });
  if (!isLast) messages.forEach(store.add);
  const jobs = store.jobs().map(({ id, links, linked, folded, parts, messages }) => ({
    ...{ id, links, linked: linked?.id, folded, messages: messages.length },
    parts: parts.map(({ source, messages, progress }) => [source, messages, progress]),
  }));
  const linked = messages.map(({ jobId, traceId, ...message }) => [
    ...[jobId, traceId],
    Object.keys(JSON.parse(jsonOf({ jobId, traceId, ...message }))),
  ]);
  const { bytes: _, ...stats } = store.stats();
  return { jobs, linked, stats };
}

test('messages are filed the same whether or not they are the ones that were scanned last', () => {
  // So many that they share slots of the scan's tables, and so few that they are forgotten.
  const few = fc.integer({ min: 0, max: 6 });
  const many = fc.integer({ min: 0, max: 60_000 });
  const record = fc.oneof(fc.tuple(few, few, few), fc.tuple(many, many, few));
  fc.assert(
    fc.property(fc.array(record, { maxLength: 200 }), fc.constantFrom(4, 10, 1000), (records, maxTraces) => {
      const lines = records.map(lineOf);
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
    fc.string({ maxLength: 8 }),
  );
  const percent = fc.oneof(fc.constantFrom(100, 10, 1, 99.5, 100.5, '100', null), fc.integer());
  const data = fc.oneof(fc.record({ status }), fc.record({ percent }), fc.record({ status, percent }));
  const text = fc.oneof(
    data.map((each) => JSON.stringify(each)),
    fc.tuple(fc.boolean(), word).map(escaped),
  );
  const lineOf = (job: number, data: string) =>
    `{"source":"s","timestamp":"${TIME}","type":"progress","job_id":"j${job}","data":${data}}`;
  const noise = Array.from({ length: 50 }, () => lineOf(0, '{}'));
  const reports = fc.array(fc.tuple(fc.integer({ min: 1, max: 4 }), text), { minLength: 40, maxLength: 60 });
  fc.assert(
    fc.property(reports, (each) => {
      const lines = [...noise, ...each.map(([job, data]) => lineOf(job, data))];
      expect(storedOf(lines, true, 1000)).toEqual(storedOf(lines, false, 1000));
    }),
    { numRuns: 100 },
  );
});

test('ids that share a slot are told apart', () => {
  const rounds = Array.from({ length: 40_000 }, (_, n) => [1 + (n % 20_000), 1 + (n % 20_000), 1] as const);
  const { stats, jobs } = storedOf(rounds.map(lineOf), true, 100_000);
  expect(stats).toMatchObject({ jobs: 20_000, traces: 20_000 });
  expect(jobs.every(({ links, parts }) => links.length === 1 && parts.length <= 1)).toBe(true);
});
