import { expect, test } from '@jest/globals';
import { map, type Observable } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import type { Connection } from '../src/ingest/connection.ts';
import { decode } from '../src/ingest/detect.ts';
import { openSessions } from '../src/ingest/session/sessions.ts';
import { createRecording, MUTE, OPTIONS } from '../test/ingest/harness.ts';

const line = (type: string, data: object, more: object = {}) =>
  Buffer.from(
    `${JSON.stringify({ source: 's', timestamp: '2025-10-20T10:30:45.123Z', type, data, ...more })}\n`,
  );
const SESSION = 'd'.repeat(32);
const CHUNKS: Readonly<Record<string, Buffer>> = {
  t: line('hello', { token: 'open' }),
  w: line('hello', { token: 'shut' }),
  s: line('hello', { token: 'open', session: SESSION, ack: 'disk' }),
  e: line('event', {}, { seq: 1 }),
  _: Buffer.from('\n'),
};

/** A connection that has to show a token; `name$` are its records, `refusals` what it is told at its end. */
async function setUp(
  body: (
    parts: {
      connect: (marbles: string, clockMs?: () => number) => Observable<string>;
      refusals: string[];
      finished: number[];
    },
    helpers: Parameters<Parameters<TestScheduler['run']>[0]>[0],
    scheduler: TestScheduler,
  ) => void,
) {
  const scheduler = new TestScheduler((actual, expected) => expect(actual).toEqual(expected));
  const { context } = createRecording(scheduler);
  const marks = async () => ({ loaded: [], save: async () => {}, close: async () => {} });
  const sessions = await openSessions(marks, context);
  const refusals: string[] = [];
  const finished: number[] = [];
  scheduler.run((helpers) => {
    const connect = (marbles: string, clockMs = () => scheduler.now()) => {
      const connection: Connection = {
        id: 1,
        remote: 'marble',
        chunk$: helpers.cold(marbles).pipe(map((name) => CHUNKS[name] as Buffer)),
        clockMs,
        ...MUTE,
        finish: () => finished.push(scheduler.now()),
        introduce: () => {},
        refuse: (reply) => refusals.push(JSON.parse(String(reply)).data.code),
      };
      const taken$ = decode(() => ({ ...OPTIONS, token: 'open' }), context, sessions)(connection);
      return taken$.pipe(map((frame) => ('frame' in frame ? `s ${frame.origin.admit(1)}` : 'e')));
    };
    body({ connect, refusals, finished }, helpers, scheduler);
  });
}

test.each([
  ['nothing', '-----', ' 5s |', ['auth']],
  ['blanks', '-_---', ' 5s |', ['auth']],
  ['a record', '-e---', '-|', ['auth']],
  ['a wrong token', '-w-e-', '-|', ['auth']],
  ['the token', '-t-e-', ' ---e-', []],
  ['the token late', '4s t 1s e', '4s - 1s e', []],
  ['the token too late', '5001ms t e', '5s |', ['auth']],
])('within 5 s: %s', async (_, input, output, codes) => {
  await setUp(({ connect, refusals }, { expectObservable, flush }) => {
    expectObservable(connect(input)).toBe(output.trim());
    flush();
    expect(refusals).toEqual(codes);
  });
});

test('time in which nothing is read does not count', async () => {
  await setUp(({ connect, refusals }, { expectObservable, flush }, scheduler) => {
    // The clock stands between 1 s and 4 s.
    const clockMs = () => Math.min(scheduler.now(), Math.max(1000, scheduler.now() - 3000));
    expectObservable(connect('-', clockMs)).toBe('8s |');
    flush();
    expect(refusals).toEqual(['auth']);
  });
});

test('time in which the process stands still does not count', async () => {
  await setUp(({ connect, refusals }, { expectObservable, flush }, scheduler) => {
    // For a minute in second 2.
    const clockMs = () => scheduler.now() + (scheduler.now() < 2000 ? 0 : 60_000);
    expectObservable(connect('-', clockMs)).toBe('5500ms |');
    flush();
    expect(refusals).toEqual(['auth']);
  });
});

test('a client that has closed its end is waited for until its records are taken, 10 s at most', async () => {
  await setUp(({ connect, finished }, { expectObservable, flush }) => {
    expectObservable(connect('-s-e-|')).toBe('---s-|', { s: 's new' });
    flush();
    expect(finished).toEqual([10_005]);
  });
});
