import { lastValueFrom } from 'rxjs';
import { type Batch, createBatch } from '../../src/batch.ts';
import type { Sink, SinkContext } from '../../src/deliver/sink.ts';
import { type JsonObject, jsonOf, type Message } from '../../src/message.ts';
import cloudwatch from '../../src/sinks/cloudwatch.ts';
import { type CloudwatchFake, startCloudwatchFake } from '../cloudwatch-fake.ts';
import { afterwards, close, message, sinkContext } from './support.ts';

export const CREDENTIALS = { access_key_id: 'AKIATEST', secret_access_key: 'secret' };
export const PLACE = { group: '/app', stream: 'web' };

/** A service of each test's own. */
export async function fakeService(): Promise<CloudwatchFake> {
  const fake = await startCloudwatchFake();
  afterwards(fake.close);
  return fake;
}

/** A sink on a service, closed after the test. */
export function openSink(
  { endpoint }: { readonly endpoint: string },
  options: object = {},
  context: SinkContext = sinkContext(),
): Sink {
  const settings = { region: 'us-east-1', endpoint, credentials: CREDENTIALS, log_group: '/app', ...options };
  const sink = cloudwatch.open(cloudwatch.options.parse(settings), { ...context, backend: 'logs' });
  afterwards(() => close(sink));
  return sink;
}

/** What a send comes to: `accepted` or its error. */
export async function outcomeOf(sink: Sink, sent: Batch, config: object = {}): Promise<unknown> {
  const target = sink.address(config).target(sent.messages[0]!);
  return lastValueFrom(sink.send(sent, target), { defaultValue: 'accepted' }).catch(
    (error: unknown) => error,
  );
}

/** A message of a time, which may be none. */
export const at = (timeMs: number, data: JsonObject = {}, source = 'web'): Message =>
  message({ timeMs, receivedMs: timeMs || 0, source }, data);

/** Messages, one batch. */
export const batchOf = (messages: readonly Message[]): Batch =>
  createBatch(
    messages,
    messages.reduce((sum, { bytes }) => sum + bytes, 0),
    'count',
  );

/** A message whose JSON text has exactly so many bytes of `character`s and ASCII. */
export function sized(bytes: number, timeMs: number, character = 'x'): Message {
  const bare = Buffer.byteLength(jsonOf(at(timeMs, { text: '' })));
  const each = Buffer.byteLength(character);
  const count = Math.floor((bytes - bare) / each);
  return at(timeMs, { text: character.repeat(count) + 'y'.repeat(bytes - bare - count * each) });
}

/** The texts of a stream, as they came. */
export const textsIn = ({ groups }: CloudwatchFake, group = PLACE.group, stream = PLACE.stream): string[] =>
  (groups.get(group)?.streams.get(stream) ?? []).map(({ message: text }) => text);
