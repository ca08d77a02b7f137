import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { unpackMultiple } from 'msgpackr/unpack';
import { firstValueFrom, type SchedulerLike, timer } from 'rxjs';
import { z } from 'zod';
import { packMessage } from '../../ingest/msgpack.ts';
import type { JsonObject } from '../../message.ts';

/** What a sidecar says to a client. */
const answerShape = z.object({ type: z.string(), data: z.record(z.string(), z.unknown()).default({}) });
export type Answer = z.output<typeof answerShape>;

/** A connection as an SDK has it. */
export interface Client {
  say(record: JsonObject): void;
  /** The next thing said of one of these types. Rejects with `Error` once the connection is closed, or after `ms`. */
  hear(types: readonly string[], ms: number): Promise<Answer>;
  /** Closes it. */
  end(): void;
}

/** Connects; rejects with the system's error, or with `Error` after `ms`. */
export async function connectTo(
  { host, port, protocol }: { host: string; port: number; protocol: 'ndjson' | 'msgpack' },
  ms: number,
  scheduler: SchedulerLike,
): Promise<Client> {
  const socket = connect({ host, port, noDelay: true });
  const late = AbortSignal.timeout(ms);
  try {
    await once(socket, 'connect', { signal: late });
  } catch (error) {
    socket.destroy();
    throw late.aborted ? new Error('no answer') : error;
  }
  return clientOf(socket, protocol, scheduler);
}

function clientOf(socket: Socket, protocol: 'ndjson' | 'msgpack', scheduler: SchedulerLike): Client {
  const heard: Answer[] = [];
  let bytes = Buffer.alloc(0);
  let closedBy: string | undefined;
  socket.on('data', (chunk) => {
    bytes = Buffer.concat([bytes, chunk]);
    const { answers, rest } = protocol === 'ndjson' ? linesIn(bytes) : objectsIn(bytes);
    bytes = rest;
    // Whatever else listens there may say anything.
    for (const answer of answers) {
      const { data } = answerShape.safeParse(answer);
      if (data !== undefined) heard.push(data);
    }
  });
  socket.on('error', ({ message }) => {
    closedBy = message;
  });
  socket.on('close', () => {
    closedBy ??= 'it closed the connection';
  });
  return {
    say: (record) => {
      socket.write(protocol === 'ndjson' ? `${JSON.stringify(record)}\n` : packMessage(record));
    },
    async hear(types, ms) {
      for (let left = ms; left > 0; left -= POLL_MS) {
        const at = heard.findIndex(({ type }) => types.includes(type));
        const [answer] = at < 0 ? [] : heard.splice(at, 1);
        if (answer !== undefined) return answer;
        if (closedBy !== undefined) throw new Error(closedBy);
        await firstValueFrom(timer(POLL_MS, scheduler));
      }
      throw new Error('it said nothing');
    },
    end: () => {
      socket.destroy();
    },
  };
}

const POLL_MS = 5;

interface Read {
  readonly answers: readonly unknown[];
  readonly rest: Buffer<ArrayBuffer>;
}

function linesIn(bytes: Buffer<ArrayBuffer>): Read {
  const end = bytes.lastIndexOf(0x0a) + 1;
  const lines = bytes.toString('utf8', 0, end).split('\n').filter(Boolean);
  return { answers: lines.map(parsed), rest: bytes.subarray(end) };
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** Objects come in one piece, but for what is too short to be cut. */
function objectsIn(bytes: Buffer<ArrayBuffer>): Read {
  try {
    return { answers: unpackMultiple(bytes) as unknown[], rest: Buffer.alloc(0) };
  } catch {
    return { answers: [], rest: bytes };
  }
}
