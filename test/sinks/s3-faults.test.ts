// The s3 sink and a network that fails, in front of a real moto_server.
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { Subscription } from 'rxjs';
import type { Batch } from '../../src/batch.ts';
import { Permanent, type Sink } from '../../src/deliver/sink.ts';
import s3 from '../../src/sinks/s3.ts';
import { type FaultProxy, type Faults, startFaultProxy } from '../fault-proxy.ts';
import { describeWithMoto, type Moto, startMoto } from '../moto.ts';
import { localOptions, lookInto, openS3 } from './stores.ts';
import { afterwards, batch, close, eventually, ids, send, sinkContext } from './support.ts';

const MiB = 2 ** 20;

/** A batch whose object has about this many bytes. */
const incompressible = (bytes: number) =>
  batch(1, {}, { noise: randomBytes(Math.ceil(bytes * 0.75)).toString('base64') });

/** Begins to send, as a lane does that may abort. */
function begin(sink: Sink, sent: Batch): Subscription {
  const sending = sink.send(sent, sink.address({}).target(sent.messages[0]!)).subscribe({ error: () => {} });
  afterwards(() => sending.unsubscribe());
  return sending;
}

describeWithMoto('s3 behind a network that fails', () => {
  let moto: Moto;
  let proxy: FaultProxy;
  beforeAll(async () => {
    moto = await startMoto();
  }, 180_000);
  afterAll(() => moto?.stop());
  beforeEach(async () => {
    await moto.reset();
    await lookInto(moto.endpoint).createBucket();
    proxy = await startFaultProxy(moto);
    afterwards(() => proxy.close());
  });

  test.each<[string, Faults]>([
    ['reset at once', { resetAfter: 0 }],
    ['reset in the middle of the object', { resetAfter: 100_000 }],
    ['cut in the middle of the object', { cutAfter: 100_000 }],
    ['cut before the answer', { cutAnswerAfter: 1 }],
    ['swallowed', { blackHole: true }],
    ['slower than it may be', { trickle: 50_000 }],
  ])('%s: fails, and a retry makes it one object', async (_, faults) => {
    const sink = openS3(proxy.endpoint, { request_timeout: '1s', compression: 'none' });
    const sent = incompressible(MiB);
    proxy.next(faults);
    const error = await send(sink, sent).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(Error);
    expect(error).not.toBeInstanceOf(Permanent);
    await send(sink, sent);
    const objects = await lookInto(moto.endpoint).objects();
    expect(objects.map((object) => object.ids)).toEqual([ids(sent)]);
  });

  test('a connection that the store closed meanwhile costs at most one retry', async () => {
    const sink = openS3(proxy.endpoint);
    await send(sink, batch(1));
    proxy.resetAll();
    await send(sink, batch(1)).catch(() => send(sink, batch(1)));
    expect((await lookInto(moto.endpoint).objects()).length).toBe(2);
  });

  test('unsubscribing aborts: the connection ends, nothing is stored', async () => {
    const sink = openS3(proxy.endpoint, { compression: 'none' });
    proxy.set({ trickle: 200_000 });
    const sending = begin(sink, incompressible(16 * MiB));
    await eventually(() => expect(proxy.received()).toBeGreaterThan(10_000));
    sending.unsubscribe();
    // What the proxy was still slowing down comes now, and behind it the end.
    proxy.set({});
    await eventually(() => expect(proxy.open()).toBe(0));
    expect(proxy.received()).toBeLessThan(16 * MiB);
    expect(await lookInto(moto.endpoint).keys()).toEqual([]);
  });

  test('an upload in parts that is aborted leaves none, and closing waits for that', async () => {
    const sink = s3.open(
      localOptions(proxy.endpoint, { part_size: '5MiB', compression: 'none' }),
      sinkContext(),
    );
    proxy.set({ trickle: 500_000 });
    const sending = begin(sink, incompressible(12 * MiB));
    const store = lookInto(moto.endpoint);
    await eventually(async () => expect(await store.unfinished()).toBe(1));
    sending.unsubscribe();
    await close(sink);
    expect(await store.unfinished()).toBe(0);
    expect(await store.keys()).toEqual([]);
  });

  test('… also when it is aborted while it begins', async () => {
    const sink = s3.open(
      localOptions(proxy.endpoint, { part_size: '5MiB', compression: 'none' }),
      sinkContext(),
    );
    // What begins the upload takes its time.
    proxy.next({ delayMs: 500 });
    const sending = begin(sink, incompressible(12 * MiB));
    await eventually(() => expect(proxy.connections()).toBeGreaterThan(0));
    sending.unsubscribe();
    await close(sink);
    const store = lookInto(moto.endpoint);
    expect(await store.unfinished()).toBe(0);
    expect(await store.keys()).toEqual([]);
  });

  test('an upload of which a part fails leaves none, and a retry makes it whole', async () => {
    const sink = openS3(proxy.endpoint, { part_size: '5MiB', compression: 'none' });
    const sent = incompressible(12 * MiB);
    // The first connection begins the upload, the next carries a part.
    proxy.next({});
    proxy.next({ resetAfter: 200_000 });
    await expect(send(sink, sent)).rejects.toThrow(/^s3:\/\/logs\/web\//);
    const store = lookInto(moto.endpoint);
    expect(await store.unfinished()).toBe(0);
    expect(await store.keys()).toEqual([]);
    await send(sink, sent);
    expect((await store.objects()).map((object) => object.ids)).toEqual([ids(sent)]);
    expect(await store.unfinished()).toBe(0);
  });
});
