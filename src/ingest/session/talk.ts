import { createHash, timingSafeEqual } from 'node:crypto';
import type { Context } from '../../context.ts';
import type { JsonObject } from '../../message.ts';
import type { Frame, SentFrame } from '../record.ts';
import { type Hello, helloOf, VERSION } from './hello.ts';
import { createOrigin, type Origin } from './origin.ts';
import type { Sessions } from './sessions.ts';

/** What a talk needs of its connection. */
export interface TalkIo {
  readonly sessions: Sessions | undefined;
  readonly context: Context;
  readonly maxFrameBytes: number;
  /** What a client has to know; '' if it need not. */
  readonly token: string;
  emit(frame: SentFrame): void;
  /** Sends a message to the client, in its framing. */
  say(message: JsonObject): void;
  /** From now on the client's end does not end what is said to it. */
  hold(): void;
  /** Ends what is said. */
  finish(): void;
  /** Which SDK the client says it is. */
  introduce(sdk: string): void;
  /** Closes the connection, with a last word. */
  close(reason: 'auth' | 'session', cause: string, message: JsonObject): void;
  /** The connection has another for its session. */
  drop(): void;
}

/** The conversation with one client: it listens to the first frame, and to the others only after a `hello`. */
export interface Talk {
  /** Takes the first frame; what it returns takes those that follow. */
  first(frame: Frame): (frame: Frame) => void;
  /** A frame was discarded. */
  discarded(reason: string): void;
  /** The time for a hello with the token is over. */
  late(): void;
  /** The client sends no more. */
  ended(): void;
  /** The connection is over, for whatever reason; to be called once. */
  departed(): void;
}

/** How long a client that has closed its end may wait for its last acknowledgement. */
const LINGER_MS = 10_000;

export function createTalk(io: TalkIo): Talk {
  const { sessions, context, maxFrameBytes, token } = io;
  let origin: Origin | undefined;
  let isGreeted = false;
  let isOver = false;
  let saidBye = false;
  let greeter = '';
  /** Its session. */
  let greeted = '';

  const fail = (reason: 'auth' | 'session', code: string, message: string, more: JsonObject = {}) => {
    if (isOver) return;
    isOver = true;
    origin?.leave();
    io.close(reason, message, { type: 'error', data: { code, message, ...more } });
  };
  const refuse = () => fail('auth', 'auth', 'the first frame has to be a hello with the token, within 5 s');
  const drop = () => {
    isOver = true;
    io.drop();
  };

  const start = (hello: Hello, source: string): void => {
    isGreeted = true;
    greeter = source;
    const { session, ack, sdk } = hello;
    greeted = session;
    sessions?.absence.came(source, session);
    if (sdk !== '') io.introduce(sdk);
    if (session !== '') {
      const peer = {
        say: io.say,
        finish: io.finish,
        drop,
        fail: (code: string, cause: string) => fail('session', code, cause),
      };
      origin = createOrigin(session, ack, source, peer, sessions as Sessions);
    }
    const told = origin?.welcome() ?? {};
    if (ack !== undefined) io.hold();
    io.say({ type: 'welcome', data: { v: VERSION, max_frame: maxFrameBytes, ...told } });
  };

  const follow = (frame: Frame): void => {
    if (isOver) return;
    const type = typeOf(frame);
    if (type === 'ping') {
      origin?.hurry();
      io.say({ type: 'pong', data: {} });
    } else if (type === 'bye') {
      saidBye = true;
      origin?.hurry();
    } else if (type === 'hello') fail('session', 'hello', 'a connection has one hello');
    else io.emit(origin === undefined ? frame : { head: undefined, origin, frame });
  };

  return {
    departed() {
      if (isGreeted) sessions?.absence.left(greeter, greeted, saidBye);
    },
    first(frame) {
      const isHello = sessions !== undefined && typeOf(frame) === 'hello';
      if (!isHello) {
        if (token !== '') refuse();
        else io.emit(frame);
        return token === '' ? io.emit : () => {};
      }
      const record = recordOf(frame);
      const hello = helloOf(record);
      if ('code' in hello) {
        const supported = hello.code === 'version' ? { supported: [VERSION] } : {};
        fail('session', hello.code, hello.message, supported);
      } else if (token !== '' && !isSame(hello.token, token)) {
        fail('auth', 'auth', 'the token is wrong');
      } else start(hello, typeof record.source === 'string' ? record.source : '');
      return follow;
    },
    discarded(reason) {
      if (token !== '' && !isGreeted) refuse();
      else origin?.discarded(reason);
    },
    late() {
      if (!isGreeted) refuse();
    },
    ended() {
      if (isOver || origin === undefined) return;
      const linger = context.scheduler.schedule(() => {
        origin?.leave();
        io.finish();
      }, LINGER_MS);
      origin.end(() => linger.unsubscribe());
    },
  };
}

const typeOf = (frame: Frame) => (frame.head === undefined ? frame.value.type : frame.type);

function recordOf(frame: Frame): JsonObject {
  if (frame.head === undefined) return frame.value;
  const { head, from, to } = frame;
  return JSON.parse(`${typeof head === 'string' ? head : head.toString('utf8', from, to)}}`);
}

/** In a time that says nothing of where they differ, nor of their lengths. */
const isSame = (one: string, other: string) => timingSafeEqual(digest(one), digest(other));

const digest = (text: string) => createHash('sha256').update(text).digest();
