// Objects have the wanted size, compressed, through a real lane into a real moto_server.
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { asyncScheduler, lastValueFrom } from 'rxjs';
import { createBatch } from '../../src/batch.ts';
import { memoryDeadLetters } from '../../src/deliver/dead-letters.ts';
import { openLane } from '../../src/deliver/lane.ts';
import { createMessage, type Message } from '../../src/message.ts';
import s3 from '../../src/sinks/s3.ts';
import { describeWithMoto, type Moto, startMoto } from '../moto.ts';
import { localOptions, lookInto } from './stores.ts';
import { message, sinkContext } from './support.ts';

const MiB = 2 ** 20;
const TARGET = 2 * MiB;

/** A stream of numbers in [0, 1) that is the same in every run. */
function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return state / 2 ** 32;
  };
}

const WORDS =
  'connection timeout worker queue job retry database row commit cache miss hit user session token request response status error warning started finished failed after while reading writing'.split(
    ' ',
  );

/** An event of about so many bytes as services write them: words, numbers, ids, a few of them new each time. */
function event(bytes: number, random: () => number): Message {
  const lines: object[] = [];
  const word = () => WORDS[Math.floor(random() * WORDS.length)];
  const hex = (digits: number) =>
    Math.floor(random() * 16 ** digits)
      .toString(16)
      .padStart(digits, '0');
  for (let size = 300; size < bytes; size += 175) {
    lines.push({
      at: `2025-10-20T10:30:${hex(2)}.${Math.floor(random() * 1000)}Z`,
      text: `${word()} ${word()} ${word()} ${word()} in ${Math.floor(random() * 5000)} ms`,
      span: hex(8) + hex(8),
      ok: random() < 0.9,
    });
  }
  const head = JSON.stringify({ source: 'web', type: 'event', data: { user: hex(8), lines } }).slice(0, -1);
  return createMessage({ ...message(), head, parsed: undefined });
}

/** Batches of a source as the sidecar's defaults make them: 100 messages, or the first to reach 1 MiB. */
function* batches(bytesOf: () => number, random: () => number, inAll: number) {
  for (let sum = 0; sum < inAll; ) {
    const messages: Message[] = [];
    let bytes = 0;
    while (messages.length < 100 && bytes < MiB) {
      const one = event(bytesOf(), random);
      messages.push(one);
      bytes += one.bytes;
    }
    sum += bytes;
    yield createBatch(messages, bytes, 'count');
  }
}

describeWithMoto('s3', () => {
  let moto: Moto;
  beforeAll(async () => {
    moto = await startMoto();
  }, 180_000);
  afterAll(() => moto?.stop());
  beforeEach(async () => {
    await moto.reset();
    await lookInto(moto.endpoint).createBucket();
  });

  const random = chance(7);
  test.each<[string, () => number]>([
    ['1 kB', () => 1000],
    ['10 kB', () => 10_000],
    ['100 kB', () => 100_000],
    ['1 to 100 kB', () => 1000 * 100 ** random()],
  ])(
    'objects of events of %s are within 10 %% of their wanted size',
    async (_, bytesOf) => {
      const context = { ...sinkContext(), deadLetters: memoryDeadLetters() };
      const sink = s3.open(localOptions(moto.endpoint, { target_size: '2MiB' }), context);
      const lane = openLane(
        's3',
        sink,
        {
          queueMaxBytes: 64 * MiB,
          concurrency: 4,
          sendTimeoutMs: 60_000,
          retry: { initialMs: 100, maxMs: 1000, maxAttempts: Number.POSITIVE_INFINITY },
          breaker: { failures: 5, resetAfterMs: 1000 },
        },
        { ...context, scheduler: asyncScheduler },
      );
      const address = sink.address({});
      let offered = 0;
      for (const batch of batches(bytesOf, chance(3), 45 * MiB)) {
        const target = address.target(batch.messages[0]!);
        lane.offer({ kind: 'delivery', backend: 's3', batch, target, priority: 0, whenFull: 'block' });
        offered += batch.messages.length;
        // No faster than the store takes it, as the sidecar asks its clients for.
        await pause(lane.stats().queueBytes > 16 * MiB ? 20 : 1);
      }
      await lastValueFrom(lane.close(60_000), { defaultValue: undefined });
      expect(lane.stats()).toMatchObject({ sent: offered, retries: 0 });

      const objects = await lookInto(moto.endpoint).objects();
      expect(objects.flatMap((object) => object.ids)).toHaveLength(offered);
      const sizes = objects.map((object) => object.bytes.length);
      // The last is what was left when the lane closed.
      const full = sizes.slice(0, -1);
      expect(full.length).toBeGreaterThanOrEqual(3);
      const off = full.map((size) => Math.abs(size / TARGET - 1));
      expect({ sizes, worst: Math.max(...off) <= 0.1 }).toEqual({ sizes, worst: true });
    },
    180_000,
  );
});
