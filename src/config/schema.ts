import { z } from 'zod';
import { isToken } from '../token-text.ts';
import { backendName, backendSchema, type laneShape } from './backend.ts';
import { LEVELS, matchSchema, routingSchema, type ruleSchema } from './rule.ts';
import { duration, size } from './units.ts';

const count = z.int().min(1);
const port = z.int().min(0).max(65_535);
const host = z
  .string()
  .regex(/^[A-Za-z0-9.:_%-]{1,253}$/, { error: 'expected a host name or an IP address' });
const socketPath = z
  .string()
  .min(1)
  .refine((path) => Buffer.byteLength(path) <= 107, { error: 'is too long for a socket: at most 107 bytes' });

const MODE = 'expected octal permissions in quotes, as in "0660"';
const mode = z
  .string({ error: MODE })
  .regex(/^0?[0-7]{3}$/, { error: MODE })
  .transform((digits) => Number.parseInt(digits, 8));

function isPattern(text: string): boolean {
  try {
    return new RegExp(text, 'gu').flags !== '';
  } catch {
    return false;
  }
}

/** A section that may be left out: all of its keys have defaults. */
const section = <Shape extends z.ZodRawShape>(shape: Shape) => z.strictObject(shape).prefault({} as never);

const tcp = section({
  host: host
    .default('127.0.0.1')
    .describe('The address to listen on. Beyond loopback, ask for a token or client certificates.'),
  port: z
    .union([port, z.literal(false)])
    .default(17_000)
    .describe('The port; 0 picks a free one, `false` turns TCP off.'),
  socket: socketPath.optional().describe('The path of a Unix socket to listen on besides.'),
  socket_mode: mode.prefault('0660').describe("The socket's permissions: who may write to it may send."),
});

const tls = z.strictObject({
  cert: z.string().min(1).describe("The server's certificate chain: a PEM file, or the PEM itself."),
  key: z.string().min(1).describe('Its private key: a PEM file, or the PEM itself.'),
  ca: z.string().min(1).optional().describe('The authority that signs client certificates.'),
  client_certificates: z
    .enum(['none', 'required'])
    .default('none')
    .describe('`required` refuses clients without a certificate of `ca`.'),
});

const limits = section({
  max_frame: size({ min: '1KiB', max: '8MiB' }).prefault('1MiB').describe('The longest line or frame.'),
  max_connections: z
    .int()
    .min(1)
    .max(65_536)
    .default(1024)
    .describe('Connections at a time; more are refused.'),
  frame_timeout: duration()
    .prefault('30s')
    .describe('A frame left unfinished for so long closes its connection.'),
  metric_sources: count
    .default(1000)
    .describe('Sources with a label of their own in `/metrics`; the others share one.'),
});

const critical = section({
  level: z
    .enum([...LEVELS, 'never'])
    .default('error')
    .describe('An event of this level or above sends its batch at once; `never` for none.'),
  types: z.array(z.string().min(1)).optional().describe('Types of message that do so too.'),
  match: matchSchema.optional().describe('Messages with these fields do so too; written as in a filter.'),
});

const shape = {
  tcp: tcp.describe('Where instrumented programs send to.'),
  tls: tls.optional().describe('TLS on the TCP port. The files are read again on every reload.'),
  auth: section({
    token: z
      .string()
      .min(1)
      .optional()
      .describe(
        'What a client has to say in a `hello`, its first frame, within 5 s. Best taken from an environment variable or a file.',
      ),
    required: z
      .boolean()
      .default(false)
      .describe(
        'Refuse to listen beyond loopback without a token or client certificates, instead of a warning.',
      ),
  }).describe('Who may send.'),
  limits: limits.describe('Bounds of what a client may ask for.'),
  http: section({
    enabled: z.boolean().default(true).describe('Serve health, metrics, the web page and the API.'),
    host: host
      .default('127.0.0.1')
      .describe(
        'The address to listen on. Beyond loopback (`0.0.0.0` in a container) `/metrics` needs the token, too, `/healthz` and `/readyz` say only yes or no without it, and `auth` cannot be `none`. It speaks no TLS.',
      ),
    port: port.default(17_001).describe('The port; 0 picks a free one.'),
    auth: z
      .enum(['token', 'none'])
      .default('token')
      .describe(
        'Who may read the page and the API: whoever has the token, or every user of this machine. Health and metrics need none.',
      ),
    token: z
      .string()
      .refine(isToken, { error: 'expected 32 to 128 letters, digits and - . _ ~ + /' })
      .optional()
      .describe(
        'The token, best taken from an environment variable or a file. Absent: one is made. It is kept in `http-token` in `data_dir`, for commands of the same user.',
      ),
    redact: z
      .array(z.string().min(1).max(256).refine(isPattern, { error: 'is no regular expression' }))
      .default([])
      .describe(
        'Regular expressions; what they match in messages is shown as `***`. Values of keys such as `password` and `token` are in any case.',
      ),
  }).describe('Health, metrics, the web page and the API.'),
  data_dir: z
    .string()
    .min(1)
    .default('./data')
    .describe("Folder for the sidecar's own state; relative to the working directory."),
  pipelines: z
    .string()
    .min(1)
    .default('./pipelines')
    .describe("Folder of the operators; relative to the configuration file's folder."),
  batch: section({
    max_count: z.int().min(1).max(100_000).default(100).describe('Messages.'),
    max_age: duration().prefault('5s').describe('Age of its first message.'),
    max_bytes: size({ max: '256MiB' }).prefault('1MiB').describe('Bytes of JSON.'),
  }).describe("A source's batch closes at the first of these."),
  critical: critical.describe('What does not wait for its batch to fill.'),
  enrich: section({
    host: z
      .union([z.boolean(), z.string().min(1)])
      .default(true)
      .describe("Add the sidecar's host name; a text is used in its place."),
    tags: z.record(z.string().min(1), z.string()).default({}).describe('Added to every record.'),
  }).describe('What the sidecar adds to every record.'),
  correlation: section({
    max_traces: count.default(10_000).describe('Jobs and traces kept, each.'),
    max_messages: count.default(20_000).describe('Messages kept in full, in all.'),
    max_messages_per_trace: count.default(2000).describe('Messages kept in full of one job or trace.'),
    max_bytes: size()
      .prefault('32MiB')
      .describe('Bytes of JSON kept, in all, and 400 for each span that is remembered.'),
    warm_start: section({
      enabled: z.boolean().default(true).describe('Read them at all.'),
      max_age: duration({ max: '30d' }).prefault('1h').describe('Messages received within this time.'),
      max_bytes: size({ max: '256MiB' }).prefault('16MiB').describe('Bytes read at most, from the end.'),
    }).describe(
      'After a start the last messages of earlier runs are read in the background, so that their jobs are known again: from the files of `filesystem` backends, compressed ones too, or where there are none from a `postgres` backend.',
    ),
  }).describe('What is remembered to show jobs and traces.'),
  metrics: section({
    aggregate: z
      .boolean()
      .default(false)
      .describe(
        'Sum up metrics, resource use and progress by windows; at full rate it takes about a fifth more CPU.',
      ),
    window: duration({ min: '1s', max: '1h' })
      .prefault('10s')
      .describe('Length of a window; windows start at its multiples since the epoch.'),
    grace: duration({ max: '1h' })
      .prefault('5s')
      .describe('A window stays open so long for values that come late; later ones are only counted.'),
    max_series: z
      .int()
      .min(1)
      .max(100_000)
      .default(1000)
      .describe(
        'Series told apart, by source, name and tags; values of more are summed up as one, `_other`. A day of one takes up to 57 KB of memory.',
      ),
    emit: z
      .boolean()
      .default(false)
      .describe(
        'Send each finished window through the rules as a metric of its source with `kind: aggregate`. A rule whose filter matches `data.kind: aggregate` then takes the windows without the single values.',
      ),
  }).describe('Metrics over time: for the page, `/metrics` and, if wanted, the backends.'),
  journal: section({
    max_messages: z
      .int()
      .min(0)
      .max(1_000_000)
      .default(20_000)
      .describe('Messages whose way is remembered, for `sidecar why` and `sidecar plan`; 0 remembers none.'),
    max_bytes: size().prefault('16MiB').describe('Bytes of JSON of these messages.'),
  }).describe(
    'What happened to the last messages. Up to 2,000 messages a second all are remembered; above, the first ones of each second, and those that were shed or became dead letters.',
  ),
  shutdown: section({
    deadline: duration()
      .prefault('8s')
      .describe(
        'What is not delivered by then waits on disk for the next start, or is counted as lost where nothing may be kept. To be less than whoever stops it waits before a kill: Docker 10 s, Kubernetes 30 s.',
      ),
  }).describe('The end.'),
  reload: section({
    debounce: duration({ max: '1m' })
      .prefault('100ms')
      .describe('A change is read once the file was quiet for so long.'),
    drain: duration()
      .prefault('10s')
      .describe('How long the operators of the old rules may hold on to messages.'),
    poll: duration({ min: '100ms' })
      .prefault('10s')
      .describe('The file is also looked at this often, for file systems that do not report changes (NFS).'),
  }).describe('Changes of this file and of the operators while the sidecar runs; SIGHUP reloads at once.'),
  routing: routingSchema.describe(
    'Rules by source name or glob. `default` is for sources without rules of their own, `all` for every source beside its own.',
  ),
  backends: z.record(backendName, backendSchema).describe('Where messages go, by a name of your choice.'),
};

/** The whole file, except what depends on the types of the backends. */
export const configSchema = z.strictObject(shape);

type Lane = z.output<z.ZodObject<typeof laneShape>>;
type Base = z.output<typeof configSchema>;

/** A backend's section: its lane's settings, and what its type's schema made of all other keys. */
export interface BackendConfig extends Lane {
  readonly type: string;
  readonly options: object;
}

/** An operator of a rule; the options are as written, for its own schema to parse. */
export interface OperatorUse {
  readonly use: string;
  readonly options: Readonly<Record<string, unknown>>;
}

/** A rule; `config` is what the backend's `overrides` schema made of it. */
export type RuleConfig = Omit<z.output<typeof ruleSchema>, 'operators'> & {
  readonly operators: readonly OperatorUse[];
};

/** A checked configuration, frozen. Keys as in YAML; durations in milliseconds, sizes in bytes. */
export type Config = Omit<Base, 'backends' | 'routing'> & {
  readonly routing: Readonly<Record<string, readonly RuleConfig[]>>;
  readonly backends: Readonly<Record<string, BackendConfig>>;
};
