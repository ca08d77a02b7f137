import { defer, ignoreElements } from 'rxjs';
import { z } from 'zod';
import { type Batch, linesOf } from '../batch.ts';
import { size } from '../config/units.ts';
import type { Address, Sink, SinkDefinition, Target } from '../deliver/sink.ts';
import { awsOptions } from './aws/options.ts';
import { templateAddress } from './naming/address.ts';
import { template } from './naming/option.ts';
import { compileTemplate } from './naming/template.ts';
import { type Body, compress, compressionOf, hasZstd } from './s3/compress.ts';
import { objectName, placeOf, targetKey } from './s3/place.ts';
import { createSizing } from './s3/sizing.ts';
import { openStore } from './s3/store.ts';
import { abortable } from './tasks/abortable.ts';

/** What bounds an object is its size; this bounds what one send has in hand. */
const MAX_MESSAGES = 1_000_000;
/** How long a batch waits for company where `batch.max_age` does not say. */
const MAX_AGE_MS = 60_000;
/** Megabytes take a while; a shorter pause would be taken for a store that is gone. */
const STALL_AFTER_MS = 5_000;
const MAX_GZIP_LEVEL = 9;

/** Bucket naming rules of Amazon S3. */
const bucket = z
  .string()
  .regex(/^(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, {
    error: 'expected a bucket: 3 to 63 lower-case letters, digits, dots and dashes',
  })
  .describe('Bucket; may be left to each rule’s `config`.');

const prefix = template().describe(
  'Start of an object’s key, a template such as {source}/{yyyy}/{MM}/{dd}/; the sink adds <timestamp>-<batch>.jsonl.gz, the same for every attempt at a batch.',
);

const storageClass = z
  .enum([
    'STANDARD',
    'STANDARD_IA',
    'ONEZONE_IA',
    'INTELLIGENT_TIERING',
    'GLACIER_IR',
    'GLACIER',
    'DEEP_ARCHIVE',
    'REDUCED_REDUNDANCY',
    'EXPRESS_ONEZONE',
  ])
  .describe('Storage class; absent: the bucket’s.');

const options = z
  .strictObject({
    ...awsOptions,
    bucket: bucket.optional(),
    prefix: prefix.default('{source}/'),
    path_style: z
      .boolean()
      .default(false)
      .describe('Bucket in the path instead of the host name, as MinIO wants it.'),
    compression: z
      .enum(['gzip', 'zstd', 'none'])
      .default('gzip')
      .refine((name) => name !== 'zstd' || hasZstd, {
        error: 'zstd needs Node.js 22.15, 23.8 or newer; take gzip here',
      })
      .describe(
        'How objects are compressed; also their `Content-Encoding` and the end of their key (.jsonl.gz, .jsonl.zst, .jsonl). `zstd` needs Node.js 22.15 or newer.',
      ),
    compression_level: z
      .int()
      .min(1)
      .max(22)
      .optional()
      .describe('From 1 (fast) to 9 (small) for gzip, to 22 for zstd; absent: 6 and 3.'),
    target_size: size({ min: '1KiB', max: '5GiB' })
      .prefault('4MiB')
      .describe(
        'An object is closed at about this size, compressed; earlier when its first message has waited `batch.max_age` (default 1m), when a critical one comes, or when all that waits for this backend passes three quarters of `queue.max_bytes`, which counts it uncompressed.',
      ),
    part_size: size({ min: '5MiB', max: '5GiB' })
      .prefault('8MiB')
      .describe('A larger object is uploaded in parts of this size.'),
    checksum: z
      .enum(['crc32', 'crc32c', 'sha1', 'sha256', 'none'])
      .default('crc32')
      .describe('Sent along and checked by the store; `none` for compatible stores that refuse it.'),
    storage_class: storageClass.optional(),
    encryption: z
      .enum(['AES256', 'aws:kms'])
      .optional()
      .describe('Server-side encryption; absent: the bucket’s own setting.'),
    kms_key_id: z
      .string()
      .min(1)
      .optional()
      .describe('Key for `encryption: aws:kms`; absent: the account’s.'),
  })
  .refine((value) => value.kms_key_id === undefined || value.encryption === 'aws:kms', {
    error: '`kms_key_id` needs `encryption: aws:kms`',
    path: ['kms_key_id'],
  })
  .refine((value) => value.compression !== 'gzip' || (value.compression_level ?? 0) <= MAX_GZIP_LEVEL, {
    error: 'gzip knows levels 1 to 9',
    path: ['compression_level'],
  });

const overrides = z.strictObject({
  bucket: bucket.optional(),
  prefix: prefix.optional(),
  storage_class: storageClass.optional(),
});

type Options = z.output<typeof options>;

/** Amazon S3 and compatible stores: one object of JSON Lines a merged batch. */
const s3: SinkDefinition<Options> = { options, overrides, open };
export default s3;

function open(settings: Options): Sink {
  const compression = compressionOf(settings.compression, settings.compression_level);
  const store = openStore(settings);
  const sizing = createSizing({
    targetBytes: settings.target_size,
    maxMessages: MAX_MESSAGES,
    measure: async (batches) => {
      const lines = batches.flatMap((batch) => [...linesOf(batch)]);
      return (await compress(lines, compression, new AbortController().signal)).bytes.length;
    },
  });

  /** What was compressed and not yet taken: a retry sends it as it is. */
  const bodies = new WeakMap<Batch, Body>();
  const bodyOf = async (batch: Batch, target: Target, signal: AbortSignal, onProgress: () => void) => {
    const body = await compress(linesOf(batch), compression, signal, onProgress);
    bodies.set(batch, body);
    sizing.learn(target.key, batch.bytes, body.bytes.length);
    return body;
  };

  const put = async (batch: Batch, target: Target, signal: AbortSignal, onProgress: () => void) => {
    const body = bodies.get(batch) ?? (await bodyOf(batch, target, signal, onProgress));
    const place = placeOf(target);
    const key = `${place.prefix}${objectName(batch, body.digest)}${compression.suffix}`;
    await store.put({ place, key, bytes: body.bytes, encoding: compression.encoding }, signal, onProgress);
    bodies.delete(batch);
    return { place: `s3://${place.bucket}/${key}` };
  };

  return {
    merge: { maxMessages: MAX_MESSAGES, maxBytes: settings.target_size, maxAgeMs: MAX_AGE_MS },
    limits: ({ key }, joining) => sizing.limits(key, joining),
    address: (config) => addressOf(settings, overrides.parse(config)),
    stallAfterMs: STALL_AFTER_MS,
    send: (batch, target) => abortable((abort, onProgress) => put(batch, target, abort.signal(), onProgress)),
    close: () => defer(() => store.close()).pipe(ignoreElements()),
  };
}

function addressOf(settings: Options, rule: z.output<typeof overrides>): Address {
  const bucket = rule.bucket ?? settings.bucket;
  if (bucket === undefined) {
    throw new Error('no bucket: name one in the backend or in the rule’s `config`');
  }
  const storageClass = rule.storage_class;
  return templateAddress(compileTemplate(rule.prefix ?? settings.prefix), (prefix) =>
    targetKey({ bucket, prefix, storageClass }),
  );
}
