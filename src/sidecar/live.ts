import type { SchedulerLike } from 'rxjs';
import type { Traces } from '../correlate/view.ts';
import type { HttpSources } from '../http/sources.ts';
import { createWhy } from '../journal/story.ts';
import type { ReadableJournal } from '../journal.ts';
import { describeMessage } from '../live/describe.ts';
import { compileMatcher, matches } from '../live/filter.ts';
import type { Redact } from '../live/redaction.ts';
import { createStreams } from '../live/streams.ts';
import type { Taps } from '../live/taps.ts';
import type { Message } from '../message.ts';
import type { Losses } from './losses.ts';

/** What the live views are made of. */
export interface LiveParts extends Pick<HttpSources, 'overview' | 'health' | 'config'> {
  readonly traces: Traces;
  readonly journal: ReadableJournal;
  readonly unreadSince: Losses['unreadSince'];
  readonly taps: Taps;
  readonly redact: () => Redact;
}

/** Jobs that a stream follows: the first page. */
const FOLLOWED_JOBS = 50;

/** What of the HTTP side looks at messages: those remembered, and those that pass by. */
export function createLive(
  { traces, journal, unreadSince, taps, redact, ...states }: LiveParts,
  scheduler: SchedulerLike,
): Pick<HttpSources, 'why' | 'messages' | 'streams'> {
  const why = createWhy(journal, unreadSince);
  return {
    why,
    messages: (filter, limit, cursor) => {
      const matcher = compileMatcher(filter);
      const page: Message[] = [];
      const newestFirst = journal.messages().toReversed();
      const start = cursor === undefined ? 0 : newestFirst.findIndex(({ id }) => id === cursor) + 1;
      const left = cursor !== undefined && start === 0 ? [] : newestFirst.slice(start);
      let hasMore = false;
      for (const message of left) {
        if (!matches(matcher, message)) continue;
        hasMore = page.length === limit;
        if (hasMore) break;
        page.push(message);
      }
      const next = page.at(-1)?.id;
      return {
        messages: page.map((message) => describeMessage(message, redact())),
        ...(hasMore && next !== undefined && { next }),
        remembered: why.memory(),
      };
    },
    streams: createStreams(
      {
        ...states,
        jobs: () => traces.jobs(FOLLOWED_JOBS),
        job: traces.job,
        trace: traces.trace,
      },
      taps,
      (message, where) => describeMessage(message, redact(), where),
      scheduler,
    ),
  };
}
