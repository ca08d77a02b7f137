import { severityOf } from '../../severity.ts';

/** What an SDK would take from its environment, as it would take it. */
export interface Environment {
  readonly host: string;
  readonly port: number;
  readonly source: string;
  readonly token: string;
  readonly protocol: 'ndjson' | 'msgpack';
  readonly findings: readonly Finding[];
}

/** Something that was looked at. `bad`: telemetry does not flow like this. */
export interface Finding {
  readonly state: 'good' | 'bad' | 'note';
  readonly text: string;
}

type Env = Readonly<Record<string, string | undefined>>;

const HOST = '127.0.0.1';
const PORT = 17_000;
const NUMERIC = /^(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-f:.]*:[0-9a-f:.]*|localhost)$/i;
/** Variables whose values are told. */
const KNOWN = ['HOST', 'PORT', 'SOURCE', 'PROTOCOL', 'LEVEL', 'BUFFER_BYTES', 'ACK', 'TAGS', 'JOB_ID'];
const SWITCHES = ['DISABLED', 'DEBUG', 'QUIET'];
const isOn = (text = '') => text !== '' && !/^(0|false|no|off)$/i.test(text);

/** Reads the variables that SDKs read; `over` are what the user gave instead. */
export function readEnvironment(
  env: Env,
  over: { readonly host?: string; readonly port?: string },
): Environment {
  const findings: Finding[] = [];
  const add = (state: Finding['state'], text: string) => findings.push({ state, text });
  const of = (name: string) => env[`MONITORING_${name}`] || undefined;

  if (isOn(of('DISABLED'))) add('bad', 'MONITORING_DISABLED is on: SDKs send nothing here');
  if (isOn(env.OTEL_SDK_DISABLED)) add('bad', 'OTEL_SDK_DISABLED is on: SDKs send nothing here');
  const host = over.host ?? of('HOST') ?? HOST;
  if (!NUMERIC.test(host)) add('note', `${host} is a name: SDKs look it up once, when they start`);
  const portText = over.port ?? of('PORT') ?? String(PORT);
  const port = /^\d{1,5}$/.test(portText) ? Number(portText) : 0;
  if (port < 1 || port > 65_535)
    add('bad', `MONITORING_PORT is ${JSON.stringify(portText)}, which is no port`);
  const protocol = of('PROTOCOL') ?? 'ndjson';
  const isProtocol = protocol === 'ndjson' || protocol === 'msgpack';
  if (!isProtocol)
    add('bad', `MONITORING_PROTOCOL is ${JSON.stringify(protocol)}; it may be ndjson or msgpack`);
  const level = of('LEVEL');
  if (level !== undefined && severityOf(level) === 0)
    add(
      'bad',
      `MONITORING_LEVEL is ${JSON.stringify(level)}; it may be trace, debug, info, warn, error, fatal`,
    );
  const ack = of('ACK');
  if (ack !== undefined && !/^(memory|disk)$/i.test(ack))
    add('note', `MONITORING_ACK is ${JSON.stringify(ack)}; SDKs know memory and disk`);
  if (env.TRACEPARENT !== undefined && !/^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/.test(env.TRACEPARENT))
    add('note', 'TRACEPARENT is no W3C trace context: programs start a trace of their own');

  const set = KNOWN.filter((name) => of(name) !== undefined).map((name) => `MONITORING_${name}=${of(name)}`);
  const on = [...SWITCHES, 'TOKEN']
    .filter((name) => of(name) !== undefined)
    .map((name) => `MONITORING_${name}`);
  const told = [...set, ...on.map((name) => `${name} (set)`)];
  add(
    'good',
    told.length === 0 ? 'no MONITORING_ variable is set: SDKs use their defaults' : told.join(', '),
  );
  return {
    host,
    port,
    source: of('SOURCE') ?? env.OTEL_SERVICE_NAME ?? 'sidecar-doctor',
    token: of('TOKEN') ?? '',
    protocol: protocol === 'msgpack' ? 'msgpack' : 'ndjson',
    findings,
  };
}
