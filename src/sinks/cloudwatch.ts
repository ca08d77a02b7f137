import { defer, ignoreElements } from 'rxjs';
import { z } from 'zod';
import type { Address, Sink, SinkContext, SinkDefinition } from '../deliver/sink.ts';
import { awsOptions } from './aws/options.ts';
import { type LogsApi, loadApi } from './cloudwatch/api.ts';
import { type Call, callsOf } from './cloudwatch/calls.ts';
import { createCreation } from './cloudwatch/creation.ts';
import { eventsOf, type Refused } from './cloudwatch/events.ts';
import { LIMITS } from './cloudwatch/limits.ts';
import { namesOf, OVERFLOW_STREAM } from './cloudwatch/names.ts';
import { placeOf } from './cloudwatch/place.ts';
import { putCall } from './cloudwatch/put.ts';
import { sendCalls } from './cloudwatch/sending.ts';
import { streamsUpTo } from './cloudwatch/streams.ts';
import { template } from './naming/option.ts';
import { abortable } from './tasks/abortable.ts';

/** Values that PutRetentionPolicy takes. */
const RETENTION_DAYS = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
] as const;

/** One send is up to so many calls: only its last one is not full. */
const CALLS_A_SEND = 10;

const logGroup = template()
  .refine((name) => name.length <= LIMITS.nameLength && /^[A-Za-z0-9._\-/#{}]+$/.test(name), {
    error: 'expected letters, digits and . _ - / # besides fields such as {source}',
  })
  .refine((name) => !name.startsWith('aws/'), { error: 'aws/ is the start of names of AWS itself' })
  // In a group's name # begins what is escaped.
  .refine((name) => !name.includes('#{'), { error: 'write another separator than # before a field' })
  .describe('Log group, a template; may be left to each rule’s `config`.');

const logStream = template()
  .refine((name) => name.length <= LIMITS.nameLength && !/[:*]/.test(name), { error: 'must not have : or *' })
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
  oversize: z
    .enum(['truncate', 'split', 'dead_letter'])
    .default('truncate')
    .describe(
      'What becomes of a record over 1,048,550 bytes. `truncate`: one event with the envelope and, in `truncated`, the length of the record’s JSON text and its start. `split`: several, each with the envelope and, in `part`, its number, their count and a piece of the text. All stay JSON.',
    ),
  max_streams: z
    .int()
    .min(1)
    .max(100_000)
    .default(1000)
    .describe(
      'Streams in use at a time; messages for more of them share the stream ~overflow. A stream without messages for a day makes room.',
    ),
});

const overrides = z.strictObject({
  log_group: logGroup.optional(),
  log_stream: logStream.optional(),
  retention_days: z.literal(RETENTION_DAYS).optional(),
});

type Options = z.output<typeof options>;

/** Amazon CloudWatch Logs: one event a message. */
const cloudwatch: SinkDefinition<Options> = { options, overrides, open };
export default cloudwatch;

function open(settings: Options, context: SinkContext): Sink {
  const { scheduler } = context;
  const now = () => scheduler.now();
  const creation = createCreation(
    {
      create: settings.create,
      retentionDays: settings.retention_days,
      logGroupClass: settings.log_group_class,
      kmsKeyId: settings.kms_key_id,
    },
    context,
  );
  let loading: Promise<LogsApi> | undefined;
  const load = () => {
    loading ??= loadApi(settings).catch((error: unknown) => {
      // The next send tries again.
      loading = undefined;
      throw error;
    });
    return loading;
  };

  const send: Sink['send'] = ({ messages }, target) =>
    abortable(async (abort) => {
      const signal = abort.signal();
      const api = await load();
      const place = placeOf(target);
      await creation.settle(api, place);
      let making: Promise<void> | undefined;
      const make = () => {
        making ??= creation.make(api, place);
        return making;
      };
      const refused: Refused = new Map();
      const calls = callsOf(eventsOf(messages, settings.oversize, now(), refused));
      const put = (call: Call) => putCall(api, place, call, make, signal);
      await sendCalls(messages, calls, refused, put, now);
    });

  return {
    merge: {
      maxMessages: CALLS_A_SEND * LIMITS.callEvents,
      // Of characters, so that text beyond ASCII makes more calls, each as full as any.
      maxBytes: CALLS_A_SEND * LIMITS.callBytes,
    },
    address: addresses(settings, context),
    send,
    close: () => defer(async () => (await loading)?.destroy()).pipe(ignoreElements()),
  };
}

function addresses(settings: Options, context: SinkContext): (config: object) => Address {
  const targetOf = streamsUpTo(settings.max_streams, context);
  return (config) => {
    const { log_group, log_stream, retention_days } = { ...settings, ...overrides.parse(config) };
    if (log_group === undefined)
      throw new Error('`log_group` is missing: name it for the backend or in the rule');
    const names = namesOf(log_group, log_stream ?? settings.log_stream);
    // The backend's own needs no mention in the target.
    const retentionDays = retention_days === settings.retention_days ? undefined : retention_days;
    return {
      perMessage: names.perMessage,
      target: (message) =>
        targetOf({ group: names.group(message), stream: names.stream(message), retentionDays }, () => ({
          group: names.overflowGroup(message),
          stream: OVERFLOW_STREAM,
          retentionDays,
        })),
    };
  };
}
