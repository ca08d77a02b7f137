// The s3 sink against a real moto_server.
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { createBatch, mergeBatches } from '../../src/batch.ts';
import { Permanent } from '../../src/deliver/sink.ts';
import { hasZstd } from '../../src/sinks/s3/compress.ts';
import s3 from '../../src/sinks/s3.ts';
import { describeWithMoto, type Moto, startMoto } from '../moto.ts';
import { localOptions, lookInto, openS3 } from './stores.ts';
import { batch, ids, message, send, sinkContext } from './support.ts';

const MiB = 2 ** 20;

/** A batch of this many bytes that no compression makes smaller. */
const incompressible = (bytes: number) =>
  batch(1, {}, { noise: randomBytes(Math.ceil(bytes * 0.75)).toString('base64') });

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

  test('a merged batch is one object of gzipped JSON Lines, in order', async () => {
    const sink = openS3(moto.endpoint);
    const parts = [batch(3), batch(2)];
    await send(sink, mergeBatches(parts));
    const objects = await lookInto(moto.endpoint).objects();
    expect(objects).toHaveLength(1);
    expect(objects[0]).toMatchObject({
      ids: ids(...parts),
      contentType: 'application/x-ndjson',
      contentEncoding: 'gzip',
    });
    expect(JSON.parse(objects[0]!.text.split('\n')[0]!)).toMatchObject({
      source: 'web',
      type: 'event',
      received_at: '2025-10-20T10:30:46.000Z',
    });
  });

  test('its key is the prefix, the time its first message came, the batch and a digest', async () => {
    const sink = openS3(moto.endpoint, { prefix: 'in/{source}/{yyyy}/{MM}/{dd}/{HH}-' });
    const sent = batch(2);
    await send(sink, sent);
    const [key] = await lookInto(moto.endpoint).keys();
    const id = sent.messages[0]!.id;
    expect(key).toMatch(
      new RegExp(`^in/web/2025/10/20/10-20251020T103046000Z-${id}-2-[0-9a-f]{8}\\.jsonl\\.gz$`),
    );
  });

  test('a retry overwrites itself; what differs in anything does not', async () => {
    const first = message({ head: '{"source":"web","v":1' });
    const other = message({ id: first.id, head: '{"source":"web","v":2' });
    for (let attempt = 0; attempt < 2; attempt++) {
      // As after a restart: nothing is remembered.
      await send(openS3(moto.endpoint), createBatch([first], first.bytes, 'count'));
    }
    const store = lookInto(moto.endpoint);
    expect(await store.keys()).toHaveLength(1);
    await send(openS3(moto.endpoint), createBatch([other], other.bytes, 'count'));
    expect(await store.keys()).toHaveLength(2);
  });

  test('a hostile source stays inside its part of the key', async () => {
    const sink = openS3(moto.endpoint, { prefix: 'in/{source}/' });
    for (const source of ['../../etc', '/', '', 'a/b', 'ä\0\n', '..']) await send(sink, batch(1, { source }));
    const keys = await lookInto(moto.endpoint).keys();
    expect(keys).toHaveLength(6);
    for (const key of keys) expect(key).toMatch(/^in\/[A-Za-z0-9_%.-]+\/2025[^/]*$/);
    expect(keys.some((key) => key.split('/').includes('..'))).toBe(false);
  });

  test('rules choose bucket, prefix and storage class', async () => {
    const store = lookInto(moto.endpoint);
    await store.createBucket('other-logs');
    const sink = openS3(moto.endpoint, { storage_class: 'STANDARD_IA' });
    await send(sink, batch(1), { bucket: 'other-logs', prefix: 'p-{type}/', storage_class: 'GLACIER_IR' });
    await send(sink, batch(1));
    expect(await store.objects('other-logs')).toMatchObject([
      { key: expect.stringMatching(/^p-event\//), storageClass: 'GLACIER_IR' },
    ]);
    expect(await store.objects()).toMatchObject([{ storageClass: 'STANDARD_IA' }]);
    const keyOf = (config: object) => sink.address(config).target(message()).key;
    expect(keyOf({})).toBe('logs/web/');
    expect(keyOf({ storage_class: 'GLACIER_IR' })).toBe('GLACIER_IR:logs/web/');
  });

  test('without a bucket a rule is refused', () => {
    const sink = s3.open({ ...localOptions(moto.endpoint), bucket: undefined }, sinkContext());
    expect(() => sink.address({})).toThrow('no bucket: name one in the backend or in the rule’s `config`');
    expect(sink.address({ bucket: 'logs' }).target(message()).key).toBe('logs/web/');
  });

  test.each(['AES256', 'aws:kms'])('server-side encryption %s', async (encryption) => {
    await send(openS3(moto.endpoint, { encryption }), batch(1));
    expect(await lookInto(moto.endpoint).objects()).toMatchObject([{ encryption }]);
  });

  test.each(['crc32', 'crc32c', 'sha1', 'sha256', 'none'])('checksum %s', async (checksum) => {
    const sink = openS3(moto.endpoint, { checksum, compression: 'none', part_size: '5MiB' });
    const [small, large] = [batch(2), incompressible(6 * MiB)];
    await send(sink, small);
    await send(sink, large);
    const objects = await lookInto(moto.endpoint).objects();
    expect(objects.map((object) => object.ids)).toEqual([ids(small), ids(large)]);
  });

  test('no compression', async () => {
    const sent = batch(2);
    await send(openS3(moto.endpoint, { compression: 'none' }), sent);
    const [object] = await lookInto(moto.endpoint).objects();
    expect(object).toMatchObject({ key: expect.stringMatching(/\.jsonl$/), ids: ids(sent) });
    expect(object!.contentEncoding).toBeFalsy();
  });

  test('zstd where Node.js has it, else a clear refusal', () => {
    const { error } = s3.options.safeParse({ region: 'r', compression: 'zstd' });
    const expected = hasZstd ? undefined : 'zstd needs Node.js 22.15, 23.8 or newer; take gzip here';
    expect(error?.issues[0]?.message).toBe(expected);
  });

  test('the level of compression counts', async () => {
    const sent = batch(500, {}, { text: 'a line of a log like many others' });
    for (const level of [1, 9])
      await send(openS3(moto.endpoint, { compression_level: level, prefix: `${level}/` }), sent);
    const [fast, small] = await lookInto(moto.endpoint).objects();
    expect(small!.bytes.length).toBeLessThan(fast!.bytes.length);
    expect(small!.text).toBe(fast!.text);
  });

  test('a large object goes in parts', async () => {
    const sink = openS3(moto.endpoint, { part_size: '5MiB' });
    const sent = incompressible(16 * MiB);
    await send(sink, sent);
    const store = lookInto(moto.endpoint);
    const [object] = await store.objects();
    expect(object!.ids).toEqual(ids(sent));
    expect(object!.bytes.length).toBeGreaterThan(10 * MiB);
    expect(object!.etag).toMatch(/-3"$/);
    expect(await store.unfinished()).toBe(0);
  });

  test('a bucket that is missing may come', async () => {
    const sink = openS3(moto.endpoint, { bucket: 'late-logs' });
    const sent = batch(1);
    const error = await send(sink, sent).catch((thrown: unknown) => thrown);
    expect(error).not.toBeInstanceOf(Permanent);
    expect(String(error)).toMatch(/^Error: s3:\/\/late-logs\/web\/\S+: NoSuchBucket: /);
    const store = lookInto(moto.endpoint);
    await store.createBucket('late-logs');
    await send(sink, sent);
    expect(await store.keys('late-logs')).toHaveLength(1);
  });
});
