// Measures what stages.js shows, in a process of its own that has the flags of the binary: `node … ROUNDS MESSAGES`.
import { asyncScheduler, Observable, of, Subject } from 'rxjs';
import { median } from './numbers.js';
import { renderPool, renew } from './pool.js';
import { createRandom, sourceNames } from './records.js';

const CHUNK_BYTES = 65_536;
const POOL_CHUNKS = 16;
const LINES_PER_CHUNK = 1000;

const load = (path) => import(new URL(`../../dist/${path}`, import.meta.url).href);
const ignore = () => {};
const SERIES = { enabled: true, windowMs: 10_000, graceMs: 5000, maxSeries: 1000, emit: false };

/** @returns {Promise<Record<string, (chunk$: Observable<Buffer>) => Observable<unknown>>>} stages, each with those before */
async function createStages() {
  const [
    { decode },
    { normalise },
    { correlate },
    { createTraceStore },
    { createAggregation },
    { aggregate },
    { batch, ndjsonOf },
  ] = await Promise.all(
    [
      'ingest/detect.js',
      'ingest/normalise.js',
      'correlate/correlate.js',
      'correlate/store.js',
      'aggregate/aggregation.js',
      'aggregate/aggregate.js',
      'batch.js',
    ].map(load),
  );
  const log = { debug: ignore, info: ignore, warn: ignore, error: ignore };
  const counters = {
    received: ignore,
    rejected: ignore,
    batched: ignore,
    added: ignore,
    operatorFailed: ignore,
  };
  const context = { scheduler: asyncScheduler, log, counters, random: Math.random };
  let isAggregating = false;
  const decoding = decode(
    () => ({ maxFrameBytes: 2 ** 20, frameTimeoutMs: 30_000, pageUrl: '' }),
    context,
    undefined,
    () => isAggregating,
  );
  const connection = (chunk$) => ({
    id: 1,
    remote: 'bench',
    chunk$,
    clockMs: () => Date.now(),
    refuse: ignore,
  });
  const limits = {
    maxCount: 100,
    maxAgeMs: 5000,
    maxBytes: 2 ** 20,
    isUrgent: (message) => message.severity >= 5,
  };
  const kept = { maxTraces: 10_000, maxMessages: 20_000, maxMessagesPerTrace: 2000, maxBytes: 32 * 2 ** 20 };
  const store = createTraceStore(kept);
  const decoded = (chunk$) => {
    isAggregating = false;
    return decoding(connection(chunk$));
  };
  const normalised = (chunk$) => decoded(chunk$).pipe(normalise(of({ host: 'bench', tags: {} }), context));
  const correlated = (chunk$) => normalised(chunk$).pipe(correlate(store));
  const aggregation = createAggregation(SERIES);
  const render = () => {
    throw new Error('nothing is emitted');
  };
  const aggregated = (chunk$) => {
    const linked = correlated(chunk$);
    isAggregating = true;
    return linked.pipe(aggregate(aggregation, of(SERIES), render, context));
  };
  const batched = (chunk$) => aggregated(chunk$).pipe(batch(of(limits), context));
  const encoded = (chunk$) =>
    new Observable((subscriber) =>
      batched(chunk$).subscribe({ next: ndjsonOf, complete: () => subscriber.complete() }),
    );
  return {
    decode: decoded,
    normalise: normalised,
    correlate: correlated,
    aggregate: aggregated,
    batch: batched,
    encode: encoded,
  };
}

/** The reference: split and `JSON.parse`. */
function parseOnly(chunk$) {
  let rest = '';
  return new Observable((subscriber) => {
    const next = (chunk) => {
      const lines = (rest + chunk.toString()).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) JSON.parse(line);
    };
    return chunk$.subscribe({ next, complete: () => subscriber.complete() });
  });
}

/** CPU ns a message of passes over the pool's bytes, of the present each time, as they would come from one socket. */
async function pass(stage, pool, messages) {
  const chunk$ = new Subject();
  const subscription = stage(chunk$).subscribe();
  let sent = 0;
  let us = 0;
  for (; sent < messages; sent += POOL_CHUNKS * LINES_PER_CHUNK) {
    for (const chunk of pool) renew(chunk, Date.now() * 1000);
    const bytes = Buffer.concat(pool.map(({ buffer }) => buffer));
    const before = process.cpuUsage();
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
      // A copy: a socket hands out new memory each time.
      chunk$.next(Buffer.from(bytes.subarray(at, at + CHUNK_BYTES)));
    }
    await new Promise(setImmediate);
    const { user, system } = process.cpuUsage(before);
    us += user + system;
  }
  chunk$.complete();
  subscription.unsubscribe();
  return (us * 1000) / sent;
}

const [rounds = 5, messages = 500_000] = process.argv.slice(2).map(Number);

async function measure() {
  const random = createRandom(1);
  const sources = sourceNames(4);
  const pool = renderPool({
    count: POOL_CHUNKS,
    linesPerChunk: LINES_PER_CHUNK,
    sources,
    random,
    stamped: false,
    criticalEvery: 1000,
  });
  const stages = { 'split and JSON.parse': parseOnly, ...(await createStages()) };
  const costs = Object.fromEntries(Object.keys(stages).map((name) => [name, /** @type {number[]} */ ([])]));
  for (let round = 0; round <= rounds; round++) {
    for (const [name, stage] of Object.entries(stages)) {
      const cost = await pass(stage, pool, messages);
      if (round > 0) costs[name]?.push(cost); // the first round warms up
    }
  }
  return Object.entries(costs).map(([name, all]) => [name, median(all)]);
}

console.log(JSON.stringify({ event: 'measured', costs: await measure() }));
process.exit(0);
