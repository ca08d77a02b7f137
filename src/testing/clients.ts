import type { Observable } from 'rxjs';
import type { Connection } from '../ingest/connection.ts';
import { createUnicast, type Unicast } from '../ingest/unicast.ts';

/** Clients without sockets: one for each source, connected by its first message. */
export interface Clients {
  readonly connection$: Observable<Connection>;
  /** Sends a line; while reading is paused it waits, as it would in the network. `onRead` is called before it is read. */
  send(source: string, line: string, onRead: () => void): void;
  pause(isPaused: boolean): void;
  /** All that waits is read, then all clients close. */
  end(): void;
}

interface Waiting {
  readonly source: string;
  readonly line: string;
  readonly onRead: () => void;
}

export function createClients(nowMs: () => number): Clients {
  const connections = createUnicast<Connection>();
  const open = new Map<string, Unicast<Buffer>>();
  const waiting: Waiting[] = [];
  let lastId = 0;
  let isPaused = false;
  let isReading = false;

  const connect = (source: string): Unicast<Buffer> => {
    const chunks = createUnicast<Buffer>();
    open.set(source, chunks);
    connections.next({
      id: ++lastId,
      remote: source,
      chunk$: chunks.value$,
      clockMs: nowMs,
      say: () => {},
      hold: () => {},
      finish: () => {},
      introduce: () => {},
      refuse: () => {
        open.delete(source);
        chunks.complete();
      },
    });
    return chunks;
  };

  const read = () => {
    // What is read may pause or resume reading.
    if (isReading) return;
    isReading = true;
    for (let next = waiting[0]; next !== undefined && !isPaused; next = waiting[0]) {
      waiting.shift();
      next.onRead();
      (open.get(next.source) ?? connect(next.source)).next(Buffer.from(`${next.line}\n`));
    }
    isReading = false;
  };

  return {
    connection$: connections.value$,
    send: (source, line, onRead) => {
      waiting.push({ source, line, onRead });
      read();
    },
    pause: (paused) => {
      isPaused = paused;
      read();
    },
    end: () => {
      isPaused = false;
      read();
      for (const chunks of open.values()) chunks.complete();
      connections.complete();
    },
  };
}
