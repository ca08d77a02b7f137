import { describe, expect, test } from '@jest/globals';
import { concat, map, NEVER, type Observable, of } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import type { Connection } from '../src/ingest/connection.ts';
import { decode } from '../src/ingest/detect.ts';
import { createRecording, MUTE, OPTIONS, textOf } from '../test/ingest/harness.ts';

type Helpers = Parameters<Parameters<TestScheduler['run']>[0]>[0];

const lines = (name: string, count: number) => `{"n":"${name}"}\n`.repeat(count);

/** What arrives, by letter. */
const CHUNKS = {
  a: lines('a', 1),
  b: `${lines('b', 1)}${lines('c', 1)}`,
  h: '{"n":',
  i: '"h"}\n',
  j: '"h"}',
  k: '"h"}\n{"n":',
  s: ' \t',
  w: '\r\n',
  T: '\x16\x03\x01',
  f: '\0\0\0',
  g: '\0',
  F: '\0\0\0\x09',
  m: '\x81',
  n: '\xa1n\xa1m',
  X: 'bad\n'.repeat(50),
  Y: 'bad\n',
  Z: `${lines('z', 1)}${'bad\n'.repeat(200)}${lines('z', 1)}`,
};

function run(body: (helpers: Helpers, connect: ReturnType<typeof connector>) => void) {
  const scheduler = new TestScheduler((actual, expected) => expect(actual).toEqual(expected));
  scheduler.run((helpers) => body(helpers, connector(scheduler, helpers)));
}

/** Decodes chunks given as marbles; the names in the frames come out. */
function connector(scheduler: TestScheduler, { cold }: Helpers) {
  return (marbles: string, clockMs: () => number = () => scheduler.now(), bytes$?: Observable<Buffer>) => {
    const recording = createRecording(scheduler);
    const chunk$ = cold(marbles, CHUNKS);
    const refusals: (string | undefined)[] = [];
    const connection: Connection = {
      id: 1,
      remote: 'marble',
      chunk$: bytes$ ?? chunk$.pipe(map((text) => Buffer.from(text, 'latin1'))),
      clockMs,
      ...MUTE,
      refuse: (reply) => refusals.push(reply?.toString()),
    };
    const name$: Observable<string> = decode(
      () => OPTIONS,
      recording.context,
    )(connection).pipe(map((frame) => JSON.parse(textOf(frame)).n));
    return { name$, chunk$, refusals, ...recording };
  };
}

describe('decode', () => {
  test.each([
    ['never', '                       -----', '     -----'],
    ['empty', '                       --|', '       --|'],
    ['one', '                         -a--|', '     -a--|'],
    ['many', '                        -a-b---a|', ' -a-(bc)a|'],
    ['all at once', '                 (abhj|)', '    (abch|)'],
    ['a frame in two chunks', '       --h--i-|', '   -----h-|'],
    ['completion flushes', '          -a-h-j-|', ' -a-----(h|)'],
    ['a source that breaks', '        -a-h-j-#', ' -a-----(h|)'],
    ['a bad first byte closes', '     -T-a-|', '   -|'],
    ['a bad frame is survived', '     a-Y-a-|', '  a---a-|'],
  ])('%s', (_, input, output) => {
    run(({ expectObservable }, connect) => {
      expectObservable(connect(input.trim()).name$).toBe(output.trim());
    });
  });

  test('takes what comes in the very moment of the subscription', () => {
    run(({ expectObservable, flush }, connect) => {
      const chunk$ = concat(of(Buffer.from('{"n":"a"}\n{"n":')), NEVER);
      const { name$, rejected } = connect('-', undefined, chunk$);
      expectObservable(name$).toBe('a 29999ms |');
      flush();
      expect(rejected).toEqual(['frame_timeout']);
    });
  });

  test('early unsubscribe lets go of the connection and its timer', () => {
    run(({ expectObservable, expectSubscriptions, flush }, connect) => {
      const { name$, chunk$, rejected, refusals } = connect('-a-h-a-|');
      expectObservable(name$, '----!').toBe('-a---');
      expectSubscriptions(chunk$.subscriptions).toBe('^---!');
      flush();
      expect([rejected, refusals]).toEqual([[], []]);
    });
  });

  test('a refused connection is let go of at once', () => {
    run(({ expectObservable, expectSubscriptions, flush }, connect) => {
      const { name$, chunk$, rejected, refusals } = connect('--T---');
      expectObservable(name$).toBe('--|');
      expectSubscriptions(chunk$.subscriptions).toBe('^-!');
      flush();
      expect([rejected, refusals]).toEqual([['tls_hello'], [undefined]]);
    });
  });
});

describe('an incomplete frame', () => {
  const closes = (input: string, output: string, clockMs?: () => number) =>
    run(({ expectObservable, flush }, connect) => {
      const { name$, rejected, refusals } = connect(input, clockMs);
      expectObservable(name$).toBe(output);
      flush();
      expect([rejected, refusals]).toEqual([['frame_timeout'], [undefined]]);
    });
  const stays = (input: string, output: string) =>
    run(({ expectObservable, flush }, connect) => {
      const { name$, rejected, refusals } = connect(input);
      expectObservable(name$).toBe(output);
      flush();
      expect([rejected, refusals]).toEqual([[], []]);
    });

  test('closes the connection after 30 s', () => closes('-h', '- 30s |'));
  test('in MessagePack too', () => closes('-m', '- 30s |'));
  test('in length-prefixed frames too', () => closes('-f', '- 30s |'));
  test('that trickles closes 30 s after its first byte', () => {
    closes('h 9999ms s 9999ms s 9999ms s 9999ms s', '30s |');
    closes('F 9999ms s 9999ms s', '30s |');
  });
  test('completed in time lives', () => stays('h 29998ms i 60s |', '29999ms h 60s |'));
  test('counts from its own first byte, not from the frame before it', () => {
    closes('h 19999ms k', '20s h 29999ms |');
    stays('h 19999ms k 29998ms i 1m |', '20s h 29998ms h 1m |');
    closes('fg 19998ms F 9999ms s', '50s |');
  });
  test('ages only while its connection is read', () => {
    run(({ expectObservable, flush }, connect) => {
      let nowMs = () => 0;
      // not read from second 10 to second 100
      const clockMs = () => (nowMs() < 10_000 ? nowMs() : Math.max(10_000, nowMs() - 90_000));
      const { name$, rejected, context } = connect('h', clockMs);
      nowMs = () => context.scheduler.now();
      expectObservable(name$).toBe('2m |');
      flush();
      expect(rejected).toEqual(['frame_timeout']);
    });
  });
  test('does not age while the process stands still: who sent the rest meanwhile is read first', () => {
    run(({ expectObservable, flush }, connect) => {
      let nowMs = () => 0;
      // Stopped for a minute in second 15: the timer of second 30 rings in second 90.
      const clockMs = () => (nowMs() < 15_000 ? nowMs() : nowMs() + 60_000);
      const { name$, rejected, context } = connect('h', clockMs);
      nowMs = () => context.scheduler.now();
      expectObservable(name$).toBe('33s |');
      flush();
      expect(rejected).toEqual(['frame_timeout']);
    });
  });
});

describe('an idle connection', () => {
  test.each([
    ['between frames', 'a 1440m a 1440m |', 'a 1440m a 1440m |'],
    ['before its first byte', '1440m a|', '1440m a|'],
    ['after blanks', 's 1440m a 1440m |', '86400001ms a 1440m |'],
    ['after a blank line', 'a w 1440m a|', 'a 86400001ms a|'],
    ['after blanks behind a record', 'as 1440m a|', 'a 86400001ms a|'],
  ])('is never closed %s', (_, input, output) => {
    run(({ expectObservable, flush }, connect) => {
      const { name$, refusals } = connect(input);
      expectObservable(name$).toBe(output);
      flush();
      expect(refusals).toEqual([]);
    });
  });
});

describe('bad lines', () => {
  const outcome = (input: string) => {
    const result = { bad: 0, closedBy: '', names: 0 };
    run(({ flush }, connect) => {
      const { name$, rejected } = connect(input);
      name$.subscribe(() => result.names++);
      flush();
      result.bad = rejected.filter((reason) => reason === 'json').length;
      result.closedBy = rejected.find((reason) => reason !== 'json') ?? '';
    });
    return result;
  };

  test('100 within 10 s are survived', () => {
    expect(outcome('aX 4s X 9s aaa|')).toEqual({ bad: 100, closedBy: '', names: 4 });
  });
  test('101 within 10 s close, if they are more than half', () => {
    expect(outcome('aX 4s X 4s Y a|')).toEqual({ bad: 101, closedBy: 'bad_lines', names: 1 });
  });
  test('101 over more than 10 s are survived', () => {
    expect(outcome('aX 4s X 6s Y a|')).toEqual({ bad: 101, closedBy: '', names: 2 });
  });
  test('any number are survived among as many good ones', () => {
    expect(outcome(`a${'(Yaa)'.repeat(150)}|`)).toMatchObject({ bad: 150, closedBy: '' });
  });
  test('close in the middle of a chunk: what follows is not read', () => {
    expect(outcome('Z|')).toEqual({ bad: 101, closedBy: 'bad_lines', names: 1 });
  });
  test('are explained once, and counted every time', () => {
    run(({ flush }, connect) => {
      const { name$, logged } = connect('aYYY 20s YY|');
      name$.subscribe();
      flush();
      expect(logged.map(({ level }) => level)).toEqual(['warn', 'debug', 'debug', 'debug', 'debug']);
      expect(logged[0]).toEqual({
        level: 'warn',
        fields: { connection: 1, remote: 'marble', reason: 'json' },
        message: 'ingest: a frame is not valid JSON and was discarded',
      });
    });
  });
});
