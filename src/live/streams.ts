import type { SchedulerLike } from 'rxjs';
import { createAlarm } from '../flow/alarm.ts';
import type { Message } from '../message.ts';
import { compileMatcher, type LiveFilter } from './filter.ts';
import { createOutbox, type Outbox } from './outbox.ts';
import { createTail, FLUSH_MS, type Tail } from './tail.ts';
import type { Taps } from './taps.ts';
import { type Changes, followState, type LiveStates, type Topic, topicText } from './topics.ts';
import type { LiveMessage, Place, Whereabouts } from './view.ts';

/** What a client asks for. */
export interface StreamRequest {
  readonly topics: readonly Topic[];
  readonly at: Place;
  readonly filter: LiveFilter;
  /** The last event's id that it saw; '' if none. */
  readonly lastEventId: string;
}

/** A client's stream of server-sent events. */
export interface LiveStream {
  /** What goes over the wire next, about `maxChars` of it; '' if there is nothing by now. */
  take(maxChars: number): string;
  /** Called whenever there may be something to take, or the stream has ended. */
  onReady: () => void;
  /** Whether nothing will come any more once what is there is taken. */
  readonly isOver: boolean;
  /** The client is gone; it may come back. */
  leave(): void;
}

/** All clients' streams. */
export interface Streams {
  open(request: StreamRequest): LiveStream;
  /** Ends all of them. */
  end(): void;
}

/** More of them, and browsers have no connection left for anything else. */
export const MAX_STREAMS = 4;
/** How often states are looked at. */
const STATE_MS = 1000;
/** After so long without an event a comment is sent. */
export const HEARTBEAT_MS = 15_000;
/** For how long a client that is gone is waited for. */
const RETURN_MS = 30_000;

interface Open {
  readonly key: string;
  /** What it asked for; a client that comes back asks for the same. */
  readonly asked: string;
  readonly at: Place;
  readonly outbox: Outbox;
  readonly tail: Tail | undefined;
  readonly states: readonly Changes[];
  readonly stopListening: () => void;
  /** `undefined` while the client is gone. */
  reader: LiveStream | undefined;
  isOver: boolean;
  /** Since when the client is gone, and when an event came last, epoch milliseconds. */
  goneMs: number;
  spokeMs: number;
}

/** Streams that cost nothing while there are none: no timer runs, and nothing listens to the flow. */
export function createStreams(
  states: LiveStates,
  taps: Pick<Taps, 'listen'>,
  describe: (message: Message, where?: Whereabouts) => LiveMessage,
  scheduler: SchedulerLike,
): Streams {
  const epoch = scheduler.now().toString(36);
  let all: readonly Open[] = [];
  let count = 0;
  let ticks = 0;

  const remove = (stream: Open) => {
    stream.stopListening();
    stream.isOver = true;
    all = all.filter((one) => one !== stream);
    if (all.length === 0) alarm.clear();
    stream.reader?.onReady();
  };
  const finish = (stream: Open, event: 'evicted' | 'bye', reason: string) => {
    stream.outbox.push({ event, data: JSON.stringify({ reason }), topic: event, count: 1, isState: true });
    remove(stream);
  };

  /** Whoever is gone goes first, then the oldest. */
  const makeRoom = () => {
    if (all.length < MAX_STREAMS) return;
    const oldest = all.find(({ reader }) => reader === undefined) ?? all[0];
    if (oldest !== undefined) finish(oldest, 'evicted', `${MAX_STREAMS} newer streams are open`);
  };

  /** What was read since `freshMs`, for all streams. */
  const known = new Map<string, unknown>();
  let freshMs = 0;
  const refresh = () => {
    known.clear();
    freshMs = scheduler.now();
  };
  const read = <T>(key: string, ask: () => T): T => {
    if (!known.has(key)) known.set(key, ask());
    return known.get(key) as T;
  };

  const lookAt = (streams: readonly Open[]) => {
    for (const { states: followed, outbox } of streams) {
      for (const changes of followed) {
        const event = changes();
        if (event !== undefined) outbox.push(event);
      }
    }
  };
  const flush = ({ tail, outbox, at }: Open) => {
    const batch = tail?.flush();
    if (batch === undefined) return;
    const data = JSON.stringify({ at, ...batch });
    outbox.push({ event: 'tail', data, topic: 'tail', count: batch.messages.length, isState: false });
  };

  const tick = () => {
    alarm.set(FLUSH_MS);
    ticks++;
    const nowMs = scheduler.now();
    for (const stream of all) {
      if (stream.reader === undefined && nowMs - stream.goneMs >= RETURN_MS) remove(stream);
    }
    for (const stream of all) flush(stream);
    if (ticks % (STATE_MS / FLUSH_MS) === 0) {
      refresh();
      lookAt(all);
    }
    for (const stream of all) {
      if (nowMs - stream.spokeMs >= HEARTBEAT_MS) {
        stream.spokeMs = nowMs;
        stream.outbox.beat();
      }
      stream.reader?.onReady();
    }
  };
  const alarm = createAlarm(scheduler, tick);

  const begin = ({ topics, at, filter }: StreamRequest, asked: string): Open => {
    const key = `${epoch}.${(++count).toString(36)}`;
    const tail = topics.some(({ name }) => name === 'tail')
      ? createTail(compileMatcher(filter), describe)
      : undefined;
    return {
      key,
      asked,
      at,
      outbox: createOutbox(key),
      tail,
      states: topics.filter(({ name }) => name !== 'tail').map((topic) => followState(topic, states, read)),
      stopListening: tail === undefined ? () => {} : taps.listen(at, tail),
      reader: undefined,
      isOver: false,
      goneMs: 0,
      spokeMs: scheduler.now(),
    };
  };

  const attach = (stream: Open): LiveStream => {
    // A client that came back before it was missed.
    stream.reader?.leave();
    const reader: LiveStream = {
      take(maxChars) {
        if (stream.reader !== reader) return '';
        const text = stream.outbox.take(maxChars);
        if (text !== '') stream.spokeMs = scheduler.now();
        return text;
      },
      onReady: () => {},
      get isOver() {
        return stream.isOver || stream.reader !== reader;
      },
      leave() {
        if (stream.reader !== reader) return;
        stream.reader = undefined;
        stream.goneMs = scheduler.now();
        reader.onReady();
      },
    };
    stream.reader = reader;
    return reader;
  };

  const hello = (outbox: Outbox, topics: readonly Topic[], resumed: boolean) => {
    const data = JSON.stringify({ topics: topics.map(topicText), heartbeat_ms: HEARTBEAT_MS, resumed });
    outbox.greet(data);
  };

  return {
    open(request) {
      const { topics, at, filter, lastEventId } = request;
      const asked = JSON.stringify([topics, at, filter]);
      const [, key = '', seq = '0'] = /^([\w.]+)-(\d+)$/.exec(lastEventId) ?? [];
      const known = all.find((one) => one.key === key && one.asked === asked);
      if (known !== undefined) {
        known.outbox.resumeAfter(Number(seq));
        hello(known.outbox, topics, true);
        return attach(known);
      }
      makeRoom();
      const stream = begin(request, asked);
      hello(stream.outbox, topics, false);
      if (key !== '') {
        const reason = key.startsWith(`${epoch}.`) ? 'forgotten' : 'restarted';
        const data = JSON.stringify({ topic: '*', reason });
        stream.outbox.push({ event: 'gap', data, topic: 'gap', count: 1, isState: true });
      }
      // Many that come at once are shown the same.
      if (scheduler.now() - freshMs >= STATE_MS) refresh();
      lookAt([stream]);
      if (all.length === 0) alarm.set(FLUSH_MS);
      all = [...all, stream];
      return attach(stream);
    },
    end() {
      for (const stream of all) finish(stream, 'bye', 'the sidecar ends, or serves elsewhere');
    },
  };
}
