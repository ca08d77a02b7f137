import type { Json, JsonObject } from '../../message.ts';

/** The only version of the protocol so far. */
export const VERSION = 1;

/** When a record counts as taken: once it is in every lane, or once it would survive a power cut. */
export type AckLevel = 'memory' | 'disk';

/** What a client says of itself in its first frame. */
export interface Hello {
  /** 32 hex digits; '' if it has no session. */
  readonly session: string;
  /** What it wants to hear of its records; `undefined`: nothing. */
  readonly ack: AckLevel | undefined;
  readonly token: string;
  /** Which SDK it is, such as `python/0.1.0`; '' if it does not say. */
  readonly sdk: string;
}

/** Why a hello is of no use, as the client is told. */
export interface HelloError {
  readonly code: 'hello' | 'version';
  readonly message: string;
}

/** What is kept of an SDK's name. */
const MAX_SDK = 64;

const SESSION = /^[0-9a-f]{32}$/i;

/** What a record of type `hello` says, or what is wrong with it. */
export function helloOf(record: JsonObject): Hello | HelloError {
  const data = isObject(record.data) ? record.data : {};
  const { v = VERSION, session = '', ack, token = '', sdk } = data;
  if (typeof v !== 'number' || !Number.isInteger(v) || v < VERSION) {
    return { code: 'version', message: `v is a whole number from ${VERSION} on` };
  }
  const wrong = (message: string): HelloError => ({ code: 'hello', message });
  if (typeof session !== 'string' || !(session === '' || SESSION.test(session))) {
    return wrong('session is 32 hex digits');
  }
  if (!isAck(ack)) return wrong('ack is memory or disk');
  if (ack !== undefined && session === '') return wrong('ack needs a session');
  if (typeof token !== 'string') return wrong('token is a text');
  return {
    session: session.toLowerCase(),
    ack,
    token,
    sdk: typeof sdk === 'string' ? sdk.slice(0, MAX_SDK) : '',
  };
}

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isAck = (value: Json | undefined): value is AckLevel | undefined =>
  value === undefined || value === 'memory' || value === 'disk';
