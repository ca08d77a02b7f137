import { describe, expect, test } from '@jest/globals';
import { firstValueFrom, ReplaySubject } from 'rxjs';
import { Throttled } from '../../src/deliver/sink.ts';
import { at, batchOf, fakeService, openSink, outcomeOf, sized, textsIn } from './cloudwatch-support.ts';
import { eventually, sinkContext } from './support.ts';

const now = Date.now();
const one = (source = 'web') => batchOf([at(now, {}, source)]);
const actionsOf = (fake: Awaited<ReturnType<typeof fakeService>>) =>
  fake.requests.map(({ action }) => action);

describe('what is missing', () => {
  test('is made once: the group with all that is said of it, then the stream', async () => {
    const fake = await fakeService();
    const context = sinkContext();
    const options = { retention_days: 30, log_group_class: 'INFREQUENT_ACCESS', kms_key_id: 'key' };
    const sink = openSink(fake, options, context);
    expect(await outcomeOf(sink, one())).toBe('accepted');
    expect(actionsOf(fake)).toEqual([
      'PutLogEvents',
      'CreateLogStream',
      'CreateLogGroup',
      'PutRetentionPolicy',
      'CreateLogStream',
      'PutLogEvents',
    ]);
    const group = fake.groups.get('/app')!;
    expect(group.input).toEqual({
      logGroupName: '/app',
      kmsKeyId: 'key',
      logGroupClass: 'INFREQUENT_ACCESS',
    });
    expect(group.retentionDays).toBe(30);
    const asked = fake.requests.length;
    expect(await outcomeOf(sink, one())).toBe('accepted');
    expect(actionsOf(fake).slice(asked)).toEqual(['PutLogEvents']);
    expect(context.lines.map(({ message }) => message)).toEqual(['Made a log group']);
  });

  test('a group that was there keeps its retention', async () => {
    const fake = await fakeService();
    await outcomeOf(openSink(fake), one());
    await outcomeOf(openSink(fake, { retention_days: 30 }), one('other'));
    expect(fake.groups.get('/app')!.retentionDays).toBeUndefined();
    expect(fake.actions('PutRetentionPolicy')).toEqual([]);
  });

  test('a rule may say another retention', async () => {
    const fake = await fakeService();
    const sink = openSink(fake, { retention_days: 30 });
    await outcomeOf(sink, one(), { log_group: '/long', retention_days: 365 });
    await outcomeOf(sink, one(), { log_group: '/short' });
    expect(['/long', '/short'].map((name) => fake.groups.get(name)!.retentionDays)).toEqual([365, 30]);
  });

  test('twenty streams at once make one group, each its stream', async () => {
    const fake = await fakeService();
    const sink = openSink(fake, { retention_days: 7 });
    const sources = Array.from({ length: 20 }, (_, n) => `s${n}`);
    const outcomes = await Promise.all(sources.map((source) => outcomeOf(sink, one(source))));
    expect(new Set(outcomes)).toEqual(new Set(['accepted']));
    expect(fake.actions('CreateLogGroup')).toHaveLength(1);
    expect(fake.actions('PutRetentionPolicy')).toHaveLength(1);
    expect([...fake.groups.get('/app')!.streams.keys()].sort()).toEqual(sources.sort());
  });

  test('several calls of one send make their stream once', async () => {
    const fake = await fakeService();
    const sink = openSink(fake);
    await outcomeOf(sink, one('other'));
    const before = fake.actions('CreateLogStream').length;
    const messages = Array.from({ length: 6 }, () => sized(1_000_000, now));
    expect(await outcomeOf(sink, batchOf(messages))).toBe('accepted');
    expect(fake.actions('CreateLogStream')).toHaveLength(before + 1);
    expect(textsIn(fake)).toHaveLength(6);
  });

  test('two sidecars at once: the one that comes second takes what it finds', async () => {
    const fake = await fakeService();
    const held = new ReplaySubject<undefined>();
    let waiting = 0;
    fake.fault = ({ action }) => {
      if (action !== 'CreateLogGroup') return undefined;
      if (++waiting === 2) held.next(undefined);
      return firstValueFrom(held);
    };
    const sinks = [openSink(fake), openSink(fake)];
    const outcomes = await Promise.all(sinks.map((sink, n) => outcomeOf(sink, one(`s${n}`))));
    expect(outcomes).toEqual(['accepted', 'accepted']);
    expect(fake.actions('CreateLogGroup')).toHaveLength(2);
  });

  test('deleted while in use: it is made again', async () => {
    const fake = await fakeService();
    const sink = openSink(fake, { retention_days: 7 });
    await outcomeOf(sink, one());
    fake.groups.clear();
    expect(await outcomeOf(sink, one())).toBe('accepted');
    expect(fake.groups.get('/app')!.retentionDays).toBe(7);
    fake.groups.get('/app')!.streams.clear();
    expect(await outcomeOf(sink, one())).toBe('accepted');
    expect(textsIn(fake)).toHaveLength(1);
  });

  test('`create: false` makes nothing, loses nothing and says what is missing; it heals', async () => {
    const fake = await fakeService();
    const sink = openSink(fake, { create: false });
    const outcome = await outcomeOf(sink, one());
    expect(outcome).toMatchObject({
      name: 'Error',
      message: 'log group /app or its stream web is missing, and `create` is false',
    });
    expect(actionsOf(fake)).toEqual(['PutLogEvents']);
    await outcomeOf(openSink(fake), one());
    expect(await outcomeOf(sink, one())).toBe('accepted');
  });
});

describe('making that fails', () => {
  test('is tried again with the batch, whatever the service says of it', async () => {
    const fake = await fakeService();
    const sink = openSink(fake, { retention_days: 7 });
    for (const type of ['AccessDeniedException', 'InvalidParameterException', 'InternalFailure']) {
      fake.fault = ({ action }) => (action === 'CreateLogGroup' ? { type, message: 'no' } : undefined);
      expect(await outcomeOf(sink, one())).toMatchObject({
        name: 'Error',
        message: expect.stringMatching(/^cannot make log group \/app: .*no$/),
      });
    }
    fake.fault = () => undefined;
    expect(await outcomeOf(sink, one())).toBe('accepted');
  });

  test.each(['CreateLogStream', 'CreateLogGroup'])('throttled at %s', async (throttled) => {
    const fake = await fakeService();
    fake.fault = ({ action }) => (action === throttled ? { type: 'LimitExceededException' } : undefined);
    expect(await outcomeOf(openSink(fake), one())).toBeInstanceOf(Throttled);
  });

  test('while another sidecar makes it: tried again later', async () => {
    const fake = await fakeService();
    const sink = openSink(fake);
    fake.fault = ({ action }) =>
      action === 'CreateLogGroup' ? { type: 'OperationAbortedException' } : undefined;
    expect(await outcomeOf(sink, one())).toMatchObject({ message: 'log group /app is not there yet' });
    fake.fault = () => undefined;
    expect(await outcomeOf(sink, one())).toBe('accepted');
  });

  test('a retention that could not be set is set with the next send', async () => {
    const fake = await fakeService();
    const sink = openSink(fake, { retention_days: 7 });
    fake.fault = ({ action, nth }) =>
      action === 'PutRetentionPolicy' && nth === 1 ? { type: 'OperationAbortedException' } : undefined;
    expect(await outcomeOf(sink, one())).toMatchObject({
      message: expect.stringMatching(/^cannot set the retention of log group \/app/),
    });
    expect(await outcomeOf(sink, one())).toBe('accepted');
    expect(fake.groups.get('/app')!.retentionDays).toBe(7);
    expect(fake.actions('PutRetentionPolicy')).toHaveLength(2);
  });

  test('without the right to set it, events are delivered and it is said once', async () => {
    const fake = await fakeService();
    const context = sinkContext();
    const sink = openSink(fake, { retention_days: 7 }, context);
    fake.fault = ({ action }) =>
      action === 'PutRetentionPolicy' ? { type: 'AccessDeniedException' } : undefined;
    expect(await outcomeOf(sink, one())).toBe('accepted');
    expect(await outcomeOf(sink, one())).toBe('accepted');
    expect(context.lines.filter(({ level }) => level === 'warn').map(({ message }) => message)).toEqual([
      'The retention of a new log group cannot be set: its events are kept for ever',
    ]);
    expect(fake.actions('PutRetentionPolicy')).toHaveLength(1);
  });

  test('a send that is given up does not spoil the making for others', async () => {
    const fake = await fakeService();
    const sink = openSink(fake);
    const held = new ReplaySubject<undefined>();
    fake.fault = ({ action }) => (action === 'CreateLogGroup' ? firstValueFrom(held) : undefined);
    const sent = one('a');
    const first = sink.send(sent, sink.address({}).target(sent.messages[0]!)).subscribe();
    const second = outcomeOf(sink, one('b'));
    await eventually(() => expect(fake.actions('CreateLogStream')).toHaveLength(2));
    first.unsubscribe();
    held.next(undefined);
    expect(await second).toBe('accepted');
    expect(textsIn(fake, '/app', 'a')).toEqual([]);
  });
});
