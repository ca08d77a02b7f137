import { resolve } from 'node:path';
import { defer, ignoreElements } from 'rxjs';
import { z } from 'zod';
import { linesOf } from '../batch.ts';
import { duration, size } from '../config/units.ts';
import type { Sink, SinkContext, SinkDefinition } from '../deliver/sink.ts';
import { keepDefined } from '../flow/keep-defined.ts';
import { fileSet } from './filesystem/file-set.ts';
import { compilePath } from './filesystem/path.ts';
import { readRecent } from './filesystem/recent.ts';
import { template } from './naming/option.ts';
import { abortable } from './tasks/abortable.ts';

const MAX_MERGED_MESSAGES = 20_000;
/** Large writes are what makes appending fast; beyond this they gain nothing and hold memory. */
const MAX_MERGED_BYTES = 4 * 2 ** 20;
/** At full rate this makes one write of tens of batches, which costs little more than that of one. */
const MERGE_AGE_MS = 2;
const BUSY_MERGE_AGE_MS = 10;

const path = template().describe(
  'File of a message: a template with {source}, {type}, {level}, {job_id}, {trace_id} and, from the time of the message in UTC, {yyyy} {MM} {dd} {HH} {mm} {date}. Relative to `base_path`, or absolute inside it.',
);

const rotate = z
  .strictObject({
    max_bytes: size({ min: '1KiB' })
      .optional()
      .describe('Start a new file before this size is passed; one larger batch still goes in whole.'),
    every: z
      .union([z.enum(['hour', 'day']), duration({ min: '1s' })], {
        error: 'expected hour, day or a duration such as 15m',
      })
      .optional()
      .describe(
        'Start a new file at the first write of each hour, day or interval, counted from midnight UTC.',
      ),
    gzip: z.boolean().default(true).describe('Compress rotated files in the background.'),
    keep: z.int().min(1).optional().describe('Rotated files kept of each file; older ones are deleted.'),
  })
  .refine((value) => value.max_bytes !== undefined || value.every !== undefined, {
    error: 'needs `max_bytes`, `every` or both',
  });

const options = z
  .strictObject({
    base_path: z.string().min(1).describe('Folder that all files of this backend stay in.'),
    path: path.default('{source}.jsonl'),
    fsync: z
      .union([z.enum(['never', 'batch']), duration({ min: '10ms' })], {
        error: 'expected never, batch or a duration such as 1s',
      })
      .default('never')
      .describe(
        'When a file is forced to disk: `never` (the operating system decides; a crash of the sidecar loses nothing, a power cut may), `batch` (before a batch counts as delivered), or an interval.',
      ),
    rotate: rotate.optional().describe('When a new file is started; absent: never.'),
    mode: z
      .string({ error: 'expected octal permissions in quotes, as in "0640"' })
      .regex(/^0?[0-7]{3}$/, { error: 'expected octal permissions in quotes, as in "0640"' })
      .default('0640')
      .describe(
        'Permissions of new files; new folders can be entered by whoever may read. The umask applies.',
      ),
    max_open_files: z.int().min(1).max(65_536).default(128).describe('Files kept open between batches.'),
    create_base_path: z
      .boolean()
      .default(true)
      .describe(
        'Make `base_path` if it is missing. `false` waits for it, for a volume that may not be mounted.',
      ),
  })
  .check(({ value, issues }) => {
    try {
      compilePath(resolve(value.base_path), value.path);
    } catch (error) {
      issues.push({ code: 'custom', path: ['path'], message: (error as Error).message, input: value.path });
    }
  });

const overrides = z.strictObject({ path: path.optional() });

type Options = z.output<typeof options>;

/** JSON Lines appended to files: whole lines only, in order, under `base_path`. */
const filesystem: SinkDefinition<Options> = { options, overrides, open };
export default filesystem;

function open(settings: Options, context: SinkContext): Sink {
  const base = resolve(settings.base_path);
  const files = fileSet({ ...settings, base }, context);
  return {
    merge: {
      maxMessages: MAX_MERGED_MESSAGES,
      maxBytes: Math.min(MAX_MERGED_BYTES, settings.rotate?.max_bytes ?? MAX_MERGED_BYTES),
      maxAgeMs: MERGE_AGE_MS,
      busyAgeMs: BUSY_MERGE_AGE_MS,
    },
    address: (config) => compilePath(base, overrides.parse(config).path ?? settings.path),
    send: (batch, target) => abortable((abort) => files.append(target.key, [...linesOf(batch)], abort)),
    recent: (query) => abortable((abort) => readRecent(base, query, abort.signal())).pipe(keepDefined()),
    close: () => defer(() => files.close()).pipe(ignoreElements()),
  };
}
