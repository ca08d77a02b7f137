import type { Socket } from 'node:net';
import { Observable, type Subscriber } from 'rxjs';
import { TURN_BYTES, type Turns } from './turns.ts';

/** The readable half of a socket. */
export interface Inlet {
  /** Its bytes, a turn's worth at a time. For one subscriber; unsubscribing destroys the socket. */
  readonly chunk$: Observable<Buffer>;
  /** Completes `chunk$`; what comes later is not read. */
  end(): void;
  /** Emits what was received already, then ends. */
  flush(): void;
  /** Milliseconds, by the clock of the turns, since bytes came; 0 while some wait to be read. */
  quietMs(): number;
  /** Lets `quietMs` count from now. */
  restartQuiet(): void;
  /** Whether bytes wait to be read, or came since `restartQuiet`. */
  isTalking(): boolean;
}

/** Reads `socket` whenever its turn comes; allocates nothing while it is idle. */
export function createInlet(socket: Socket, turns: Turns): Inlet {
  let out: Subscriber<Buffer> | undefined;
  let isEnded = false;
  let isQueued = false;
  let readAtMs = turns.openMs();
  let hasRead = false;

  const queue = () => {
    if (isQueued || isEnded) return;
    isQueued = true;
    turns.add(reader);
  };
  const reader = {
    read(): number {
      isQueued = false;
      const chunk = isEnded ? null : take(socket);
      if (chunk === null) return 0;
      readAtMs = turns.openMs();
      hasRead = true;
      out?.next(chunk);
      if (socket.readableLength > 0) queue();
      return chunk.length;
    },
  };
  const end = () => {
    isEnded = true;
    out?.complete();
  };
  const flush = () => {
    for (let chunk = take(socket); chunk !== null && !isEnded; chunk = take(socket)) out?.next(chunk);
    end();
  };
  const chunk$ = new Observable<Buffer>((subscriber) => {
    out = subscriber;
    socket.on('readable', queue);
    if (isEnded || socket.closed) flush();
    return () => {
      if (!isEnded) socket.destroy();
      isEnded = true;
    };
  });
  return {
    chunk$,
    end,
    flush,
    quietMs: () => (socket.readableLength > 0 ? 0 : turns.openMs() - readAtMs),
    restartQuiet() {
      readAtMs = turns.openMs();
      hasRead = false;
    },
    isTalking: () => hasRead || socket.readableLength > 0,
  };
}

/** At most a turn's bytes; `null` if there are none. It takes a read of nothing to make an ended socket say so. */
function take(socket: Socket): Buffer | null {
  return socket.readableLength > TURN_BYTES ? socket.read(TURN_BYTES) : socket.read();
}
