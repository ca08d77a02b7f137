/** Something to tell a client. */
export interface OutEvent {
  /** Its name on the wire. */
  readonly event: string;
  /** One line. */
  readonly data: string;
  readonly topic: string;
  /** How many messages it has; of others 1. */
  readonly count: number;
  /** It makes those of its topic that wait worthless. */
  readonly isState: boolean;
}

/** What waits for a client, and what it was sent last, in case it comes back. */
export interface Outbox {
  push(event: OutEvent): void;
  /** What the client hears first, now that it comes or comes back. */
  greet(data: string): void;
  /** Has the client hear a comment, if there is nothing else. */
  beat(): void;
  /** The next events as they go over the wire, about `maxChars` of them; '' if there is nothing. */
  take(maxChars: number): string;
  /** Goes back to after the event of this number; what it misses since is told as a `gap`, counted in events. */
  resumeAfter(seq: number): void;
}

interface Kept extends OutEvent {
  readonly seq: number;
  readonly text: string;
  readonly bytes: number;
}

/** Bound of what is kept for a client: what waits, and what it got. */
export const MAX_OUTBOX_BYTES = 1_048_576;

/**
 * Keeps the last MiB of events. What falls out before it was taken is told as a `gap` with the number of messages;
 * what is only a newer state takes the place of the older one.
 *
 * @param key names the client; an event's id is `key-number`.
 */
export function createOutbox(key: string): Outbox {
  let events: Kept[] = [];
  let bytes = 0;
  let lastSeq = 0;
  /** The number of the last event that was taken. */
  let taken = 0;
  /** That of the last one that fell out. */
  let lost = 0;
  let beating = false;
  let greeting: string | undefined;
  const missing = new Map<string, { count: number; reason: string }>();

  const miss = ({ topic, count, isState }: OutEvent, reason: string) => {
    if (isState) return;
    missing.set(topic, { count: (missing.get(topic)?.count ?? 0) + count, reason });
  };
  const trim = () => {
    let first = 0;
    for (; bytes > MAX_OUTBOX_BYTES && first < events.length; first++) {
      const oldest = events[first] as Kept;
      bytes -= oldest.bytes;
      lost = oldest.seq;
      if (oldest.seq > taken) miss(oldest, 'slow');
    }
    if (first > 0) events = events.slice(first);
  };

  return {
    push(event) {
      if (event.isState) {
        const isOld = ({ seq, topic }: Kept) => seq > taken && topic === event.topic;
        for (const old of events.filter(isOld)) bytes -= old.bytes;
        events = events.filter((one) => !isOld(one));
      }
      const seq = ++lastSeq;
      const text = `event: ${event.event}\nid: ${key}-${seq}\ndata: ${event.data}\n\n`;
      const size = Buffer.byteLength(text);
      events.push({ ...event, seq, text, bytes: size });
      bytes += size;
      trim();
    },
    greet(data) {
      greeting = data;
    },
    beat() {
      beating = true;
    },
    take(maxChars) {
      let text = greeting === undefined ? '' : `event: hello\nid: ${key}-${taken}\ndata: ${greeting}\n\n`;
      greeting = undefined;
      for (const [topic, { count, reason }] of missing) {
        text += `event: gap\ndata: ${JSON.stringify({ topic, count, reason })}\n\n`;
      }
      missing.clear();
      const start = events.findIndex(({ seq }) => seq > taken);
      for (let at = start; start >= 0 && at < events.length && text.length < maxChars; at++) {
        const event = events[at] as Kept;
        text += event.text;
        taken = event.seq;
      }
      if (text === '' && beating) text = ': still here\n\n';
      beating = false;
      return text;
    },
    resumeAfter(seq) {
      missing.clear();
      if (seq < lost) missing.set('*', { count: lost - seq, reason: 'forgotten' });
      taken = Math.min(seq, lastSeq);
    },
  };
}
