import type { JsonObject } from '../../message.ts';
import type { AckLevel } from './hello.ts';
import { type Admission, idOf, prefixOf, type Session, WINDOW } from './session.ts';
import type { Sessions } from './sessions.ts';

/** The session that a connection's records are of. */
export interface Origin {
  /** `,"session":"…"`, for records that name none themselves. */
  readonly member: string;
  /** What to do with a record of this sequence number, or of none (0). */
  admit(seq: number): Admission | 'disorder';
  /** The id of a record that it admitted; `undefined`: any. */
  idOf(seq: number): string | undefined;
  /** A frame was discarded in the place of the next record. */
  discarded(reason: string): void;
  /** What the client is told of its session. */
  welcome(): JsonObject;
  /** The client wants to hear of all that it has sent. */
  hurry(): void;
  /** The client sends no more: `onDone` is called once it was told of all that it has sent, and the talk is ended. */
  end(onDone: () => void): void;
  /** Nothing is told any more. */
  leave(): void;
}

/** The client's connection, as its session sees it. */
export interface OriginPeer {
  say(message: JsonObject): void;
  finish(): void;
  drop(): void;
  fail(code: string, cause: string): void;
}

/** Bytes that a client may have out without an acknowledgement; it is the client that counts them. */
const WINDOW_BYTES = 2 ** 20;

/** A connection of session `id` whose client wants to hear of its records at level `ack`, or not at all. */
export function createOrigin(
  id: string,
  ack: AckLevel | undefined,
  source: string,
  peer: OriginPeer,
  sessions: Sessions,
): Origin {
  const member = `,"session":"${id}"`;
  if (ack === undefined) return { ...SILENT, member };
  const prefix = prefixOf(id);
  /** The last sequence number of this connection; `undefined` before the first record. */
  let at: number | undefined;
  /** Frames that were discarded behind it: each stands for the number that follows. */
  let discarded = 0;
  let onDone: (() => void) | undefined;

  const finishIfDone = (seq: number) => {
    if (onDone === undefined || seq < (at ?? 0)) return;
    onDone();
    leave();
    peer.finish();
  };
  const told = {
    ack: (seq: number) => {
      acked = seq;
      peer.say({ type: 'ack', data: { seq } });
      finishIfDone(seq);
    },
    replaced: peer.drop,
  };
  const session: Session = sessions.enter(id, ack, told);
  const welcomed = session.mark;
  let acked = welcomed;
  const leave = () => sessions.leave(session, told);

  const isInOrder = (seq: number) => at === undefined || seq <= at + discarded + 1;

  return {
    member,
    admit(seq) {
      if (seq === 0) return 'new';
      if (!isInOrder(seq)) {
        peer.fail('seq', `${seq} came where ${(at ?? 0) + 1} was due`);
        return 'disorder';
      }
      // What is missing was refused, or acknowledged by a process whose mark is lost.
      if (seq > session.received + 1) sessions.skipTo(session, seq - 1);
      if (at === undefined || seq > at) {
        at = seq;
        discarded = 0;
      }
      const admission = sessions.admit(session, seq);
      if (admission === 'window') peer.fail('window', `more than ${WINDOW} records are not acknowledged`);
      return admission;
    },
    idOf: (seq) => (seq === 0 ? undefined : idOf(prefix, seq)),
    discarded(reason) {
      discarded++;
      const seq = (at ?? welcomed) + discarded;
      const code = reason === 'too_large' || reason === 'bad_length' ? 'too_large' : 'schema';
      peer.say({ type: 'nack', data: { seq, code, retry: false } });
    },
    welcome: () => ({
      last_seq: welcomed,
      window: WINDOW,
      window_bytes: WINDOW_BYTES,
      ack: session.level,
    }),
    hurry: () => sessions.hurry(session, source),
    end(done) {
      onDone = done;
      if (acked < (at ?? 0)) sessions.hurry(session, source);
      else finishIfDone(acked);
    },
    leave,
  };
}

/** Of a client that does not want to hear. */
const SILENT: Omit<Origin, 'member'> = {
  admit: () => 'new',
  idOf: () => undefined,
  discarded: () => {},
  welcome: () => ({}),
  hurry: () => {},
  end: (onDone) => onDone(),
  leave: () => {},
};
