import { createHash } from 'node:crypto';
import type { AckLevel } from './hello.ts';

/** Records of a session that may be out without an acknowledgement. */
export const WINDOW = 1000;

/** Who is told how far a session is: its connection. */
export interface Peer {
  /** All up to `seq` count as taken. */
  ack(seq: number): void;
  /** Another connection speaks for the session now. */
  replaced(): void;
}

/** What the sidecar knows of a client's session; it outlives its connections. */
export interface Session {
  /** 32 hex digits. */
  readonly id: string;
  level: AckLevel;
  /** The high-water mark: all up to it is taken, as `level` has it. */
  mark: number;
  /** The last sequence number that was let in; what is not above it is a duplicate. */
  received: number;
  /** Those above the mark that are not taken yet, with how many of their ways are open. */
  readonly open: Map<number, number>;
  /** The mark that the peer was told last. */
  told: number;
  /** Up to here acknowledgements do not wait for company. */
  hurryTo: number;
  /** When it was used last, epoch milliseconds. */
  usedMs: number;
  peer: Peer | undefined;
}

/** A session whose records up to `mark` are taken. */
export function createSession(id: string, mark: number, usedMs: number): Session {
  const marks = { mark, received: mark, told: mark, hurryTo: 0 };
  return { id, level: 'memory', ...marks, open: new Map(), usedMs, peer: undefined };
}

/** What to do with a record: take it, ignore it as a duplicate, or end the connection for it. */
export type Admission = 'new' | 'duplicate' | 'window';

/** Lets a record in; of one that is `new`, `change` has to say what becomes of it. */
export function admit(session: Session, seq: number): Admission {
  if (seq <= session.received) return 'duplicate';
  if (seq > session.mark + WINDOW) return 'window';
  session.received = seq;
  session.open.set(seq, 0);
  return 'new';
}

/** Passes over records that will not come: they were refused, or acknowledged by an earlier process. */
export function skipTo(session: Session, seq: number): void {
  session.received = Math.max(session.received, seq);
  advance(session);
}

/** So many ways of a record are open more, or fewer. True if that was the last one, and it is taken. */
export function change(session: Session, seq: number, ways: number): boolean {
  const before = session.open.get(seq);
  if (before === undefined) return false;
  const after = before + ways;
  if (after > 0) {
    session.open.set(seq, after);
    return false;
  }
  session.open.delete(seq);
  advance(session);
  return true;
}

function advance(session: Session): void {
  while (session.mark < session.received && !session.open.has(session.mark + 1)) session.mark++;
}

const PREFIX_LENGTH = 23;

/**
 * The part that the ids of a session's messages share: `xxxxxxxx-xxxx-8xxx-8xxx`. With the sequence number behind it
 * that is a UUIDv8 (RFC 9562): a record that is sent again has the id that it had, whatever became of the first one.
 */
export function prefixOf(session: string): string {
  const hex = createHash('sha256').update(session).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(12, 15)}-8${hex.slice(15, 18)}`;
}

/** The id of a session's record. */
export const idOf = (prefix: string, seq: number): string =>
  `${prefix}-${seq.toString(16).padStart(12, '0')}`;

const VERSION_AT = 14;
const VERSION_8 = 0x38;

/** Whether an id is of a session's record. */
export const isOfSession = (id: string): boolean => id.charCodeAt(VERSION_AT) === VERSION_8;

/** The session's part of such an id. */
export const prefixIn = (id: string): string => id.slice(0, PREFIX_LENGTH);

/** The sequence number in such an id. */
export const seqIn = (id: string): number => Number.parseInt(id.slice(PREFIX_LENGTH + 1), 16);
