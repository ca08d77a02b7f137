// A client that speaks sessions over a real socket: what it has sent stays with it until that is acknowledged.
import { setTimeout as pause } from 'node:timers/promises';
import { connectTo, line, until } from './processes.ts';

/** A message of the server. */
export interface Said {
  readonly type: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into messages of all shapes
  readonly data: any;
}

/** One connection, NDJSON both ways. */
export interface Talker {
  /** All that the server has said. */
  readonly said: readonly Said[];
  /** The latest of a type. */
  last(type: string): Said['data'] | undefined;
  write(text: string): void;
  /** Ends our half. */
  end(): void;
  destroy(): void;
  /** Whether the server has ended its half. */
  isEnded(): boolean;
  isClosed(): boolean;
}

/** Connects and sends nothing. */
export async function openTalker(port: number): Promise<Talker> {
  const socket = await connectTo({ port });
  const said: Said[] = [];
  let rest = '';
  let isEnded = false;
  socket.removeAllListeners('data');
  socket.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    said.push(...lines.map((each) => JSON.parse(each) as Said));
  });
  socket.on('end', () => {
    isEnded = true;
  });
  return {
    said,
    last: (type) => said.findLast((one) => one.type === type)?.data,
    write: (text) => void socket.write(text),
    end: () => void socket.end(),
    destroy: () => socket.destroy(),
    isEnded: () => isEnded,
    isClosed: () => socket.closed,
  };
}

/** The line of a control message. */
export const control = (type: string, data: object = {}, source = 'counter'): string =>
  `${JSON.stringify({ source, timestamp: '2025-10-20T10:30:45.123Z', type, data })}\n`;

/** The line of record `seq`, whose number that is. */
export const record = (seq: number, source = 'counter'): string => line(seq, source, { seq });

/** Lines of records. */
export const records = (from: number, to: number, source = 'counter'): string =>
  Array.from({ length: to - from + 1 }, (_, n) => record(from + n, source)).join('');

/**
 * Sends records 1 to `count` in a session, through as many connections as it takes, and resolves once all are
 * acknowledged. `port` is asked before each connection.
 */
export async function sendAll(
  port: () => number,
  session: string,
  count: number,
  ack: 'memory' | 'disk',
  onAck: (seq: number) => void = () => {},
): Promise<void> {
  let acked = 0;
  while (acked < count) {
    const talker = await openTalker(port()).catch(() => undefined);
    if (talker === undefined) {
      await pause(50);
      continue;
    }
    talker.write(control('hello', { v: 1, session, ack }));
    await until(() => talker.said.length > 0 || talker.isEnded() || talker.isClosed(), 'a welcome');
    const welcome = talker.last('welcome');
    acked = Math.max(acked, welcome?.last_seq ?? 0);
    let sent = acked;
    while (welcome !== undefined && acked < count && !talker.isEnded() && !talker.isClosed()) {
      const to = Math.min(count, sent + 50, acked + welcome.window);
      if (to > sent) talker.write(records(sent + 1, to));
      if (to === count && sent < count) talker.write(control('ping'));
      sent = Math.max(sent, to);
      await pause(2);
      acked = Math.max(acked, talker.last('ack')?.seq ?? 0);
      onAck(acked);
    }
    talker.destroy();
  }
}
