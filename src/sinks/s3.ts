import { z } from 'zod';
import { size } from '../config/units.ts';
import type { SinkDefinition } from '../deliver/sink.ts';
import { awsOptions } from './aws/options.ts';
import { template } from './naming/option.ts';

/** Bucket naming rules of Amazon S3. */
const bucket = z
  .string()
  .regex(/^(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, {
    error: 'expected a bucket: 3 to 63 lower-case letters, digits, dots and dashes',
  })
  .describe('Bucket; may be left to each rule’s `config`.');

const prefix = template().describe(
  'Start of an object’s key, a template such as {source}/{yyyy}/{MM}/{dd}/; the sink adds <timestamp>-<batch>.jsonl.gz.',
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
    compression: z.enum(['gzip', 'none']).default('gzip').describe('How objects are compressed.'),
    target_size: size({ min: '1KiB', max: '5GiB' })
      .prefault('8MiB')
      .describe('An object is closed at about this size, compressed (`batch.max_age` may close it earlier).'),
    part_size: size({ min: '5MiB', max: '5GiB' })
      .prefault('8MiB')
      .describe('A larger object is uploaded in parts of this size.'),
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
  });

const overrides = z.strictObject({
  bucket: bucket.optional(),
  prefix: prefix.optional(),
  storage_class: storageClass.optional(),
});

/** Amazon S3 and compatible stores: one object of JSON Lines a merged batch. */
const s3: SinkDefinition<z.output<typeof options>> = { options, overrides };
export default s3;
