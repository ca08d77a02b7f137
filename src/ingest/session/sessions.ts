import { type Observable, Subject } from 'rxjs';
import type { Context, Receipts } from '../../context.ts';
import { createAlarm } from '../../flow/alarm.ts';
import type { Messages } from '../../message.ts';
import { type Absence, createAbsence } from './absence.ts';
import type { AckLevel } from './hello.ts';
import type { Mark, Marks } from './marks.ts';
import {
  type Admission,
  admit,
  change,
  createSession,
  isOfSession,
  type Peer,
  prefixIn,
  prefixOf,
  type Session,
  seqIn,
  skipTo,
} from './session.ts';

/** All clients' sessions, and what they wait to hear. */
export interface Sessions {
  /** Which sources left without a `bye`. */
  readonly absence: Absence;
  /** To be told what becomes of messages. */
  readonly receipts: Receipts;
  /** Sources whose batches are not to wait for company: their senders want to hear of them. */
  readonly hurry$: Observable<string>;
  /** The session of this id, known or new, which now speaks through `peer`. */
  enter(id: string, level: AckLevel, peer: Peer): Session;
  /** Lets a record in, see `admit`; a duplicate that is taken already is acknowledged again. */
  admit(session: Session, seq: number): Admission;
  /** Passes over records, see `skipTo`. */
  skipTo(session: Session, seq: number): void;
  /** What was let in is acknowledged as soon as it may be. */
  hurry(session: Session, source: string): void;
  leave(session: Session, peer: Peer): void;
  /** Saves all marks. */
  close(): Promise<void>;
}

/** An acknowledgement comes at the first of these. */
const ACK_RECORDS = 256;
const ACK_MS = 200;
/** Sessions that are remembered, and for how long after their last use. */
const MAX_SESSIONS = 10_000;
const MAX_IDLE_MS = 86_400_000;

/** Keeps marks for the next process; `all` are those worth keeping. */
export type OpenMarks = (all: () => readonly Mark[]) => Promise<Marks>;

/** Begins with the sessions that an earlier process left. */
export async function openSessions(
  open: OpenMarks,
  { scheduler }: Pick<Context, 'scheduler'>,
): Promise<Sessions> {
  /** By the prefix of their ids; those entered last are last. */
  const sessions = new Map<string, Session>();
  const hurry$ = new Subject<string>();
  /** Those whose mark or peer has to be told. */
  const due = new Set<Session>();
  let openRecords = 0;
  let saving: Promise<void> | undefined;

  const marks = await open(() => [...sessions.values()].map((session) => markOf(session, session.mark)));
  for (const { session, seq, usedMs } of marks.loaded) {
    sessions.set(prefixOf(session), createSession(session, seq, usedMs));
  }

  const tell = (session: Session, now: boolean) => {
    due.add(session);
    session.usedMs = scheduler.now();
    if (now) void flush();
    else if (!alarm.isSet()) alarm.set(ACK_MS);
  };
  /** The mark is saved first, so that a client never knows more than the next process. */
  const run = async () => {
    // What comes of one batch is told as one.
    await undefined;
    alarm.clear();
    const told = [...due].map((session) => ({ session, seq: session.mark }));
    due.clear();
    for (const { session, seq } of told) session.told = seq;
    await marks.save(told.map(({ session, seq }) => markOf(session, seq)));
    for (const { session, seq } of told) session.peer?.ack(seq);
  };
  const flush = (): Promise<void> => {
    saving ??= run().finally(() => {
      saving = undefined;
      if ([...due].some(isUrgent)) void flush();
      else if (due.size > 0 && !alarm.isSet()) alarm.set(ACK_MS);
    });
    return saving;
  };
  const alarm = createAlarm(scheduler, () => void flush());

  const settle = (session: Session, seq: number, ways: number) => {
    const before = session.mark;
    if (change(session, seq, ways)) openRecords--;
    if (session.mark > before) tell(session, isUrgent(session));
  };
  const each = (messages: Messages, level: AckLevel | undefined, ways: number) => {
    if (openRecords === 0) return;
    for (const { id } of messages) {
      const session = isOfSession(id) ? sessions.get(prefixIn(id)) : undefined;
      if (session === undefined || (level !== undefined && session.level !== level)) continue;
      settle(session, seqIn(id), ways);
    }
  };
  const isAwaited = (id: string) => {
    const session = isOfSession(id) ? sessions.get(prefixIn(id)) : undefined;
    return session?.level === 'disk' && session.open.has(seqIn(id));
  };
  const forget = () => {
    const oldestMs = scheduler.now() - MAX_IDLE_MS;
    for (const [prefix, { usedMs, open, peer }] of sessions) {
      if (sessions.size <= MAX_SESSIONS && usedMs >= oldestMs) return;
      if (open.size === 0 && peer === undefined) sessions.delete(prefix);
    }
  };

  forget();

  return {
    absence: createAbsence(scheduler),
    receipts: {
      routed: (messages, ways) => each(messages, undefined, ways),
      admitted: (messages) => each(messages, 'memory', -1),
      safe: (messages) => each(messages, 'disk', -1),
      isAwaited: (messages) => openRecords > 0 && messages.some(({ id }) => isAwaited(id)),
    },
    hurry$,
    enter(id, level, peer) {
      const prefix = prefixOf(id);
      const session = sessions.get(prefix) ?? createSession(id, 0, 0);
      // What is on its way was promised at the level that it came with.
      if (session.open.size === 0) session.level = level;
      session.peer?.replaced();
      session.peer = peer;
      session.usedMs = scheduler.now();
      sessions.delete(prefix);
      sessions.set(prefix, session);
      forget();
      return session;
    },
    admit(session, seq) {
      const admission = admit(session, seq);
      if (admission === 'new') openRecords++;
      else if (admission === 'duplicate' && seq <= session.mark) tell(session, false);
      return admission;
    },
    skipTo(session, seq) {
      skipTo(session, seq);
      tell(session, false);
    },
    hurry(session, source) {
      session.hurryTo = session.received;
      hurry$.next(source);
      tell(session, true);
    },
    leave(session, peer) {
      if (session.peer === peer) session.peer = undefined;
    },
    async close() {
      while (due.size > 0 || saving !== undefined) await flush();
      alarm.clear();
      await marks.close();
    },
  };
}

const isUrgent = ({ mark, told, hurryTo }: Session) =>
  mark - told >= ACK_RECORDS || (told < hurryTo && mark > told);

const markOf = ({ id, usedMs }: Session, seq: number): Mark => ({ session: id, seq, usedMs });
