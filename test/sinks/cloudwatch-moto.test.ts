import {
  CloudWatchLogsClient,
  DescribeLogGroupsCommand,
  GetLogEventsCommand,
} from '@aws-sdk/client-cloudwatch-logs';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { Partly, Permanent } from '../../src/deliver/sink.ts';
import { jsonOf } from '../../src/message.ts';
import { type Faults, startFaultProxy } from '../fault-proxy.ts';
import { describeWithMoto, MOTO_CREDENTIALS, type Moto, startMoto } from '../moto.ts';
import { at, batchOf, openSink, outcomeOf, sized } from './cloudwatch-support.ts';
import { afterwards, close, eventually } from './support.ts';

const HOUR_MS = 3_600_000;

describeWithMoto('a real server', () => {
  let moto: Moto;
  let client: CloudWatchLogsClient;
  const now = Date.now();

  beforeAll(async () => {
    moto = await startMoto();
    client = new CloudWatchLogsClient({
      region: 'us-east-1',
      endpoint: moto.endpoint,
      credentials: {
        accessKeyId: MOTO_CREDENTIALS.access_key_id,
        secretAccessKey: MOTO_CREDENTIALS.secret_access_key,
      },
    });
  }, 120_000);
  beforeEach(() => moto.reset());
  afterAll(async () => {
    client.destroy();
    await moto.stop();
  });

  /** A stream's texts, oldest first, page by page. */
  const stored = async (logGroupName: string, logStreamName: string): Promise<string[]> => {
    const texts: string[] = [];
    let nextToken: string | undefined;
    for (;;) {
      const command = new GetLogEventsCommand({
        logGroupName,
        logStreamName,
        startFromHead: true,
        ...(nextToken !== undefined && { nextToken }),
      });
      const page = await client.send(command);
      texts.push(...(page.events ?? []).map(({ message }) => message ?? ''));
      if (page.nextForwardToken === nextToken || page.events?.length === 0) return texts;
      nextToken = page.nextForwardToken;
    }
  };

  test('group, retention, stream and events are there', async () => {
    const sink = openSink(moto, { retention_days: 14 });
    const sent = batchOf([at(now, { n: 1 }), at(now - 5, { n: 2 }), at(now, { text: '\u{1f600} é "' })]);
    expect(await outcomeOf(sink, sent, { log_group: '/app/monitoring' })).toBe('accepted');
    const { logGroups } = await client.send(new DescribeLogGroupsCommand({}));
    expect(logGroups).toMatchObject([{ logGroupName: '/app/monitoring', retentionInDays: 14 }]);
    const [a, b, c] = sent.messages.map(jsonOf);
    expect(await stored('/app/monitoring', 'web')).toEqual([b, a, c]);
  });

  test('a hostile source has a stream of its own', async () => {
    const sink = openSink(moto);
    const sent = batchOf([at(now, {}, '../a:b*\n')]);
    expect(await outcomeOf(sink, sent)).toBe('accepted');
    expect(await stored('/app', '%2E%2E%2Fa%3Ab%2A%0A')).toEqual(sent.messages.map(jsonOf));
  });

  test('several megabytes, and messages of several days', async () => {
    const sink = openSink(moto);
    const messages = Array.from({ length: 30 }, (_, n) => sized(100_000, now - n * 6 * HOUR_MS));
    expect(await outcomeOf(sink, batchOf(messages))).toBe('accepted');
    const texts = await stored('/app', 'web');
    expect(texts.sort()).toEqual(messages.map(jsonOf).sort());
  });

  test.each<[string, Faults]>([
    ['is cut within a request', { cutAfter: 300_000 }],
    ['is reset at once', { resetAfter: 0 }],
    ['is cut before the answer', { cutAnswerAfter: 1 }],
    ['is silent', { blackHole: true }],
  ])('a line that %s: all of it arrives at last', async (_, faults) => {
    const proxy = await startFaultProxy(moto);
    afterwards(() => proxy.close());
    const sink = openSink(proxy, { request_timeout: '2s' });
    expect(await outcomeOf(sink, batchOf([at(now)]))).toBe('accepted');
    proxy.set(faults);
    const sent = batchOf(Array.from({ length: 12 }, () => sized(400_000, now)));
    const failed = await outcomeOf(sink, sent);
    expect(failed).toBeInstanceOf(Error);
    expect(failed).not.toBeInstanceOf(Permanent);
    proxy.set({});
    proxy.resetAll();
    await eventually(async () => expect(await outcomeOf(sink, sent)).toBe('accepted'));
    expect(await stored('/app', 'web')).toEqual(expect.arrayContaining(sent.messages.map(jsonOf)));
  });

  test('what is too old is refused with its reason, the rest is there', async () => {
    const sink = openSink(moto);
    const [old, good] = [at(now - 20 * 24 * HOUR_MS), at(now)];
    const outcome = (await outcomeOf(sink, batchOf([old, good]))) as Partly;
    expect(outcome).toBeInstanceOf(Partly);
    expect([...outcome.refused.keys()]).toEqual([old]);
    expect(await stored('/app', 'web')).toEqual([jsonOf(good)]);
    await close(sink);
  });
});
