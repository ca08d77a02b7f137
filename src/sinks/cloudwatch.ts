import { z } from 'zod';
import type { SinkDefinition } from '../deliver/sink.ts';
import { awsOptions } from './aws/options.ts';
import { template } from './naming/option.ts';

/** Values that PutRetentionPolicy takes. */
const RETENTION_DAYS = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
] as const;

const MAX_NAME = 512;

const logGroup = template()
  .refine((name) => name.length <= MAX_NAME && /^[A-Za-z0-9._\-/#{}]+$/.test(name), {
    error: 'expected letters, digits and . _ - / # besides fields such as {source}',
  })
  .describe('Log group, a template; may be left to each rule’s `config`.');

const logStream = template()
  .refine((name) => name.length <= MAX_NAME && !/[:*]/.test(name), { error: 'must not have : or *' })
  .describe('Log stream, a template.');

const options = z.strictObject({
  ...awsOptions,
  log_group: logGroup.optional(),
  log_stream: logStream.default('{source}'),
  create: z.boolean().default(true).describe('Make groups and streams that are missing.'),
  retention_days: z
    .literal(RETENTION_DAYS)
    .optional()
    .describe('Set on groups that the sidecar makes; absent: events are kept for ever.'),
  log_group_class: z
    .enum(['STANDARD', 'INFREQUENT_ACCESS', 'DELIVERY'])
    .optional()
    .describe('Class of groups that the sidecar makes.'),
  kms_key_id: z.string().min(1).optional().describe('Key of groups that the sidecar makes.'),
});

const overrides = z.strictObject({
  log_group: logGroup.optional(),
  log_stream: logStream.optional(),
  retention_days: z.literal(RETENTION_DAYS).optional(),
});

/** Amazon CloudWatch Logs: one event a message. */
const cloudwatch: SinkDefinition<z.output<typeof options>> = { options, overrides };
export default cloudwatch;
