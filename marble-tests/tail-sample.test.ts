import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { concat, from, NEVER, of, VirtualTimeScheduler } from 'rxjs';
import tailSample from '../pipelines/tail-sample.ts';
import type { JsonObject, Message } from '../src/message.ts';
import { fractionOf } from '../src/route/filter.ts';
import {
  batchOf,
  built,
  messageOf,
  operatorContext,
  type TrialOptions,
  testsOfEveryOperator,
  tryChain,
  use,
  virtually,
} from '../test/route/support.ts';

/** Trace ids by what the sample makes of them, for a sample of a tenth. */
const idOf = (accepts: (fraction: number) => boolean, from: number): string => {
  for (let n = from; ; n++) {
    const id = n.toString(16).padStart(32, '0');
    if (accepts(fractionOf(id))) return id;
  }
};
const OUT = idOf((fraction) => fraction > 0.5, 1);
const ALSO_OUT = idOf((fraction) => fraction > 0.5, Number.parseInt(OUT, 16) + 1);
const THIRD_OUT = idOf((fraction) => fraction > 0.5, Number.parseInt(ALSO_OUT, 16) + 1);
const IN = idOf((fraction) => fraction < 0.1, 1);

const log = (trace_id: string, level = 'info'): JsonObject => ({ trace_id, data: { level } });
const span = (trace_id: string, data: JsonObject, span_id = 'r'): JsonObject => ({
  type: 'span',
  trace_id,
  span_id,
  data,
});
const start = { phase: 'start', name: 'n' };
const end = { phase: 'end', name: 'n', duration_us: 1000, status: 'ok' };

const RECORDS: Record<string, JsonObject> = {
  a: log(OUT),
  b: log(OUT),
  e: log(OUT, 'error'),
  s: span(OUT, start),
  r: span(OUT, end),
  c: span(OUT, { ...start, parent_span_id: 'r' }, 'c'),
  d: span(OUT, { ...end, parent_span_id: 'r' }, 'c'),
  f: span(OUT, { ...end, status: 'Failed' }),
  l: span(OUT, { ...end, parent_span_id: 'r', duration_us: 10_000 }, 'c'),
  p: { type: 'progress', trace_id: OUT, data: { job_id: 'j', percent: 3, status: 'failed' } },
  x: log(ALSO_OUT),
  y: log(ALSO_OUT, 'fatal'),
  z: log(THIRD_OUT),
  A: log(IN),
  E: log(IN, 'error'),
  n: { data: { level: 'info' } },
};
const late: Partial<Message> = { timeMs: 10 };
const MESSAGES: Readonly<Record<string, Message>> = {
  ...Object.fromEntries(Object.entries(RECORDS).map(([name, record]) => [name, messageOf(name, record)])),
  g: messageOf('g', log(OUT), late),
};
const OPTIONS = { sample: 0.1, slow: '10ms', wait: '5ms' };
const BATCHES = Object.fromEntries(
  Object.entries(MESSAGES).map(([name, message]) => [name, batchOf([message])]),
);

const run = (source: string, options: object = {}, at: TrialOptions['at'] = {}) =>
  tryChain({
    operators: [use('tail-sample', tailSample, { ...OPTIONS, ...options })],
    source,
    batches: BATCHES,
    at,
  });
const results = (source: string, options: object = {}) => run(source, options).results;
const dropped = (ms: number, names: string) => `${ms} filtered operator:tail-sample ${names}`;

describe('tail-sample', () => {
  testsOfEveryOperator(tailSample, {});

  test('passes what is in no trace, and what is in a sampled one, at once', () => {
    expect(results('-nAnAE|')).toEqual(['1 n', '2 A', '3 n', '4 A', '5 E', '6 |']);
  });

  test.each([
    { what: 'an error', source: '-ab-e-ab|', kept: '4 abe' },
    { what: 'a failed span', source: '-ab-f-ab|', kept: '4 abf' },
    { what: 'a failed job', source: '-ab-p-ab|', kept: '4 abp' },
    { what: 'a slow span', source: '-ab-l-ab|', kept: '4 abl' },
    { what: 'times far apart', source: '-ab-g-ab|', kept: '4 abg' },
  ])('keeps a trace with $what, all of it, and what follows at once', ({ source, kept }) => {
    expect(results(source)).toEqual([kept, '6 a', '7 b', '8 |']);
  });

  test('keeps a trace whose messages come out of order', () => {
    expect(results('-ga|')).toEqual(['2 ga', '3 |']);
  });

  test('leaves no timer behind', () => {
    const scheduler = new VirtualTimeScheduler();
    const operate = built(tailSample, OPTIONS, operatorContext(scheduler));
    const subscription = concat(of(messageOf('a', log(OUT))), NEVER)
      .pipe(operate)
      .subscribe();
    expect(scheduler.actions).toHaveLength(1);
    subscription.unsubscribe();
    expect(scheduler.actions).toHaveLength(0);
  });

  test('keeps a trace that starts with an error', () => {
    expect(results('-eab|')).toEqual(['1 e', '2 a', '3 b', '4 |']);
  });

  test('drops a trace in which nothing came for `wait`, and what comes later', () => {
    expect(results('-a--b------a-|')).toEqual([dropped(9, 'ab'), dropped(11, 'a'), '13 |']);
  });

  test('holds a trace as long as something comes', () => {
    expect(results('-a---a---a---e|')).toEqual(['13 aaae', '14 |']);
  });

  test('drops a trace at once when its root span ends', () => {
    expect(results('-sabr-a|')).toEqual([dropped(4, 'rsab'), dropped(6, 'a'), '7 |']);
  });

  test('waits for spans that are open at the end of the root span', () => {
    expect(results('-scrd-------|')).toEqual([dropped(9, 'scrd'), '12 |']);
    expect(results('-scr--e-----|')).toEqual(['6 scre', '12 |']);
  });

  test('keeps a trace that falls silent in an open span', () => {
    expect(results('-sa---------|')).toEqual(['7 sa', '12 |']);
  });

  test('keeps a failure that comes after all, and what follows it', () => {
    expect(results('-abr-a-e-a|')).toEqual([dropped(3, 'rab'), dropped(5, 'a'), '7 e', '9 a', '10 |']);
    expect(results('-abr-a-l-a|').slice(2)).toEqual(['7 l', '9 a', '10 |']);
  });

  test('takes an error level for one in events only', () => {
    expect(results('-ar|')).toEqual([dropped(2, 'ra'), '3 |']);
  });

  test('decides at the end by what is known', () => {
    expect(results('-ab-x-|')).toEqual([dropped(6, 'abx'), '6 |']);
    expect(results('-sab-x|')).toEqual(['6 sab', dropped(6, 'x'), '6 |']);
  });

  test('holds what it holds', () => {
    const held: number[] = [];
    const note = (chain: { held(): number }) => held.push(chain.held());
    run('-ab-x-e-----------|', {}, { 0: note, 3: note, 5: note, 8: note, 17: note });
    expect(held).toEqual([0, 2, 3, 1, 0]);
  });

  test('decides the trace that was silent for longest at `max_traces`, and says so once a minute', () => {
    const { results: all, context } = run('-axy-ab-|', { max_traces: 1, wait: '10m' });
    // That a was dropped is told by number: x stood for it until it came out.
    expect(all).toEqual([dropped(2, 'x'), '3 xy', dropped(5, 'a'), dropped(6, 'b'), '8 |']);
    expect(context.logged).toEqual([
      'warn: tail-sample is full: traces are decided early (max_traces, max_bytes)',
    ]);
    expect(context.added).toBe(0);
  });

  test('takes a trace for silent since its last message', () => {
    expect(run('-axbze-|', { max_traces: 2, wait: '10m' }).results).toEqual([
      dropped(4, 'z'),
      '5 abe',
      dropped(7, 'x'),
      '7 |',
    ]);
  });

  test('decides early by what is known', () => {
    expect(run('-sxa|', { max_traces: 1, wait: '10m' }).results).toEqual([
      '2 s',
      '3 a',
      dropped(4, 'x'),
      '4 |',
    ]);
  });

  test('says anew after a minute how many were decided early', () => {
    const warnings = (source: string) => run(source, { max_traces: 1, wait: '10m' }).context.logged.length;
    expect(warnings('ax 50s z|')).toBe(1);
    expect(warnings('ax 61s z|')).toBe(2);
  });

  test('decides at `max_bytes` too', () => {
    const { bytes } = MESSAGES.a!;
    const options = { max_bytes: `${2 * bytes}B`, wait: '10m' };
    expect(run('abx|', options).results).toEqual([
      '2 filtered operator:tail-sample xa',
      '3 filtered operator:tail-sample b',
      '3 |',
    ]);
    expect(run('ab|', options).results).toEqual([dropped(2, 'ab'), '2 |']);
    expect(run('a-a-a|', { max_bytes: '1B' }).results.at(-1)).toBe('5 |');
  });

  test('forgets the oldest decision at `max_decided`', () => {
    expect(results('ar-xy---e|', { max_decided: 1 })).toEqual([dropped(1, 'ra'), '4 xy', '8 e', '9 |']);
    expect(results('ar-xy-ae|', { max_decided: 1 })).toEqual([dropped(1, 'ra'), '4 xy', '7 ae', '8 |']);
    expect(results('ar-xy-ae|', { max_decided: 2 })).toEqual([
      dropped(1, 'ra'),
      '4 xy',
      dropped(6, 'a'),
      '7 e',
      '8 |',
    ]);
  });

  test('samples all or none', () => {
    expect(results('aAx|', { sample: 1 })).toEqual(['0 a', '1 A', '2 x', '3 |']);
    expect(results('aAx|', { sample: 0, wait: '1s' })).toEqual([dropped(3, 'aAx'), '3 |']);
  });

  test('decides at once what a clock set back has made uncertain', () => {
    virtually(({ hot, expectObservable, flush }, scheduler) => {
      const now = () => (scheduler.now() < 3 ? 1e9 : 1e6 + scheduler.now());
      const clock = { now, schedule: scheduler.schedule.bind(scheduler) as typeof scheduler.schedule };
      let count = () => -1;
      const context = { ...operatorContext(clock), holding: (gauge: () => number) => (count = gauge) };
      const operate = built(tailSample, OPTIONS, context);
      expectObservable(hot('-a---', MESSAGES).pipe(operate)).toBe('-----');
      scheduler.schedule(() => expect(count()).toBe(1), 5);
      scheduler.schedule(() => expect(count()).toBe(0), 7);
      flush();
    });
  });

  test('keeps whole traces or none, each in order, and loses nothing', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ trace: fc.integer({ min: 1, max: 12 }), dice: fc.integer({ min: 0, max: 9 }) })),
        (parts) => {
          const messages = parts.map(({ trace, dice }, at) =>
            messageOf(`${at} `, log(trace.toString(16).padStart(32, '0'), dice === 0 ? 'error' : 'info')),
          );
          if (messages.length === 0) return;
          const kept = ({ traceId }: Message) =>
            fractionOf(traceId) < 0.5 ||
            messages.some((each) => each.traceId === traceId && each.severity === 5);
          const out: Message[] = [];
          const scheduler = new VirtualTimeScheduler();
          from(messages)
            .pipe(built(tailSample, { sample: 0.5 }, operatorContext(scheduler)))
            .subscribe((message) => out.push(message));
          for (const { traceId } of messages) {
            const ofTrace = (all: readonly Message[]) => all.filter((each) => each.traceId === traceId);
            expect(ofTrace(out)).toEqual(ofTrace(messages.filter(kept)));
          }
        },
      ),
    );
  });

  test.each([{ sample: 2 }, { slow: 5 }, { wait: '1' }, { max_traces: 0 }, { max_bytes: 1 }, { rate: 1 }])(
    'refuses %j',
    (options) => {
      expect(tailSample.options?.safeParse(options).success).toBe(false);
    },
  );
});
