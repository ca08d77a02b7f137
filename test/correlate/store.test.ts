import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { from, lastValueFrom, toArray } from 'rxjs';
import { correlate } from '../../src/correlate/correlate.ts';
import { partsOf, summarise } from '../../src/correlate/describe.ts';
import { createTraceStore, type StoreLimits } from '../../src/correlate/store.ts';
import { SPAN_BYTES } from '../../src/correlate/story.ts';
import { type JsonObject, jsonOf, type Message } from '../../src/message.ts';
import { record, START_MS, span } from './records.ts';

const LIMITS: StoreLimits = { maxTraces: 10, maxMessages: 1000, maxMessagesPerTrace: 100, maxBytes: 1e9 };
const of = (jobId: string, traceId = '', atMs = 0, over: Partial<Message> = {}) =>
  record(atMs, 's', 'event', {}, { jobId, traceId, ...over });
const storeOf = (limits: Partial<StoreLimits> = {}) => createTraceStore({ ...LIMITS, ...limits });

describe('correlate', () => {
  const link = (...messages: readonly Message[]) =>
    lastValueFrom(from(messages).pipe(correlate(storeOf()), toArray()));

  test('gives a message of a job the trace of the job, and says so in its text', async () => {
    const message = of('j');
    const { bytes } = message;
    const before = jsonOf(message);
    const [, linked] = await link(of('j', 't'), message);
    expect(linked).toMatchObject({ jobId: 'j', traceId: 't' });
    expect(JSON.parse(jsonOf(linked!))).toMatchObject({ trace_id: 't' });
    expect(linked!.bytes - bytes).toBe(jsonOf(linked!).length - before.length);
  });

  test('and the reverse', async () => {
    const [, linked] = await link(of('j"\u2028', 't'), of('', 't'));
    expect(linked).toMatchObject({ jobId: 'j"\u2028', traceId: 't' });
    expect(JSON.parse(jsonOf(linked!))).toMatchObject({ job_id: 'j"\u2028' });
  });

  test('takes the trace that was seen last', async () => {
    const [, , linked] = await link(of('j', 't1'), of('j', 't2'), of('j'));
    expect(linked?.traceId).toBe('t2');
  });

  test('passes the identical objects', async () => {
    const messages = [of('', ''), of('j', 't'), of('x'), of('', 'y'), of('', '')];
    const linked = await link(...messages);
    for (const [at, message] of linked.entries()) expect(message).toBe(messages[at]);
  });

  test('a linked message has the hidden class of any other: the same keys in the same order', async () => {
    const [first, linked] = await link(of('j', 't'), of('j'));
    expect(Object.keys(linked!)).toEqual(Object.keys(first!));
  });
});

describe('the store', () => {
  test('files a message under its job and its trace, with links both ways', () => {
    const store = storeOf();
    for (const message of [of('j', 't1'), of('j', 't2'), of('k', 't1'), of('', '')]) store.add(message);
    expect([...store.job('j')!.links]).toEqual(['t1', 't2']);
    expect([...store.trace('t1')!.links]).toEqual(['j', 'k']);
    expect([store.job('j')?.linked?.id, store.trace('t1')?.linked?.id]).toEqual(['t2', 'k']);
    expect(store.stats()).toMatchObject({ jobs: 2, traces: 2, messages: 6, evicted: 0 });
    expect(store.job('?')).toBeUndefined();
  });

  test('keeps 64 links of a story', () => {
    const store = storeOf({ maxTraces: 1000 });
    for (let n = 0; n < 100; n++) store.add(of('j', `t${n}`));
    expect(store.job('j')?.links.length).toBe(64);
    expect(store.job('j')?.linked?.id).toBe('t99');
  });

  test('forgets what is not used, and keeps what is', () => {
    const store = storeOf();
    store.add(of('old'));
    for (let n = 0; n < 100; n++) {
      store.add(of(`j${n}`, '', n));
      store.add(of('busy', '', n));
      expect(store.stats().jobs).toBeLessThanOrEqual(11);
      // With the busy one that is half of what it may keep.
      for (let recent = Math.max(0, n - 3); recent <= n; recent++) {
        expect(store.job(`j${recent}`)).toBeDefined();
      }
    }
    expect(store.job('old')).toBeUndefined();
    expect(store.job('busy')?.messages).toHaveLength(100);
    expect(store.job('j99')).toBeDefined();
    expect(store.jobs().at(-1)?.lastMs).toBe(START_MS + 99);
  });

  test('looking at a job does not keep it', () => {
    const store = storeOf();
    store.add(of('old'));
    for (let n = 0; n < 30; n++) {
      store.job('old');
      store.add(of(`j${n}`));
    }
    expect(store.job('old')).toBeUndefined();
  });

  test('counts exactly what it holds, whatever it forgets', () => {
    const store = storeOf({ maxMessages: 60, maxMessagesPerTrace: 7, maxTraces: 6 });
    for (let n = 0; n < 5000; n++) {
      // Some are used again and again, others are forgotten in between.
      const job = n % 4 === 0 ? 0 : (n * 7) % 31;
      store.add(of(n % 3 === 0 ? '' : `j${job}`, n % 5 === 0 ? '' : `t${(n * 5) % 23}`, n));
      if (n % 50 > 0) continue;
      const { messages, bytes, jobs } = store.stats();
      const ids = Array.from({ length: 31 }, (_, id) => id);
      const stories = ids.flatMap((id) => [store.job(`j${id}`) ?? [], store.trace(`t${id}`) ?? []].flat());
      const kept = stories.flatMap((story) => story.messages);
      expect(messages).toBe(kept.length);
      expect(bytes).toBe(kept.reduce((sum, message) => sum + message.bytes, 0));
      expect(jobs).toBe(store.jobs().length);
      expect(messages).toBeLessThanOrEqual(60);
    }
    expect(store.stats().evicted).toBeGreaterThan(100);
  });

  test('forgets traces before jobs when there are too many messages or bytes', () => {
    for (const limits of [{ maxMessages: 30 }, { maxBytes: 30 * of('j').bytes }]) {
      const store = storeOf({ maxTraces: 1000, ...limits });
      for (let n = 0; n < 20; n++) store.add(of(`j${n}`));
      for (let n = 0; n < 50; n++) store.add(of('', `t${n}`));
      expect(store.stats().jobs).toBe(20);
      expect(store.stats().messages).toBeLessThanOrEqual(30);
      for (let n = 0; n < 50; n++) store.add(of(`k${n}`));
      expect(store.job('k49')).toBeDefined();
      expect(store.job('j0')).toBeUndefined();
    }
  });

  test('a single message beyond every bound', () => {
    const store = storeOf({ maxBytes: 1 });
    store.add(of('j', 't'));
    expect(store.stats()).toMatchObject({ messages: 0, bytes: 0 });
  });

  test('keeps of a story the newest in full and sums up the rest, once', () => {
    const store = storeOf({ maxMessagesPerTrace: 10 });
    for (let n = 0; n < 95; n++) store.add(of('j', '', n));
    const story = store.job('j')!;
    expect(story.messages.length).toBeLessThanOrEqual(10);
    expect(story.messages.length + story.folded).toBe(95);
    expect(story.messages.at(-1)?.timeMs).toBe(START_MS + 94);
    expect(summarise(story, partsOf(story), 0)).toMatchObject({
      messages: 95,
      truncated: true,
      total_ms: 94,
    });
    expect(story.approximate).toBe(false);
  });

  test('keeps two thousand a second in full and sums up what is in the data of the others', () => {
    const store = storeOf({ maxMessages: 1e6, maxMessagesPerTrace: 1e6 });
    for (let n = 0; n < 10_000; n++)
      store.add(record(n / 100, 's', 'progress', { percent: n / 100 }, { jobId: 'j' }));
    const story = store.job('j')!;
    expect(story).toMatchObject({ folded: 8000, approximate: false });
    expect(summarise(story, partsOf(story), 0)).toMatchObject({ messages: 10_000, percent: 99.99 });
    store.add(of('j', '', 5000));
    expect(store.job('j')?.messages).toHaveLength(2001);
  });

  test('what is summed up has all that the data says, whatever the type and however it is written', () => {
    const data = fc.record(
      {
        message: fc.constantFrom(...'abcdefghijkl'),
        status: fc.constantFrom('ok', 'failed', 'error', 7),
        parent_job_id: fc.constantFrom('p', 'q', ''),
        context: fc.constantFrom<JsonObject>({}, { parent_job_id: 'r' }),
        value: fc.constant(1),
      },
      { requiredKeys: [] },
    );
    const type = fc.constantFrom('event', 'metric', 'resource', 'progress', 'span', 'other');
    const list = fc.array(fc.tuple(type, data, fc.boolean()), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(list, (all) => {
        const store = createTraceStore(LIMITS, { kept: 0, folded: 1000 });
        for (const [kind, said, isEscaped] of all) {
          const json = JSON.stringify({ source: 's', type: kind, data: said });
          const head = (isEscaped ? json.replaceAll('a', '\\u0061') : json).slice(0, -1);
          store.add(record(0, 's', kind, said, { jobId: 'j', head } as Partial<Message>));
        }
        const parents = all.map(([, said]) => said.parent_job_id ?? said.context?.parent_job_id ?? '');
        const texts = all.flatMap(([kind, { message }]) => (kind === 'event' && message ? [message] : []));
        expect(partsOf(store.job('j')!)).toMatchObject([
          {
            messages: all.length,
            errors: all.filter(([, { status }]) => status === 'failed' || status === 'error').length,
            parentJob: parents.find((id) => id !== '') ?? '',
            texts: [...new Set(texts)].slice(0, 8),
          },
        ]);
      }),
    );
  });

  test('leaves nothing in a message that it only looked at', () => {
    const store = storeOf({ maxMessages: 1e6, maxMessagesPerTrace: 1e6 });
    for (let n = 0; n < 2000; n++) store.add(of('j', '', n / 100));
    const later = of('j', '', 50);
    store.add(later);
    expect(later.parsed).toBeUndefined();
    expect(store.job('j')?.folded).toBe(1);
  });

  test('in a flood counts what is past ten thousand a second, and says that it is not all', () => {
    const store = storeOf({ maxMessages: 1e6, maxMessagesPerTrace: 1e6 });
    for (let n = 0; n < 25_000; n++) store.add(of('j', '', n / 100));
    const story = store.job('j')!;
    expect(story).toMatchObject({ folded: 23_000, approximate: true });
    expect(summarise(story, partsOf(story), 0)).toMatchObject({ messages: 25_000, truncated: true });
    for (let n = 0; n < 1000; n++) store.add(of('j', '', 2000 + n / 100));
    expect([story.messages.length, story.folded]).toEqual([2500, 23_500]);
    for (let n = 0; n < 1000; n++) store.add(of('j', '', 3000 + n / 100));
    expect([story.messages.length, story.folded]).toEqual([3500, 23_500]);
  });

  test('bounds the sources of one story', () => {
    const store = storeOf();
    for (let n = 0; n < 1000; n++) store.add(record(0, `s${n}`, 'event', {}, { jobId: 'j' }));
    expect(partsOf(store.job('j')!)).toHaveLength(256);
  });

  test('counts the spans that it remembers, and forgets their stories past the bound', () => {
    const maxBytes = 150 * SPAN_BYTES;
    const store = storeOf({ maxBytes, maxMessagesPerTrace: 1 });
    const known = () => store.jobs().reduce((sum, { knownSpans }) => sum + knownSpans, 0);
    for (let n = 0; n < 100; n++) store.add(span(n, 'a', 1, { id: `${n}` }));
    expect(known()).toBeGreaterThan(90);
    for (let job = 0; job < 20; job++) {
      for (let n = 0; n < 20; n++) store.add({ ...span(n, 'a', 1, { id: `${n}` }), jobId: `j${job}` });
      expect(store.stats().bytes).toBeLessThanOrEqual(maxBytes);
    }
    expect(store.stats().evicted).toBeGreaterThan(0);
    const kept = store.jobs().flatMap(({ messages }) => messages.map(({ bytes }) => bytes));
    expect(store.stats().bytes).toBe(kept.reduce((sum, each) => sum + each, known() * SPAN_BYTES));
    expect(known()).toBeGreaterThan(0);
  });

  test('takes new limits at once', () => {
    const store = storeOf({ maxTraces: 1000 });
    for (let n = 0; n < 500; n++) store.add(of(`j${n}`, `t${n}`));
    store.setLimits({ ...LIMITS, maxTraces: 20 });
    expect(store.stats().jobs).toBeLessThanOrEqual(20);
    expect(store.stats().traces).toBeLessThanOrEqual(20);
    store.setLimits({ ...LIMITS, maxTraces: 1000 });
    for (let n = 0; n < 300; n++) store.add(of(`j${n}`));
    expect(store.stats().jobs).toBeGreaterThanOrEqual(300);
    store.setLimits({ ...LIMITS, maxTraces: 1000, maxMessages: 10 });
    expect(store.stats().messages).toBeLessThanOrEqual(10);
  });
});
