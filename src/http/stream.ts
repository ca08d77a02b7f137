import type { Context as Call } from 'hono';
import type { LiveStream } from '../live/streams.ts';
import { parseTopics } from '../live/topics.ts';
import { PLACES } from '../live/view.ts';
import { BadQuery, filterOf } from './params.ts';
import type { HttpSources } from './sources.ts';

/** Written at once; more waits in the stream's own, bounded memory until the client has read it. */
const CHUNK_CHARS = 65_536;

/** `/api/v1/stream`: server-sent events (WHATWG HTML, 9.2). */
export function stream(call: Call, sources: HttpSources): Response {
  const topics = parseTopics(call.req.query('topics') ?? '');
  if (topics === undefined) {
    const hint = 'topics are overview, jobs, job:ID, trace:ID, tail, health, config, separated by commas';
    throw new BadQuery('topics are not understood', hint);
  }
  const at = PLACES.find((place) => place === (call.req.query('at') ?? 'ingest'));
  if (at === undefined) throw new BadQuery('there is no such place', `at is one of ${PLACES.join(', ')}`);
  const lastEventId = call.req.header('last-event-id') ?? '';
  const request = { topics, at, filter: filterOf(call), lastEventId };
  // A stream that nobody would read must not take the place of another.
  if (call.req.method === 'HEAD') return call.body(null, 200, EVENT_STREAM);
  return call.body(bodyOf(sources.streams.open(request)), 200, EVENT_STREAM);
}

const EVENT_STREAM = { 'Content-Type': 'text/event-stream; charset=utf-8', 'X-Accel-Buffering': 'no' };

/** Takes from the stream only what the client reads. */
function bodyOf(live: LiveStream): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream(
    {
      async pull(controller) {
        for (;;) {
          const text = live.take(CHUNK_CHARS);
          if (text !== '') return controller.enqueue(encoder.encode(text));
          if (live.isOver) return controller.close();
          await new Promise<void>((resolve) => {
            live.onReady = resolve;
          });
        }
      },
      cancel: live.leave,
    },
    { highWaterMark: 0 },
  );
}
