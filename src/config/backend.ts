import { z } from 'zod';
import { duration, size } from './units.ts';

const count = z.int().min(1);

/** What every backend takes beside its type's own options: how its lane queues, sends and gives up. */
export const laneShape = {
  queue: z
    .strictObject({
      max_bytes: size({ min: '64KiB' })
        .prefault('64MiB')
        .describe('Bound of what waits in memory for this backend.'),
    })
    .prefault({})
    .describe('What waits for this backend.'),
  durability: z
    .enum(['memory', 'disk'])
    .default('memory')
    .describe(
      '`disk` writes every batch to `data_dir` before it is sent, so that neither the end of the sidecar nor a power cut loses what it has taken; `memory` writes there only what the backend cannot take in time.',
    ),
  spool: z
    .strictObject({
      max_bytes: size({ min: '1MiB' })
        .prefault('1GiB')
        .describe('Bound of what waits on disk; past it the oldest go, counted as `spool_full`.'),
      max_age: duration({ min: '1s', max: '3650d' })
        .prefault('7d')
        .describe('What has waited there for longer goes, counted as `spool_expired`.'),
    })
    .prefault({})
    .describe('What waits for this backend on disk, in `data_dir`.'),
  concurrency: z.int().min(1).max(64).optional().describe("Sends at a time. Default: the type's own choice."),
  timeout: duration().prefault('30s').describe('A send that takes longer is aborted and tried again.'),
  retry: z
    .strictObject({
      initial: duration()
        .prefault('100ms')
        .describe('The pause before the second attempt, drawn between 0 and this; doubled each time.'),
      max: duration().prefault('30s').describe('The longest pause.'),
      max_attempts: count
        .optional()
        .describe('After so many attempts a batch goes to the dead letters. Default: no end.'),
    })
    .prefault({})
    .describe('Attempts after an error that may pass.'),
  breaker: z
    .strictObject({
      failures: count.prefault(5).describe('So many failures in a row open the breaker.'),
      reset_after: duration()
        .prefault('10s')
        .describe('How long it stays open before one send probes the backend.'),
    })
    .prefault({})
    .describe('Leaves a failing backend alone.'),
  batch: z
    .strictObject({
      max_count: count.optional().describe('Messages.'),
      max_bytes: size().optional().describe('Bytes of JSON.'),
      max_age: duration().optional().describe('How long a batch may wait for others to be sent with.'),
    })
    .optional()
    .describe(
      "Bounds of one send; batches that wait are sent together up to them. Default: the type's own choice.",
    ),
  dead_letters: z
    .strictObject({
      enabled: z
        .boolean()
        .default(true)
        .describe('Keep what the backend refuses for good, as NDJSON in `data_dir`.'),
      max_bytes: size().prefault('100MiB').describe('Bound of those files; past it the oldest go.'),
      max_age: duration({ max: '3650d' }).prefault('30d').describe('Letters that are older go.'),
    })
    .prefault({})
    .describe('What the backend refuses for good.'),
};

/** The lane's own keys; all others belong to the backend's type. */
export const LANE_KEYS: readonly string[] = ['type', ...Object.keys(laneShape)];

/** A backend's section, its type's own options unchecked. */
export const backendSchema = z.looseObject({
  type: z
    .string()
    .min(1)
    .describe('Where the messages go: the name of a file in `src/sinks`, without `.ts`.'),
  ...laneShape,
});

/** A backend's name: it names folders and metrics. */
export const backendName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, {
  error: 'letters, digits, ".", "_" and "-", at most 64, a letter or digit first',
});
