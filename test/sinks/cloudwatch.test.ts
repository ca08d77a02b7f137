import { describe, expect, test } from '@jest/globals';
import { Partly, Permanent, Throttled } from '../../src/deliver/sink.ts';
import { jsonOf } from '../../src/message.ts';
import { at, batchOf, fakeService, openSink, outcomeOf, textsIn } from './cloudwatch-support.ts';
import { close, sinkContext } from './support.ts';

const now = Date.now();
const three = () => batchOf([at(now - 2), at(now - 1), at(now)]);

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
});
void [Partly, Permanent, Throttled, textsIn, close, sinkContext];
