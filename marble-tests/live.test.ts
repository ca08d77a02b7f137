import { describe, expect, test } from '@jest/globals';
import type { Subscription } from 'rxjs';
import { interval, take } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { describeMessage } from '../src/live/describe.ts';
import { createRedaction } from '../src/live/redaction.ts';
import { createStreams, HEARTBEAT_MS, type LiveStream, type StreamRequest } from '../src/live/streams.ts';
import { createTaps, type Taps } from '../src/live/taps.ts';
import type { LiveStates } from '../src/live/topics.ts';
import type { Message } from '../src/message.ts';
import { messageOf } from '../test/route/support.ts';

const redact = createRedaction([]);
const TAIL: StreamRequest = { topics: [{ name: 'tail' }], at: 'ingest', filter: {}, lastEventId: '' };

interface Live {
  readonly scheduler: TestScheduler;
  readonly taps: Taps;
  readonly open: (request?: Partial<StreamRequest>) => LiveStream;
  readonly end: () => void;
  /** Passes a message by, as the flow does. */
  readonly pass: (message: Message) => void;
  /** How often a state was read. */
  readonly reads: () => number;
  readonly setJobs: (messages: number) => void;
}

/** Runs in virtual time; `later` does something then. */
function live(body: (live: Live, later: (ms: number, then: () => void) => void) => void): void {
  const scheduler = new TestScheduler((actual, expected) => expect(actual).toEqual(expected));
  scheduler.run(({ flush }) => {
    const taps = createTaps();
    let reads = 0;
    let messages = 1;
    const state = () => ({ reads: ++reads });
    const states: LiveStates = {
      overview: state,
      health: state,
      config: () => ({ hash: 'same' }),
      jobs: () => ({ jobs: [{ job_id: 'j', messages } as never] }),
      job: () => undefined,
      trace: () => undefined,
    };
    const streams = createStreams(
      states,
      taps,
      (one, where) => describeMessage(one, redact, where),
      scheduler,
    );
    let watch: ((message: Message) => void) | undefined;
    const watching: Subscription = taps.ingest$.subscribe((latest) => {
      watch = latest;
    });
    body(
      {
        scheduler,
        taps,
        open: (request = {}) => streams.open({ ...TAIL, ...request }),
        end: streams.end,
        pass: (message) => watch?.(message),
        reads: () => reads,
        setJobs: (count) => {
          messages = count;
        },
      },
      (ms, then) => void scheduler.schedule(then, ms),
    );
    scheduler.schedule(() => {
      streams.end();
      watching.unsubscribe();
    }, 200_000);
    flush();
  });
}

interface Sent {
  readonly event: string;
  readonly id: string;
  readonly data: Record<string, never>;
}

/** Everything that a client reads now. */
function read(stream: LiveStream): Sent[] {
  let text = '';
  for (let chunk = stream.take(65_536); chunk !== ''; chunk = stream.take(65_536)) text += chunk;
  return text
    .split('\n\n')
    .filter((block) => block.startsWith('event: '))
    .map((block) => {
      const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1] ?? '';
      return { event: field('event'), id: field('id'), data: JSON.parse(field('data')) };
    });
}

const namesOf = (sent: readonly Sent[]) => sent.map(({ event }) => event).join(' ');
const idsIn = (sent: readonly Sent[]) =>
  sent.flatMap(({ data }) => (data.messages as { id: string }[] | undefined)?.map(({ id }) => id) ?? []);

describe('a tail', () => {
  test('comes in batches of 100 ms, in order', () => {
    live(({ open, pass }, later) => {
      const stream = open();
      const seen: string[] = [];
      stream.onReady = () =>
        seen.push(...read(stream).map(({ event, data }) => `${event} ${idsIn([{ event, id: '', data }])}`));
      later(10, () => pass(messageOf('a')));
      later(60, () => pass(messageOf('b')));
      later(150, () => pass(messageOf('c')));
      later(1000, () => expect(seen).toEqual(['hello ', 'tail a,b', 'tail c']));
    });
  });

  test('takes what its filter lets through', () => {
    live(({ open, pass }, later) => {
      const filters = {
        source: { source: 'w*' },
        exact: { source: 'web' },
        type: { types: ['metric', 'span'] },
        level: { level: 'warn' },
        text: { text: 'needle' },
        job: { job: 'j1', trace: 't1' },
      };
      const messages = [
        messageOf('a', { source: 'web', data: { message: 'needle' } }, { source: 'web' }),
        messageOf('b', {}, { source: 'worker', type: 'metric' }),
        messageOf('c', {}, { severity: 4, jobId: 'j1', traceId: 't1' }),
        messageOf('d', {}, { severity: 3, jobId: 'j1', traceId: 't2' }),
      ];
      const expected = { source: 'a b', exact: 'a', type: 'b', level: 'c', text: 'a', job: 'c' };
      for (const [n, [name, filter]] of Object.entries(filters).entries()) {
        later(n * 1000, () => {
          const stream = open({ filter });
          messages.forEach(pass);
          later(500, () => {
            expect(`${name}: ${idsIn(read(stream)).join(' ')}`).toBe(
              `${name}: ${expected[name as keyof typeof expected]}`,
            );
            stream.leave();
          });
        });
      }
    });
  });

  test('shows all of 500 messages a second, and of more a part, evenly, saying which', () => {
    live(({ open, pass, scheduler }, later) => {
      const tails = (source: string) => {
        const stream = open({ filter: { source } });
        const sent: Sent[] = [];
        stream.onReady = () => void sent.push(...read(stream).filter(({ event }) => event === 'tail'));
        return sent;
      };
      const [all, some] = [tails('slow'), tails('fast')];
      const one = {
        slow: messageOf('s', {}, { source: 'slow' }),
        fast: messageOf('f', {}, { source: 'fast' }),
      };
      interval(2, scheduler)
        .pipe(take(5000))
        .subscribe(() => pass(one.slow));
      interval(1, scheduler)
        .pipe(take(10_000))
        .subscribe(() => {
          for (let n = 0; n < 20; n++) pass(one.fast);
        });
      later(11_000, () => {
        expect(idsIn(all).length).toBe(5000);
        expect(all.every(({ data }) => data.sampled === undefined)).toBe(true);
        const late = some
          .slice(20)
          .map(
            ({ data }) =>
              data.sampled as unknown as { shown: number; seen: number; per_s: number; rate: number },
          );
        expect(idsIn(some).length).toBeLessThanOrEqual(500 * 11);
        expect(idsIn(some).length).toBeGreaterThan(450 * 10);
        for (const { shown, seen, per_s, rate } of late.slice(0, -1)) {
          expect([seen, per_s]).toEqual([2000, 20_000]);
          expect(shown).toBeGreaterThanOrEqual(40);
          expect(rate).toBeCloseTo(shown / seen);
        }
      });
    });
  });

  test('describes no more messages than it shows', () => {
    const taps = createTaps();
    let described = 0;
    const scheduler = new TestScheduler(() => {});
    scheduler.run(({ flush }) => {
      const states = {} as LiveStates;
      const describing = (message: Message) => {
        described++;
        return describeMessage(message, redact);
      };
      const streams = createStreams(states, taps, describing, scheduler);
      streams.open(TAIL);
      let watch: ((message: Message) => void) | undefined;
      taps.ingest$.subscribe((latest) => {
        watch = latest;
      });
      const one = messageOf('x');
      interval(100, scheduler)
        .pipe(take(10))
        .subscribe(() => {
          for (let n = 0; n < 30_000; n++) watch?.(one);
        });
      scheduler.schedule(streams.end, 2000);
      flush();
    });
    expect(described).toBeLessThanOrEqual(1000);
  });
});

describe('a client that does not read', () => {
  test('keeps at most 1 MiB, is told how many messages are missing, and gets the newest', () => {
    live(({ open, pass, scheduler }, later) => {
      const stream = open();
      const big = 'x'.repeat(10_000);
      let n = 0;
      interval(10, scheduler)
        .pipe(take(400))
        .subscribe(() => pass(messageOf(`m${n++}`, { data: { message: big } })));
      later(5000, () => {
        const sent = read(stream);
        const size = JSON.stringify(sent).length;
        expect(size).toBeLessThan(1_300_000);
        const gaps = sent.filter(({ event }) => event === 'gap').map(({ data }) => data);
        expect(gaps).toEqual([{ topic: 'tail', reason: 'slow', count: 400 - idsIn(sent).length }]);
        expect(idsIn(sent).at(-1)).toBe('m399');
        expect(idsIn(sent).length).toBeGreaterThan(50);
      });
    });
  });

  test('gets of a state only the newest', () => {
    live(({ open }, later) => {
      const stream = open({ topics: [{ name: 'overview' }] });
      later(10_500, () => {
        const sent = read(stream);
        expect(namesOf(sent)).toBe('hello overview');
        expect(sent[1]!.data).toEqual({ reads: 11 });
      });
    });
  });
});

describe('a client that comes back', () => {
  const scene = (pauseMs: number, then: (stream: LiveStream, live: Live) => void) =>
    live((one, later) => {
      const stream = one.open();
      let last = '';
      later(50, () => one.pass(messageOf('a')));
      later(150, () => {
        last = read(stream).at(-1)!.id;
        stream.leave();
      });
      later(250, () => one.pass(messageOf('b')));
      later(400 + pauseMs, () => then(one.open({ lastEventId: last }), one));
    });

  test('gets what it missed', () => {
    scene(1000, (stream) => {
      const sent = read(stream);
      expect([namesOf(sent), idsIn(sent)]).toEqual(['hello tail', ['b']]);
      expect(sent[0]!.data).toMatchObject({ resumed: true });
    });
  });

  test('after half a minute is told that events are forgotten', () => {
    scene(31_000, (stream) => {
      const sent = read(stream);
      expect(namesOf(sent)).toBe('hello gap');
      expect(sent[1]!.data).toEqual({ topic: '*', reason: 'forgotten' });
    });
  });

  test('to another run is told that it restarted', () => {
    live(({ open }) => {
      const sent = read(open({ lastEventId: 'zz.1-5' }));
      expect(sent.map(({ data }) => data)).toMatchObject([
        { resumed: false },
        { topic: '*', reason: 'restarted' },
      ]);
    });
  });

  test('gets again what it was sent and had not seen', () => {
    live(({ open, pass }, later) => {
      const stream = open();
      let first = '';
      later(50, () => pass(messageOf('a')));
      later(150, () => {
        first = read(stream).at(-1)!.id;
        pass(messageOf('b'));
      });
      later(250, () => {
        expect(idsIn(read(stream))).toEqual(['b']);
        expect(idsIn(read(open({ lastEventId: first })))).toEqual(['b']);
        expect(stream.isOver).toBe(true);
      });
    });
  });
});

describe('streams', () => {
  test('are four: the fifth takes the place of the oldest, which is told', () => {
    live(({ open }) => {
      const streams = [1, 2, 3, 4, 5].map(() => open());
      expect(streams.map(({ isOver }) => isOver)).toEqual([true, false, false, false, false]);
      expect(namesOf(read(streams[0]!))).toBe('hello evicted');
      expect(namesOf(read(streams[4]!))).toBe('hello');
    });
  });

  test('whose clients are gone go first', () => {
    live(({ open }) => {
      const streams = [1, 2, 3, 4].map(() => open());
      streams[2]!.leave();
      open();
      expect(streams.map(({ isOver }) => isOver)).toEqual([false, false, true, false]);
    });
  });

  test('say within 15 s that they are there', () => {
    live(({ open }, later) => {
      const stream = open();
      const spoke: string[] = [];
      stream.onReady = () => {
        const text = stream.take(1000);
        if (text !== '') spoke.push(text.split('\n')[0]!);
      };
      later(2 * HEARTBEAT_MS + 500, () =>
        expect(spoke).toEqual(['event: hello', ': still here', ': still here']),
      );
    });
  });

  test('tell of jobs that changed, and of a state only when it did', () => {
    live(({ open, setJobs }, later) => {
      const stream = open({ topics: [{ name: 'jobs' }, { name: 'config' }] });
      expect(namesOf(read(stream))).toBe('hello jobs config');
      later(1500, () => {
        expect(read(stream)).toEqual([]);
        setJobs(2);
      });
      later(2500, () => expect(namesOf(read(stream))).toBe('jobs'));
    });
  });

  test('share what is read of a state, at their beginning too, and read nothing once they are gone', () => {
    live(({ open, reads }, later) => {
      const all = Array.from({ length: 50 }, () => open({ topics: [{ name: 'health' }] }));
      expect(all.map((stream) => read(stream)[1]?.data).at(-1)).toEqual({ reads: 1 });
      later(1050, () => {
        expect(reads()).toBe(2);
        for (const stream of all) stream.leave();
      });
      later(40_000, () => {
        const atRest = reads();
        later(60_000, () => expect(reads()).toBe(atRest));
      });
    });
  });

  test('listen to the flow only while there are some', () => {
    live(({ open, taps }, later) => {
      const watches: boolean[] = [];
      taps.ingest$.subscribe((watch) => watches.push(watch !== undefined));
      const stream = open();
      stream.leave();
      later(40_000, () => expect(watches).toEqual([false, true, false]));
    });
  });

  test('end with a word when the sidecar ends', () => {
    live(({ open, end }) => {
      const stream = open();
      end();
      expect([namesOf(read(stream)), stream.isOver]).toEqual(['hello bye', true]);
    });
  });

  test('hear of rules and of endings what the journal hears', () => {
    live(({ open, taps }, later) => {
      const noted: string[] = [];
      const journal = taps.journal({ note: ({ kind }) => void noted.push(kind), batching: () => {} });
      const [route, backend] = [open({ at: 'route' }), open({ at: 'backend' })];
      journal.note({ kind: 'matched', backend: 'files', rule: 'routing.all[0]' }, [messageOf('a')]);
      journal.note({ kind: 'ended', backend: 'files', ending: 'shed', reason: 'queue_full' }, [
        messageOf('a'),
      ]);
      later(150, () => {
        expect(noted).toEqual(['matched', 'ended']);
        expect(read(route).at(-1)!.data).toMatchObject({
          at: 'route',
          messages: [{ id: 'a', backend: 'files', rule: 'routing.all[0]' }],
        });
        expect(read(backend).at(-1)!.data).toMatchObject({
          at: 'backend',
          messages: [{ id: 'a', backend: 'files', outcome: 'shed', reason: 'queue_full' }],
        });
      });
    });
  });
});
