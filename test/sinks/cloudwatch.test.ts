import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { firstValueFrom, lastValueFrom, ReplaySubject } from 'rxjs';
import { Partly, Permanent, Throttled } from '../../src/deliver/sink.ts';
import { jsonOf } from '../../src/message.ts';
import { REASONS } from '../../src/sinks/cloudwatch/events.ts';
import { sourcesBelow } from '../guards/sources.ts';
import { at, batchOf, fakeService, openSink, outcomeOf, sized, textsIn } from './cloudwatch-support.ts';
import { startFakeStore } from './fake-store.ts';
import { afterwards, close, eventually, sinkContext, tempDir } from './support.ts';

const now = Date.now();
const three = () => batchOf([at(now - 2), at(now - 1), at(now)]);
const HOUR_MS = 3_600_000;
const MIB = 1_048_576;

describe('sending', () => {
  test('a batch becomes events: the JSON text and the time of each message', async () => {
    const fake = await fakeService();
    const sent = three();
    expect(await outcomeOf(openSink(fake), sent)).toBe('accepted');
    expect(fake.groups.get('/app')!.streams.get('web')).toEqual(
      sent.messages.map((message) => ({ timestamp: message.timeMs, message: jsonOf(message) })),
    );
    expect(fake.violations).toEqual([]);
    expect(fake.requests[0]!.authorization).toMatch(/Credential=AKIATEST\/\d+\/us-east-1\/logs\//);
  });

  test('messages out of order are put in order; those of one time keep theirs', async () => {
    const fake = await fakeService();
    const messages = [at(now, { n: 1 }), at(now - 9, { n: 2 }), at(now, { n: 3 }), at(now - 9, { n: 4 })];
    expect(await outcomeOf(openSink(fake), batchOf(messages))).toBe('accepted');
    expect(textsIn(fake).map((text) => JSON.parse(text).data.n)).toEqual([2, 4, 1, 3]);
  });

  test('connections are kept and used again, at most so many', async () => {
    const fake = await fakeService();
    const sink = openSink(fake, { max_connections: 2 });
    for (let n = 0; n < 10; n++) await outcomeOf(sink, three());
    expect(fake.connections()).toBe(1);
    const sources = ['a', 'b', 'c', 'd', 'e', 'f'];
    await Promise.all(sources.map((source) => outcomeOf(sink, batchOf([at(now, {}, source)]))));
    expect(fake.connections()).toBe(2);
  });

  test('nothing is loaded or connected to before the first send', async () => {
    const fake = await fakeService();
    const sink = openSink(fake);
    sink.address({}).target(at(now));
    await close(sink);
    expect(fake.connections()).toBe(0);
  });

  test('only a dynamic import loads the client', () => {
    const wrong = /^import (?!type )[^;]*? from '@(aws-sdk|smithy)\//m;
    const files = sourcesBelow('src').filter(({ text }) => wrong.test(text));
    expect(files.map(({ path }) => path)).toEqual([]);
  });

  test('an address without a log group is refused with what to do', async () => {
    const sink = openSink(await fakeService(), { log_group: undefined });
    expect(() => sink.address({})).toThrow('`log_group` is missing');
    expect(sink.address({ log_group: '/a' }).target(at(now)).key).toBe('log_group=/a log_stream=web');
  });
});

describe('limits', () => {
  test.each([
    ['exactly as long as an event may be', MIB - 26, 1],
    ['two that fill a call to the byte', MIB / 2 - 26, 2],
  ])('%s: one call', async (_, bytes, count) => {
    const fake = await fakeService();
    const messages = Array.from({ length: count }, () => sized(bytes, now));
    expect(await outcomeOf(openSink(fake), batchOf(messages))).toBe('accepted');
    expect(fake.calls.map((call) => call.bytes)).toEqual([MIB]);
    expect(fake.violations).toEqual([]);
  });

  test('a byte more: two calls', async () => {
    const fake = await fakeService();
    const messages = [sized(MIB / 2 - 26, now), sized(MIB / 2 - 25, now)];
    expect(await outcomeOf(openSink(fake), batchOf(messages))).toBe('accepted');
    expect(fake.calls).toHaveLength(2);
    expect(fake.violations).toEqual([]);
  });

  test('bytes are those of UTF-8, not characters', async () => {
    const fake = await fakeService();
    const messages = Array.from({ length: 40 }, () => sized(100_000, now, '\u{1f600}'));
    expect(await outcomeOf(openSink(fake), batchOf(messages))).toBe('accepted');
    expect(fake.calls).toHaveLength(4);
    expect(textsIn(fake)).toHaveLength(40);
  });

  test('24 hours: two calls; a millisecond less: one', async () => {
    const fake = await fakeService();
    const sink = openSink(fake);
    await outcomeOf(sink, batchOf([at(now - 24 * HOUR_MS + 1), at(now)]));
    expect(fake.calls).toHaveLength(1);
    await outcomeOf(sink, batchOf([at(now - 24 * HOUR_MS), at(now)]));
    expect(fake.calls).toHaveLength(3);
    expect(fake.violations).toEqual([]);
  });
});

describe('what CloudWatch Logs does not take any more, or not yet', () => {
  test('is refused with the reason, and the rest is accepted', async () => {
    const fake = await fakeService();
    const [old, good, ahead] = [at(now - 15 * 24 * HOUR_MS), at(now), at(now + 3 * HOUR_MS)];
    const outcome = await outcomeOf(openSink(fake), batchOf([ahead, good, old]));
    expect(outcome).toBeInstanceOf(Partly);
    const { refused, unsent, cause } = outcome as Partly;
    expect([...refused]).toEqual([
      [ahead, REASONS.tooNew],
      [old, REASONS.tooOld],
    ]);
    expect([unsent.size, cause]).toEqual([0, undefined]);
    expect(textsIn(fake)).toEqual([jsonOf(good)]);
  });

  test('nothing is sent of a batch that is all too old', async () => {
    const fake = await fakeService();
    const old = at(0);
    const outcome = await outcomeOf(openSink(fake), batchOf([old, at(Number.NaN)]));
    expect([...(outcome as Partly).refused.values()]).toEqual([REASONS.tooOld, REASONS.tooOld]);
    expect(fake.requests).toEqual([]);
  });

  test('an answer of 200 that refuses is believed: the clock of the service counts', async () => {
    const fake = await fakeService();
    fake.now = () => now - 3 * HOUR_MS;
    const early = [at(now - 3 * HOUR_MS), at(now - 2 * HOUR_MS)];
    const late = [at(now - 1), at(now)];
    const ahead = await outcomeOf(openSink(fake), batchOf([...early, ...late]));
    expect([...(ahead as Partly).refused]).toEqual(late.map((message) => [message, REASONS.tooNew]));
    fake.now = () => now + 14 * 24 * HOUR_MS - 2.5 * HOUR_MS;
    const behind = await outcomeOf(openSink(fake), batchOf([...early, ...late]));
    expect([...(behind as Partly).refused]).toEqual([[early[0], REASONS.tooOld]]);
  });

  test('older than the retention of the group', async () => {
    const fake = await fakeService();
    const sink = openSink(fake, { retention_days: 3 });
    const old = at(now - 4 * 24 * HOUR_MS);
    const outcome = await outcomeOf(sink, batchOf([old, at(now)]));
    // Two calls for their span; the one of the old message is refused as a whole.
    expect([...(outcome as Partly).refused]).toEqual([[old, REASONS.expired]]);
    expect(textsIn(fake)).toHaveLength(1);
  });
});

describe('failures', () => {
  test.each([
    ['ThrottlingException', 400],
    ['ServiceUnavailableException', 503],
    ['LimitExceededException', 400],
    ['SomethingNew', 429],
  ])('%s is a pause', async (type, status) => {
    const fake = await fakeService();
    fake.fault = () => ({ type, status });
    const outcome = await outcomeOf(openSink(fake), three());
    expect(outcome).toBeInstanceOf(Throttled);
    expect((outcome as Throttled).retryAfterMs).toBe(1000);
    expect(fake.requests).toHaveLength(1);
  });

  test('as long as the service asks', async () => {
    const fake = await fakeService();
    fake.fault = () => ({ type: 'ThrottlingException', retryAfter: '7' });
    expect(await outcomeOf(openSink(fake), three())).toMatchObject({ retryAfterMs: 7000 });
  });

  test.each([
    ['AccessDeniedException', 400],
    ['UnrecognizedClientException', 400],
    ['ExpiredTokenException', 400],
    ['SomethingNewException', 400],
    ['InvalidSequenceTokenException', 400],
    ['InternalFailure', 500],
  ])('%s is tried again by the lane, once a send by the sink', async (type, status) => {
    const fake = await fakeService();
    fake.fault = () => ({ type, status });
    const outcome = await outcomeOf(openSink(fake), three());
    expect(outcome).toMatchObject({ name: type });
    expect([outcome instanceof Permanent, outcome instanceof Throttled]).toEqual([false, false]);
    expect(fake.requests).toHaveLength(1);
  });

  test('what was accepted before is accepted', async () => {
    const fake = await fakeService();
    fake.fault = () => ({ type: 'DataAlreadyAcceptedException' });
    expect(await outcomeOf(openSink(fake), three())).toBe('accepted');
  });

  test('a request that is called invalid is permanent: its messages are looked at one by one', async () => {
    const fake = await fakeService();
    fake.fault = () => ({ type: 'InvalidParameterException', message: 'bad event' });
    const outcome = await outcomeOf(openSink(fake), three());
    expect(outcome).toBeInstanceOf(Permanent);
    expect(outcome).toMatchObject({ scope: 'message', message: 'InvalidParameterException: bad event' });
  });

  test.each([200, 400, 503])('an answer of status %d that is none of the service', async (status) => {
    const { endpoint } = await startFakeStore(() => ({ status, body: '<html>sign in</html>' }));
    const error = (await outcomeOf(openSink({ endpoint }), three())) as Error;
    expect(error).not.toBeInstanceOf(Permanent);
    expect(error.message).toMatch(`HTTP ${status}: the answer is not one of this service`);
  });

  test('a connection that is cut, a service that is away', async () => {
    const fake = await fakeService();
    const sink = openSink(fake);
    fake.fault = () => 'cut';
    expect(await outcomeOf(sink, three())).toBeInstanceOf(Error);
    fake.fault = () => undefined;
    expect(await outcomeOf(sink, three())).toBe('accepted');
    await fake.close().catch(() => undefined);
    expect(await outcomeOf(sink, three())).toBeInstanceOf(Error);
  });

  test('no answer in time', async () => {
    const fake = await fakeService();
    const held = new ReplaySubject<undefined>();
    fake.fault = () => firstValueFrom(held);
    const outcome = await outcomeOf(openSink(fake, { request_timeout: '200ms' }), three());
    expect(outcome).toMatchObject({ name: 'TimeoutError' });
    held.next(undefined);
  });

  test('credentials of a profile that expire are read again', async () => {
    const path = join(await tempDir(), 'credentials');
    const renew = (id: string) =>
      writeFile(path, `[logs]\naws_access_key_id = ${id}\naws_secret_access_key = s\n`);
    const before = process.env.AWS_SHARED_CREDENTIALS_FILE;
    afterwards(() => {
      if (before === undefined) delete process.env.AWS_SHARED_CREDENTIALS_FILE;
      else process.env.AWS_SHARED_CREDENTIALS_FILE = before;
    });
    process.env.AWS_SHARED_CREDENTIALS_FILE = path;
    const fake = await fakeService();
    fake.fault = ({ authorization }) =>
      authorization.includes('Credential=OLD/') ? { type: 'ExpiredTokenException' } : undefined;
    const sink = openSink(fake, { credentials: undefined, profile: 'logs' });
    await renew('OLD');
    expect(await outcomeOf(sink, three())).toMatchObject({ name: 'ExpiredTokenException' });
    await renew('NEW');
    expect(await outcomeOf(sink, three())).toMatchObject({ name: 'ExpiredTokenException' });
    expect(await outcomeOf(sink, three())).toBe('accepted');
  });

  test('of several calls what was accepted is not sent again', async () => {
    const fake = await fakeService();
    const sink = openSink(fake);
    await outcomeOf(sink, three());
    const before = fake.calls.length;
    const messages = Array.from({ length: 12 }, () => sized(MIB - 26, now));
    const first = fake.actions('PutLogEvents').at(-1)!.nth;
    fake.fault = ({ action, nth }) =>
      action === 'PutLogEvents' && nth === first + 6 ? { type: 'ThrottlingException' } : undefined;
    const outcome = (await outcomeOf(sink, batchOf(messages))) as Partly;
    expect(outcome).toBeInstanceOf(Partly);
    expect(outcome.cause).toBeInstanceOf(Throttled);
    const accepted = fake.calls.slice(before).map(({ events }) => events[0]!.message);
    expect(accepted.length + outcome.unsent.size).toBe(12);
    expect(accepted.length).toBeGreaterThanOrEqual(5);
    expect(messages.filter((one) => !outcome.unsent.has(one)).map(jsonOf)).toEqual(
      expect.arrayContaining(accepted),
    );
    expect(await outcomeOf(sink, batchOf([...outcome.unsent]))).toBe('accepted');
    expect(textsIn(fake).slice(3).sort()).toEqual(messages.map(jsonOf).sort());
  });

  test('of a poison call the others are accepted', async () => {
    const fake = await fakeService();
    const [bad, ...good] = Array.from({ length: 9 }, () => sized(MIB - 26, now));
    const poison = jsonOf(bad!);
    fake.fault = ({ action, input }) =>
      action === 'PutLogEvents' && JSON.stringify(input).includes(JSON.stringify(poison).slice(0, -1))
        ? { type: 'InvalidParameterException' }
        : undefined;
    const outcome = (await outcomeOf(openSink(fake), batchOf([bad!, ...good]))) as Partly;
    expect(outcome.cause).toBeInstanceOf(Permanent);
    expect([...outcome.unsent]).toEqual([bad]);
    expect(textsIn(fake)).toHaveLength(8);
  });
});

describe('ending', () => {
  test('unsubscribing aborts the request', async () => {
    const fake = await fakeService();
    const sink = openSink(fake);
    await outcomeOf(sink, three());
    const held = new ReplaySubject<undefined>();
    fake.fault = () => firstValueFrom(held);
    const sent = three();
    const asked = fake.requests.length;
    const sending = sink.send(sent, sink.address({}).target(sent.messages[0]!)).subscribe();
    await eventually(() => expect(fake.requests).toHaveLength(asked + 1));
    sending.unsubscribe();
    await eventually(() => expect(fake.aborted()).toBe(1));
    held.next(undefined);
  });

  test('a slow line ends a send with what it got through', async () => {
    const fake = await fakeService();
    const context = sinkContext();
    let nowMs = now;
    const sink = openSink(
      fake,
      {},
      { ...context, scheduler: { ...context.scheduler, now: () => nowMs } as never },
    );
    fake.fault = ({ action }) => {
      if (action === 'PutLogEvents') nowMs += 3000;
      return undefined;
    };
    const messages = Array.from({ length: 10 }, () => sized(MIB - 26, now));
    const outcome = (await outcomeOf(sink, batchOf(messages))) as Partly;
    expect(outcome.cause).toBeUndefined();
    expect(outcome.unsent.size + fake.calls.length).toBe(10);
    expect(fake.calls.length).toBeGreaterThanOrEqual(2);
  });

  test('closing closes the connections', async () => {
    const fake = await fakeService();
    const sink = openSink(fake);
    await outcomeOf(sink, three());
    await lastValueFrom(sink.close(), { defaultValue: 'closed' });
    await fake.close();
  });
});
