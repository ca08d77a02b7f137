import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { asyncScheduler, lastValueFrom, tap } from 'rxjs';
import { memoryDeadLetters } from '../../src/deliver/dead-letters.ts';
import { type Lane, openLane } from '../../src/deliver/lane.ts';
import type { Sink } from '../../src/deliver/sink.ts';
import { jsonOf, type Message } from '../../src/message.ts';
import { callsOf } from '../../src/sinks/cloudwatch/calls.ts';
import { type LogEvent, REASONS } from '../../src/sinks/cloudwatch/events.ts';
import { LIMITS } from '../../src/sinks/cloudwatch/limits.ts';
import type { Fault } from '../cloudwatch-fake.ts';
import { OPTIONS } from '../deliver/fixtures.ts';
import { at, batchOf, fakeService, openSink, sized, textsIn } from './cloudwatch-support.ts';
import { sinkContext } from './support.ts';

const HOUR_MS = 3_600_000;
const MIB = 1_048_576;
const SOURCES = ['a', 'b', '../c', ':*'];

describe('calls', () => {
  const event = fc
    .record({
      timestamp: fc.oneof(
        fc.nat(5),
        fc.nat(3 * LIMITS.spanMs),
        fc.constantFrom(0, LIMITS.spanMs - 1, LIMITS.spanMs),
      ),
      bytes: fc.oneof(
        { weight: 5, arbitrary: fc.integer({ min: 27, max: 2000 }) },
        { weight: 1, arbitrary: fc.integer({ min: 27, max: LIMITS.callBytes }) },
        { weight: 1, arbitrary: fc.constantFrom(LIMITS.callBytes, LIMITS.callBytes / 2, 27) },
      ),
    })
    .map((fields): LogEvent => ({ ...fields, message: undefined as never, text: '' }));
  const bytesOf = (events: readonly LogEvent[]) => events.reduce((sum, { bytes }) => sum + bytes, 0);

  test('keep every limit, hold every event once and in order, and could not hold the next one', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 200 }), (anyhow) => {
        const events = anyhow.toSorted((a, b) => a.timestamp - b.timestamp);
        const calls = [...callsOf(events)];
        expect(calls.flat()).toEqual(events);
        for (const [nth, call] of calls.entries()) {
          const span = call.at(-1)!.timestamp - call[0]!.timestamp;
          expect(bytesOf(call) <= LIMITS.callBytes && span < LIMITS.spanMs && call.length > 0).toBe(true);
          const next = calls[nth + 1]?.[0];
          if (next === undefined) continue;
          const isFull = bytesOf(call) + next.bytes > LIMITS.callBytes;
          expect(isFull || next.timestamp - call[0]!.timestamp >= LIMITS.spanMs).toBe(true);
        }
      }),
    );
  });

  test('hold at most 10,000 events', () => {
    const events = Array.from(
      { length: 20_001 },
      (): LogEvent => ({
        timestamp: 0,
        bytes: 27,
        message: undefined as never,
        text: 'x',
      }),
    );
    expect([...callsOf(events)].map(({ length }) => length)).toEqual([10_000, 10_000, 1]);
  });
});

/** A lane on a sink, and what became of its messages. */
function laneOn(sink: Sink, concurrency = 4) {
  const deadLetters = memoryDeadLetters();
  const options = {
    ...OPTIONS,
    concurrency,
    queueMaxBytes: 1_000_000_000,
    sendTimeoutMs: 60_000,
    retry: { initialMs: 5, maxMs: 20, maxAttempts: Number.POSITIVE_INFINITY },
    breaker: { failures: 1000, resetAfterMs: 10 },
  };
  const lane = openLane('logs', sink, options, { ...sinkContext(asyncScheduler), deadLetters });
  const delivered: Message[] = [];
  lane.outcome$
    .pipe(tap(({ ending, messages }) => void (ending === 'delivered' && delivered.push(...messages))))
    .subscribe();
  return {
    lane,
    delivered,
    deadLetters,
    finish: () => lastValueFrom(lane.close(60_000), { defaultValue: 'closed' }),
  };
}

const offer = (lane: Lane, sink: Sink, messages: readonly Message[]) =>
  lane.offer({
    kind: 'delivery',
    backend: 'logs',
    batch: batchOf(messages),
    target: sink.address({}).target(messages[0]!),
    priority: 0,
    whenFull: 'block',
  });

describe('any batches', () => {
  const nowMs = Date.now();
  // Far from the ends of the window, which move while the test runs.
  const timeMs = fc.oneof(
    { weight: 4, arbitrary: fc.integer({ min: -5000, max: 0 }) },
    { weight: 2, arbitrary: fc.integer({ min: -13 * 24 * HOUR_MS, max: HOUR_MS }) },
    { weight: 1, arbitrary: fc.constantFrom(-15 * 24 * HOUR_MS, 3 * HOUR_MS, -nowMs) },
  );
  const text = fc.oneof(
    { weight: 8, arbitrary: fc.string({ unit: 'binary', maxLength: 50 }) },
    {
      weight: 1,
      arbitrary: fc.integer({ min: 1000, max: 120_000 }).map((length) => 'é"\u{1f600}'.repeat(length)),
    },
  );
  const source = fc.constantFrom(...SOURCES);
  const message = fc
    .record({ timeMs, text, source })
    .map(({ timeMs: ms, text: value, source: from }) => at(nowMs + ms, { text: value }, from));
  const batches = fc.array(fc.array(message, { minLength: 1, maxLength: 30 }), {
    minLength: 1,
    maxLength: 12,
  });
  const faults = fc.array(
    fc.option(
      fc.constantFrom<Fault>(
        { type: 'ThrottlingException', retryAfter: '0.005' },
        { type: 'InternalFailure', status: 500 },
        { type: 'AccessDeniedException' },
        'cut',
      ),
      { nil: undefined, freq: 3 },
    ),
    { maxLength: 12 },
  );

  test('no call breaks a limit; every message arrives once or is a dead letter with its reason', async () => {
    await fc.assert(
      fc.asyncProperty(batches, faults, async (offered, planned) => {
        const fake = await fakeService();
        const queue = [...planned];
        fake.fault = () => queue.shift();
        const sink = openSink(fake);
        const { lane, delivered, deadLetters, finish } = laneOn(sink);
        const bySource = offered.flatMap((one) =>
          SOURCES.map((from) => one.filter((each) => each.source === from)),
        );
        for (const one of bySource) if (one.length > 0) offer(lane, sink, one);
        await finish();

        expect(fake.violations).toEqual([]);
        const all = offered.flat();
        const isDead = ({ timeMs: ms }: Message) =>
          ms < nowMs - 14 * 24 * HOUR_MS || ms > nowMs + 2 * HOUR_MS;
        const dead = deadLetters.letters.flatMap(({ error, messages }) =>
          messages.map(({ id }) => [id, error]),
        );
        const expected = all
          .filter(isDead)
          .map(({ id, timeMs: ms }) => [id, ms > nowMs ? REASONS.tooNew : REASONS.tooOld]);
        expect(dead.sort()).toEqual(expected.sort());
        const alive = all.filter((one) => !isDead(one));
        expect(delivered.map(({ id }) => id).sort()).toEqual(alive.map(({ id }) => id).sort());
        const arrived = fake.calls.flatMap(({ events }) => events.map((event) => event.message));
        expect(arrived.sort()).toEqual(alive.map(jsonOf).sort());
        await fake.close();
      }),
      { numRuns: 25 },
    );
  });

  test('if answers are lost, every message arrives at least once', async () => {
    await fc.assert(
      fc.asyncProperty(batches, faults, async (offered, planned) => {
        const fake = await fakeService();
        const queue = [...planned];
        fake.faultAfter = () => queue.shift();
        const sink = openSink(fake, { log_stream: 'one' });
        const { lane, finish } = laneOn(sink);
        for (const one of offered) offer(lane, sink, one);
        await finish();
        expect(fake.violations).toEqual([]);
        const sent = new Set(fake.calls.flatMap(({ events }) => events.map((event) => event.message)));
        const inTime = offered
          .flat()
          .filter(({ timeMs: ms }) => Math.abs(ms - nowMs) < 13.5 * 24 * HOUR_MS && ms < nowMs + 2 * HOUR_MS);
        expect(inTime.filter((one) => !sent.has(jsonOf(one)))).toEqual([]);
        await fake.close();
      }),
      { numRuns: 10 },
    );
  });
});

describe('a backlog', () => {
  test.each([
    ['short messages', 250, 100_000, 'x'],
    ['long messages', 20_000, 1500, 'x'],
    ['messages beyond ASCII', 2000, 15_000, '\u3042'],
  ])('of %s goes out in calls that are at least 90 %% full', async (_, bytes, count, character) => {
    const fake = await fakeService();
    const sink = openSink(fake, { log_stream: 'one' });
    const { lane, finish } = laneOn(sink);
    const now = Date.now();
    const messages = Array.from({ length: count }, () => sized(bytes, now, character));
    for (let from = 0; from < count; from += 100) offer(lane, sink, messages.slice(from, from + 100));
    await finish();
    expect(fake.violations).toEqual([]);
    expect(textsIn(fake, '/app', 'one')).toHaveLength(count);
    const sum = fake.calls.reduce((total, call) => total + call.bytes, 0);
    expect(sum / (fake.calls.length * MIB)).toBeGreaterThan(0.9);
  });
});
