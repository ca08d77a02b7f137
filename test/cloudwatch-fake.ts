// Amazon CloudWatch Logs as its reference has it, in memory: what breaks a limit is refused and remembered.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface PutEvent {
  readonly timestamp: number;
  readonly message: string;
}

/** A call of PutLogEvents that was accepted. */
export interface PutCall {
  readonly group: string;
  readonly stream: string;
  readonly events: readonly PutEvent[];
  /** As the limit counts them. */
  readonly bytes: number;
}

/** A request as it came. */
export interface FakeRequest {
  readonly action: string;
  readonly input: Readonly<Record<string, unknown>>;
  /** Of this action, from 1. */
  readonly nth: number;
  readonly authorization: string;
}

/** What happens instead of an answer: an error of the service, or the connection is cut. */
export type Fault =
  | {
      readonly type: string;
      readonly status?: number;
      readonly message?: string;
      readonly retryAfter?: string;
    }
  | 'cut';

export interface Group {
  readonly input: Readonly<Record<string, unknown>>;
  retentionDays: number | undefined;
  readonly streams: Map<string, PutEvent[]>;
}

export interface CloudwatchFake {
  readonly endpoint: string;
  readonly groups: Map<string, Group>;
  readonly requests: FakeRequest[];
  readonly calls: PutCall[];
  /** Every request that broke a limit or a pattern. */
  readonly violations: string[];
  /** Connections so far. */
  connections(): number;
  /** Requests that the client gave up. */
  aborted(): number;
  /** Asked before each request; may wait. */
  fault: (request: FakeRequest) => Fault | undefined | Promise<Fault | undefined>;
  /** The service takes a call and answers otherwise: its answer is lost. */
  faultAfter: (request: FakeRequest) => Fault | undefined;
  /** Its clock, epoch milliseconds. */
  now: () => number;
  actions(action: string): FakeRequest[];
  close(): Promise<void>;
}

const DAY_MS = 24 * 3_600_000;
const RETENTION = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
];

class Refusal extends Error {
  readonly type: string;
  constructor(type: string, message: string) {
    super(message);
    this.type = type;
  }
}

/** Starts a service on a free port of 127.0.0.1. */
export async function startCloudwatchFake(): Promise<CloudwatchFake> {
  let connections = 0;
  let aborted = 0;
  const counts = new Map<string, number>();
  const fake: Omit<CloudwatchFake, 'endpoint' | 'close'> = {
    groups: new Map(),
    requests: [],
    calls: [],
    violations: [],
    connections: () => connections,
    aborted: () => aborted,
    fault: () => undefined,
    faultAfter: () => undefined,
    now: Date.now,
    actions: (action) => fake.requests.filter((request) => request.action === action),
  };

  const handle = async (incoming: IncomingMessage, response: ServerResponse) => {
    response.once('close', () => {
      if (!response.writableFinished) aborted++;
    });
    const request = await read(incoming);
    fake.requests.push(request);
    const before = await fake.fault(request);
    if (before !== undefined) return fail(response, before);
    try {
      const output = answer(fake, request);
      const after = fake.faultAfter(request);
      if (after !== undefined) return fail(response, after);
      respond(response, 200, output);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (error.type === 'InvalidParameterException')
        fake.violations.push(`${request.action}: ${error.message}`);
      respond(response, 400, { __type: error.type, message: error.message });
    }
  };

  const read = async (incoming: IncomingMessage): Promise<FakeRequest> => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const action = String(incoming.headers['x-amz-target']).replace(/^Logs_20140328\./, '');
    const nth = (counts.get(action) ?? 0) + 1;
    counts.set(action, nth);
    const authorization = String(incoming.headers.authorization);
    return { action, input: JSON.parse(Buffer.concat(chunks).toString()), nth, authorization };
  };

  const server = createServer((incoming, response) => {
    handle(incoming, response).catch(() => response.destroy());
  });
  server.on('connection', () => connections++);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const close = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  return Object.assign(fake, { endpoint: `http://127.0.0.1:${port}`, close });
}

function fail(response: ServerResponse, fault: Fault): void {
  if (fault === 'cut') {
    response.destroy();
    return;
  }
  if (fault.retryAfter !== undefined) response.setHeader('retry-after', fault.retryAfter);
  respond(response, fault.status ?? 400, { __type: fault.type, message: fault.message ?? fault.type });
}

function respond(response: ServerResponse, status: number, output: object): void {
  response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' });
  response.end(JSON.stringify(output));
}

type Fake = Pick<CloudwatchFake, 'groups' | 'calls' | 'now'>;

function answer(fake: Fake, { action, input }: FakeRequest): object {
  switch (action) {
    case 'CreateLogGroup':
      return createGroup(fake, input);
    case 'CreateLogStream':
      return createStream(fake, input);
    case 'PutRetentionPolicy':
      return putRetention(fake, input);
    case 'PutLogEvents':
      return putEvents(fake, input);
    default:
      throw new Refusal('UnknownOperationException', action);
  }
}

type Input = Readonly<Record<string, unknown>>;

function createGroup({ groups }: Fake, input: Input): object {
  const name = groupName(input);
  if (groups.has(name)) throw new Refusal('ResourceAlreadyExistsException', 'the group exists');
  groups.set(name, { input, retentionDays: undefined, streams: new Map() });
  return {};
}

function createStream(fake: Fake, input: Input): object {
  const { streams } = existing(fake, input);
  const name = streamName(input);
  if (streams.has(name)) throw new Refusal('ResourceAlreadyExistsException', 'the stream exists');
  streams.set(name, []);
  return {};
}

function putRetention(fake: Fake, input: Input): object {
  const group = existing(fake, input);
  const days = Number(input.retentionInDays);
  if (!RETENTION.includes(days)) throw invalid(`retention of ${days} days`);
  group.retentionDays = days;
  return {};
}

function putEvents(fake: Fake, input: Input): object {
  const stream = streamName(input);
  const group = existing(fake, input);
  const stored = group.streams.get(stream);
  if (stored === undefined) throw new Refusal('ResourceNotFoundException', 'the stream does not exist');
  const events = input.logEvents as readonly PutEvent[];
  if ('sequenceToken' in input) throw invalid('a sequence token');
  const bytes = checkEvents(events);
  const nowMs = fake.now();
  const expiredMs = nowMs - (group.retentionDays ?? 100_000) * DAY_MS;
  const old = events.filter(({ timestamp }) => timestamp < nowMs - 14 * DAY_MS).length;
  const expired = events.filter(({ timestamp }) => timestamp < expiredMs).length;
  const fresh = events.filter(({ timestamp }) => timestamp <= nowMs + DAY_MS / 12).length;
  const valid = events.slice(Math.max(old, expired), fresh);
  if ((valid.at(-1)?.timestamp ?? 0) - (valid[0]?.timestamp ?? 0) >= DAY_MS)
    throw invalid('a span of 24 hours');
  stored.push(...valid);
  fake.calls.push({ group: groupName(input), stream, events: valid, bytes });
  const rejected = {
    ...(old > 0 && { tooOldLogEventEndIndex: old }),
    ...(expired > old && { expiredLogEventEndIndex: expired }),
    ...(fresh < events.length && { tooNewLogEventStartIndex: fresh }),
  };
  return Object.keys(rejected).length > 0 ? { rejectedLogEventsInfo: rejected } : {};
}

/** The bytes of a call that is within the limits. */
function checkEvents(events: readonly PutEvent[]): number {
  if (!Array.isArray(events) || events.length < 1 || events.length > 10_000)
    throw invalid(`${events.length} events`);
  let bytes = 0;
  let last = 0;
  for (const { timestamp, message } of events) {
    const size = Buffer.byteLength(message) + 26;
    if (message === '' || size > 1_048_576) throw invalid(`an event of ${size} bytes`);
    if (/[\ud800-\udfff]/u.test(message)) throw invalid('half a character');
    if (!Number.isSafeInteger(timestamp) || timestamp < 0) throw invalid(`timestamp ${timestamp}`);
    if (timestamp < last) throw invalid('events out of order');
    last = timestamp;
    bytes += size;
  }
  if (bytes > 1_048_576) throw invalid(`${bytes} bytes`);
  return bytes;
}

function existing({ groups }: Fake, input: Input): Group {
  const group = groups.get(groupName(input));
  if (group === undefined) throw new Refusal('ResourceNotFoundException', 'the group does not exist');
  return group;
}

function groupName({ logGroupName }: Input): string {
  const name = String(logGroupName);
  if (!/^[.\-_/#A-Za-z0-9]{1,512}$/.test(name) || name.startsWith('aws/')) throw invalid(`group ${name}`);
  return name;
}

function streamName({ logStreamName }: Input): string {
  const name = String(logStreamName);
  if (!/^[^:*]{1,512}$/s.test(name)) throw invalid(`stream ${name}`);
  return name;
}

const invalid = (message: string) => new Refusal('InvalidParameterException', message);
